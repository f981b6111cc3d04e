/* A histogram of times: 64 buckets for each power of two. */
#include "logbench.h"

enum { PARTS = 64, BUCKETS = PARTS * 58 };

static int64_t counts[BUCKETS], total, most;

static int bucket(int64_t v)
{
	if (v < PARTS)
		return (int)v;
	int shift = 63 - __builtin_clzll((uint64_t)v) - 6;
	return PARTS * (shift + 1) + (int)(v >> shift) - PARTS;
}

/* The largest value that goes into bucket i. */
static int64_t bucket_top(int i)
{
	if (i < PARTS)
		return i;
	int shift = i / PARTS - 1;
	return ((int64_t)(i % PARTS + PARTS + 1) << shift) - 1;
}

void latency_add(int64_t us)
{
	us = us < 0 ? 0 : us;
	counts[bucket(us)]++;
	total++;
	most = us > most ? us : most;
}

int64_t latency_at(double part)
{
	int64_t seen = 0;
	double wanted = part * (double)total;
	if (!total)
		return -1;
	for (int i = 0; i < BUCKETS; i++) {
		seen += counts[i];
		if (counts[i] && (double)seen >= wanted)
			return bucket_top(i) < most ? bucket_top(i) : most;
	}
	return most;
}
