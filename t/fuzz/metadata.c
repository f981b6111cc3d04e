/* Fuzzing the metadata image: the input is records (u16 length, value). What they make, written as
 * records, must make as much again.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "meta/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct copy {
	struct meta_image *into;
	int n;
};

static int apply(void *arg, struct span value)
{
	struct copy *c = arg;

	c->n++;
	if (c->into && meta_apply(c->into, value, 1, 1) != 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct meta_image m, again;
	struct copy a = { &again, 0 }, b = { NULL, 0 };
	bool whole = true;

	meta_image_init(&m);
	meta_image_init(&again);
	meta_image_feature(&m, span_of("metadata.version"), META_LEVEL_NEW);
	for (size_t at = 0; whole && n - at >= 2;) {
		size_t size = get16(p + at);

		at += 2;
		if (size > n - at)
			break;
		whole = meta_apply(&m, (struct span){ (const char *)p + at, (int32_t)size }, 0, 0)
			>= 0;
		at += size;
	}
	if (whole) {
		meta_image_records(&m, apply, &a);
		meta_image_records(&again, apply, &b);
		if (a.n != b.n)
			abort();
	}
	meta_image_free(&m);
	meta_image_free(&again);
	return 0;
}
