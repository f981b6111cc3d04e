/* Indexes, snapshots, checkpoints: the small files of a partition and of a log directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomicfile.h"
#include "dump.h"
#include "log/checkpoint.h"
#include "log/cleanshutdown.h"
#include "log/epochs.h"
#include "log/indexfile.h"
#include "log/metaproperties.h"
#include "log/names.h"
#include "log/partmeta.h"
#include "log/snapfile.h"
#include "log/txnindex.h"

enum { LARGEST = 1 << 30 };

struct file {
	const char *path, *partition;
	int64_t base;               /* of the segment */
	const char *p;
	size_t n;
};

static bool wanted(int64_t offset)
{
	return offset >= opt.from && offset < opt.to;
}

static void dump_index(const struct file *f)
{
	static const char *const columns[] = {"partition", "offset", "position", 0};
	const uint8_t *e = (const uint8_t *)f->p;
	rows_begin(columns);
	/* a preallocated tail is zero, and no entry has position 0 */
	for (size_t i = 0; i + INDEX_ENTRY <= f->n && get32(e + i + 4); i += INDEX_ENTRY) {
		int64_t offset = f->base + (int32_t)get32(e + i);
		if (!wanted(offset))
			continue;
		table_z(&row, f->partition);
		table_int(&row, offset);
		table_int(&row, (int32_t)get32(e + i + 4));
		row_end();
	}
}

static void dump_timeindex(const struct file *f)
{
	static const char *const columns[] = {"partition", "offset", "timestamp", 0};
	const uint8_t *e = (const uint8_t *)f->p;
	rows_begin(columns);
	for (size_t i = 0; i + TIMEINDEX_ENTRY <= f->n; i += TIMEINDEX_ENTRY) {
		int64_t offset = f->base + (int32_t)get32(e + i + 8);
		if (i && !get64(e + i) && !get32(e + i + 8))
			break;
		if (!wanted(offset))
			continue;
		table_z(&row, f->partition);
		table_int(&row, offset);
		table_int(&row, (int64_t)get64(e + i));
		row_end();
	}
}

static void dump_txnindex(const struct file *f)
{
	static const char *const columns[] = {
		"partition", "first_offset", "last_offset", "producer_id", "last_stable_offset", 0};
	struct txnindex_entry t;
	rows_begin(columns);
	for (size_t i = 0; i + TXNINDEX_ENTRY <= f->n; i += TXNINDEX_ENTRY) {
		if (txnindex_parse(&t, (const uint8_t *)f->p + i) < 0) {
			complain(f->path, (int64_t)i, "unknown version");
			return;
		}
		if (!wanted(t.last))
			continue;
		table_z(&row, f->partition);
		table_int(&row, t.first);
		table_int(&row, t.last);
		table_int(&row, t.producer_id);
		table_int(&row, t.stable);
		row_end();
	}
	if (f->n % TXNINDEX_ENTRY)
		complain(f->path, (int64_t)(f->n - f->n % TXNINDEX_ENTRY), "cut short");
}

static void dump_snapshot(const struct file *f)
{
	static const char *const columns[] = {
		"partition", "producer_id", "producer_epoch", "last_sequence", "last_offset",
		"offset_delta", "timestamp", "coordinator_epoch", "txn_first_offset", 0};
	int n = snapfile_check(f->p, f->n);
	struct producer p;
	rows_begin(columns);
	if (n < 0)
		complain(f->path, -1, "wrong version, length or crc");
	for (int i = 0; i < n; i++) {
		snapfile_entry(f->p, i, &p);
		table_z(&row, f->partition);
		table_int(&row, p.id);
		table_int(&row, p.epoch);
		table_int(&row, p.n ? p.batch[0].last_sequence : -1);
		table_int(&row, p.n ? p.batch[0].last_offset : -1);
		table_int(&row, p.n ? p.batch[0].delta : 0);
		table_int(&row, p.last_timestamp);
		table_int(&row, p.coordinator_epoch);
		table_int(&row, p.txn_first);
		row_end();
	}
}

