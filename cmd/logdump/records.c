/* Batches and records of a .log file or of a snapshot of the metadata log. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump.h"
#include "log/scan.h"

enum { CHUNK = 256 << 10 };

static const char *const batch_columns[] = {
	"partition", "offset", "last_offset", "records", "bytes", "position", "leader_epoch", "codec",
	"timestamp_type", "first_timestamp", "max_timestamp", "producer_id", "producer_epoch",
	"sequence", "kind", "crc", 0};
static const char *const record_columns[] = {
	"partition", "offset", "bytes", "timestamp", "key", "value", "headers", 0};

static const char *codec_name(int codec)
{
	static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	return codec < 5 ? names[codec] : "unknown";
}

static const char *kind_name(const struct batch *b)
{
	bool txn = b->attributes & BATCH_TRANSACTIONAL;
	if (b->attributes & BATCH_CONTROL)
		return txn ? "marker" : "control";
	return txn ? "transactional" : "data";
}

static void put_batch(const char *partition, const struct batch *b, int64_t position, bool crc_ok)
{
	table_z(&row, partition);
	table_int(&row, b->base_offset);
	table_int(&row, batch_last_offset(b));
	table_int(&row, b->count);
	table_int(&row, batch_bytes(b));
	table_int(&row, position);
	table_int(&row, b->epoch);
	table_z(&row, codec_name(b->attributes & BATCH_CODEC));
	table_z(&row, b->attributes & BATCH_LOG_APPEND_TIME ? "append" : "create");
	table_int(&row, b->base_timestamp);
	table_int(&row, b->max_timestamp);
	table_int(&row, b->producer_id);
	table_int(&row, b->producer_epoch);
	table_int(&row, b->base_sequence);
	table_z(&row, kind_name(b));
	table_z(&row, crc_ok ? "ok" : "bad");
	row_end();
}

/* Headers as key=value, comma-separated. */
static struct span headers_text(const struct record *r, struct buf *out)
{
	struct span key, value;
	size_t at = 0;
	if (!r->headers_n)
		return SPAN_NULL;
	out->n = 0;
	while (record_header_next(r, &at, &key, &value) > 0) {
		if (out->n)
			buf_add8(out, ',');
		buf_add(out, key.p, (size_t)key.n);
		if (value.n >= 0) {
			buf_add8(out, '=');
			buf_add(out, value.p, (size_t)value.n);
		}
	}
	return (struct span){(const char *)out->p, (int32_t)out->n};
}

static void put_record(const char *partition, const struct batch *b, const struct record *r,
		       bool metadata)
{
	static struct buf text, words;
	struct span key = r->key, value = r->value;
	const char *name = 0;
	if (b->attributes & BATCH_CONTROL)
		name = decode_control(key, value, &words);
	else if (metadata)
		name = decode_metadata(value, &words);
	table_z(&row, partition);
	table_int(&row, r->offset);
	table_int(&row, value.n < 0 ? 0 : value.n);
	table_int(&row, r->timestamp);
	table_text(&row, name ? span_of(name) : key);
	table_text(&row, name ? (struct span){(const char *)words.p, (int32_t)words.n} : value);
	table_text(&row, headers_text(r, &text));
	row_end();
}

static void put_records(const char *path, const char *partition, struct batch b,
			const uint8_t *bytes, int64_t position, bool metadata)
{
	struct record r;
	size_t at = 0;
	int got;
	if (b.attributes & BATCH_CODEC && !(bytes = open_batch(&b, bytes))) {
		complain(path, position, "cannot be decompressed");
		return;
	}
	while ((got = record_next(&b, bytes + BATCH_HEADER, (size_t)batch_bytes(&b) - BATCH_HEADER,
				  &at, &r)) > 0)
		if (r.offset >= opt.from && r.offset < opt.to)
			put_record(partition, &b, &r, metadata);
	if (got < 0)
		complain(path, position, "damaged records");
}

void dump_log(const char *path, const char *partition, bool metadata)
{
	struct scan sc;
	struct batch b;
	struct stat st;
	int got, fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || scan_begin(&sc, fd, 0, st.st_size, CHUNK) < 0)
		die_file(path, "open");
	rows_begin(opt.batches ? batch_columns : record_columns);
	while ((got = scan_next(&sc, &b)) > 0 && b.base_offset < opt.to) {
		if (batch_last_offset(&b) < opt.from)
			continue;
		int good = scan_crc(&sc, &b);
		const uint8_t *bytes = good < 0 ? 0 : scan_batch(&sc, &b);
		if (!bytes)
			die_file(path, "read");
		if (!good)
			complain(path, sc.position, "bad crc");
		if (opt.batches)
			put_batch(partition, &b, sc.position, good);
		else if (good)
			put_records(path, partition, b, bytes, sc.position, metadata);
	}
	if (got < 0 && errno != EBADMSG)
		die_file(path, "read");
	if (got < 0)
		complain(path, sc.position, "no whole record batch");
	scan_end(&sc);
	close(fd);
}
