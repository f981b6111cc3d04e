/* Snapshot files of the metadata log, for store.c. */
#ifndef ELECT_SNAPSHOTS_H
#define ELECT_SNAPSHOTS_H
#include "store.h"

int snapshots_list(struct store *s); /* fills s->snapshots; removes what was half made */
/* One batch at the end of `out` (store.c); values as store_append's. */
int batch_of(struct buf *out, int64_t base, int32_t epoch, bool control, const struct buf *values,
	     int64_t wall_ms);
#endif
