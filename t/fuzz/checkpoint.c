/* Fuzzing the small files: checkpoints, epochs, snapshots, ids. What parses is written and parsed
 * again to the same. */
#include <stdlib.h>
#include <string.h>

#include "log/checkpoint.h"
#include "log/cleanshutdown.h"
#include "log/epochs.h"
#include "log/metaproperties.h"
#include "log/partmeta.h"
#include "log/snapfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void try_epochs(const char *p, size_t n)
{
	struct epochs e = {0}, again = {0};
	struct buf b = {0};
	int32_t epoch;
	int64_t end;
	if (epochs_parse(&e, p, n) == 0) {
		if (epochs_format(&e, &b) < 0 || epochs_parse(&again, (char *)b.p, b.n) < 0 ||
		    again.n != e.n)
			abort();
		for (int32_t i = -1; i < 5; i++)
			epochs_end(&e, i, 100, &epoch, &end);
		epochs_cut_start(&e, 3);
		epochs_cut_end(&e, 3);
	}
	epochs_free(&e);
	epochs_free(&again);
	buf_free(&b);
}

static void try_snapshot(const uint8_t *p, size_t n)
{
	struct producers s = {0};
	struct buf b = {0};
	struct producer x;
	int entries = snapfile_check(p, n);
	for (int i = 0; i < entries; i++) {
		snapfile_entry(p, i, &x);
		producers_put(&s, &x);
	}
	if (entries >= 0 && (snapfile_format(&s, &b) < 0 || snapfile_check(b.p, b.n) < 0))
		abort();
	producers_clear(&s);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct checkpoint c = {0};
	struct metaproperties m;
	struct uuid id;
	int64_t epoch;
	checkpoint_parse(&c, (const char *)p, n);
	checkpoint_free(&c);
	metaproperties_parse(&m, (const char *)p, n);
	partmeta_parse(&id, (const char *)p, n);
	cleanshutdown_parse((const char *)p, n, &epoch);
	try_epochs((const char *)p, n);
	try_snapshot(p, n);
	return 0;
}
