/* With SEEDS=DIR in the environment a fuzz target of the codec first writes there what it can make
 * of Kafka's vectors: inputs to begin with. t/1900-fuzz.t asks for them. */
#ifndef T_FUZZ_SEEDS_H
#define T_FUZZ_SEEDS_H
#include "../wire.h"

static inline void write_seed(const struct vector *v, const void *p, size_t n)
{
	static unsigned count;
	char name[4096];
	snprintf(name, sizeof name, "%s/%s-%d-%u", getenv("SEEDS"), v->name, v->version, count++);
	FILE *f = fopen(name, "w");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f)) {
		perror(name);
		exit(111);
	}
}

static inline void write_seeds(void (*make)(const struct vector *v))
{
	struct vectors all;
	struct vector v;
	if (!getenv("SEEDS"))
		return;
	if (vectors_open(&all) < 0) {
		perror("vectors");
		exit(111);
	}
	while (vectors_next(&all, &v) > 0)
		make(&v);
	vectors_close(&all);
}
#endif