static void dump_epochs(const struct file *f)
{
	static const char *const columns[] = {"partition", "offset", "leader_epoch", 0};
	struct epochs e = {0};
	rows_begin(columns);
	if (epochs_parse(&e, f->p, f->n) < 0)
		complain(f->path, -1, "damaged");
	for (int i = 0; i < e.n; i++) {
		table_z(&row, f->partition);
		table_int(&row, e.v[i].start);
		table_int(&row, e.v[i].epoch);
		row_end();
	}
	epochs_free(&e);
}

static void dump_checkpoint(const struct file *f)
{
	static const char *const columns[] = {"partition", "offset", 0};
	struct checkpoint c = {0};
	rows_begin(columns);
	if (checkpoint_parse(&c, f->p, f->n) < 0)
		complain(f->path, -1, "damaged");
	for (size_t i = 0; i < c.n; i++) {
		table_z(&row, c.v[i]->name);
		table_int(&row, c.v[i]->offset);
		row_end();
	}
	checkpoint_free(&c);
}

static void dump_partmeta(const struct file *f)
{
	static const char *const columns[] = {"partition", "topic_id", 0};
	struct uuid id;
	char text[UUID_TEXT];
	rows_begin(columns);
	if (partmeta_parse(&id, f->p, f->n) < 0) {
		complain(f->path, -1, "damaged");
		return;
	}
	table_z(&row, f->partition);
	table_z(&row, uuid_text(&id, text));
	row_end();
}

static void dump_metaproperties(const struct file *f)
{
	static const char *const columns[] = {"cluster_id", "node_id", "directory_id", "version", 0};
	struct metaproperties m;
	char text[UUID_TEXT];
	rows_begin(columns);
	if (metaproperties_parse(&m, f->p, f->n) < 0) {
		complain(f->path, -1, "damaged");
		return;
	}
	table_z(&row, m.cluster_id);
	table_int(&row, m.node_id);
	table_z(&row, uuid_is_zero(&m.directory_id) ? "" : uuid_text(&m.directory_id, text));
	table_int(&row, m.version);
	row_end();
}

static void dump_cleanshutdown(const struct file *f)
{
	static const char *const columns[] = {"broker_epoch", 0};
	int64_t epoch;
	rows_begin(columns);
	cleanshutdown_parse(f->p, f->n, &epoch);
	table_int(&row, epoch);
	row_end();
}

static void (*by_name(const char *name, int64_t *base))(const struct file *f)
{
	static const struct {
		const char *name;
		void (*dump)(const struct file *f);
	} suffixes[] = {{".index", dump_index},
			{".timeindex", dump_timeindex},
			{".txnindex", dump_txnindex},
			{".snapshot", dump_snapshot}},
	  names[] = {{EPOCHS_FILE, dump_epochs},
		     {PARTMETA_FILE, dump_partmeta},
		     {METAPROPERTIES_FILE, dump_metaproperties},
		     {CLEANSHUTDOWN_FILE, dump_cleanshutdown},
		     {CHECKPOINT_RECOVERY_POINT, dump_checkpoint},
		     {CHECKPOINT_LOG_START, dump_checkpoint},
		     {CHECKPOINT_HIGH_WATERMARK, dump_checkpoint},
		     {CHECKPOINT_CLEANER, dump_checkpoint}};
	struct log_entry e;
	if (log_name_parse(name, &e) == 0)
		for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
			size_t n = strlen(suffixes[i].name);
			/* a file that waits for its deletion, or to be swapped in, is as readable */
			if (!strncmp(e.suffix, suffixes[i].name, n) && (!e.suffix[n] || e.suffix[n] == '.')) {
				*base = e.base;
				return suffixes[i].dump;
			}
		}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i].name))
			return names[i].dump;
	return 0;
}

int dump_other(const char *path, const char *partition, const char *name)
{
	struct file f = {.path = path, .partition = partition};
	char *p;
	void (*dump)(const struct file *) = by_name(name, &f.base);
	if (!dump)
		return 0;
	if (atomicfile_read(AT_FDCWD, path, LARGEST, &p, &f.n) < 0)
		die_file(path, "read");
	f.p = p;
	dump(&f);
	free(p);
	return 1;
}
