/* A script of operations on one partition, made from a seed, and what may be found of it after a
 * crash. The same seed gives the same script, so who checks needs to know only how many operations
 * had returned. The partition is script-0 in the log directory `script_fd`. */
#ifndef T_CRASH_SCRIPT_H
#define T_CRASH_SCRIPT_H
#include "../logtest.h"

#include "log/checkpoint.h"
#include "log/cleanshutdown.h"

#define SCRIPT_NAME "script-0"
enum { SCRIPT_OPS = 400, SCRIPT_PIECES = 4000, SCRIPT_PRODUCERS = 4, NEVER = 1 << 30 };

enum script_kind { OP_APPEND, OP_SYNC, OP_TRUNCATE, OP_EPOCH, OP_START, OP_DROP, OP_POINT, OP_REAP,
	OP_REOPEN, OP_RESTART };
static const char *const script_names[] = {"append", "sync", "truncate", "epoch", "start", "drop",
	"recovery point", "reap", "clean reopen", "restart"};

struct op {
	enum script_kind kind;
	int64_t to;
	int first, n;           /* pieces it appends */
};
struct piece {
	struct shape shape;
	int marker;             /* 0; 1 an abort, 2 a commit of producer 7's transaction */
	int64_t base, last;
	int32_t epoch;
	uint32_t crc;
	int born, died;         /* operations */
};
struct state {                  /* before operation k */
	int64_t start, end;
	int64_t acked;          /* everything below was synced */
	int32_t epoch;
};
static struct op ops[SCRIPT_OPS];
static int ops_n;
static struct piece pieces[SCRIPT_PIECES];
static int pieces_n;
static struct state states[SCRIPT_OPS + 1];
static struct log_config script_config;
static int script_fd = -1;
static bool script_clean;       /* the last opening was one after a clean stop */
static int64_t script_written;  /* a page that outlived the kill vouches for what is below */
static struct buf script_bytes;
static const struct uuid script_id = {{1, 2, 3}};

/* --- making the script ------------------------------------------------------------------------ */

TAP_FN struct batch piece_batch(const struct piece *p)
{
	return p->marker ? make_marker(&script_bytes, 7, 0, p->marker - 1, 0)
	                 : make_batch(&script_bytes, p->shape);
}

TAP_FN int script_sequence(int64_t producer)
{
	for (int i = pieces_n - 1; i >= 0; i--)
		if (pieces[i].died == NEVER && pieces[i].shape.producer_id == producer
		    && !pieces[i].marker)
			return pieces[i].shape.sequence + pieces[i].shape.records;
	return 0;
}

TAP_FN void add_piece(struct state *s, int k, int producer, int marker)
{
	struct piece *p = pieces + pieces_n;
	*p = (struct piece){.shape = plain, .marker = marker, .base = s->end, .epoch = s->epoch,
		.born = k, .died = NEVER};
	p->shape.records = 1 + (int)tap_random(4);
	p->shape.value_bytes = 20 + (int)tap_random(tap_random(8) ? 100 : 400);
	p->shape.timestamp = 1000 + k * 10;
	if (producer) {
		p->shape.producer_id = producer;
		p->shape.producer_epoch = 0;
		p->shape.sequence = script_sequence(producer);
		p->shape.attributes = producer == 7 ? BATCH_TRANSACTIONAL : 0;
	}
	struct batch b = piece_batch(p);
	p->crc = b.crc;
	p->last = p->base + b.last_offset_delta;
	s->end = p->last + 1;
	pieces_n++;
}

TAP_FN void make_append(struct state *s, int k)
{
	ops[k].first = pieces_n;
	if (tap_random(6) == 0) {
		add_piece(s, k, 7, 0);
		add_piece(s, k, 0, 1 + (int)tap_random(2));
	} else {
		for (int i = 0, n = 1 + (int)tap_random(6); i < n; i++)
			add_piece(s, k, (int)tap_random(SCRIPT_PRODUCERS), 0);
	}
	ops[k].n = pieces_n - ops[k].first;
}

/* Cuts the model; the batch in the middle goes as a whole. */
TAP_FN void make_truncate(struct state *s, int k)
{
	int64_t to = s->end - (int64_t)tap_random((uint64_t)(s->end - s->start) / 3 + 1);
	ops[k].to = to;
	for (int i = pieces_n - 1; i >= 0; i--)
		if (pieces[i].died == NEVER && pieces[i].last >= to) {
			pieces[i].died = k;
			s->end = pieces[i].base;
		}
	if (s->acked > s->end)
		s->acked = s->end;
	if (s->start > s->end)
		s->start = s->end;
}

TAP_FN void make_restart(struct state *s, int k)
{
	for (int i = 0; i < pieces_n; i++)
		if (pieces[i].died == NEVER)
			pieces[i].died = k;
	ops[k].to = s->start = s->end = s->acked = s->end + 5;
}

TAP_FN enum script_kind draw_kind(void)
{
	unsigned r = (unsigned)tap_random(100);
	return r < 45 ? OP_APPEND : r < 68 ? OP_SYNC : r < 75 ? OP_TRUNCATE : r < 79 ? OP_EPOCH
		: r < 83 ? OP_START : r < 87 ? OP_DROP : r < 92 ? OP_POINT : r < 94 ? OP_REAP
		: r < 98 ? OP_REOPEN : OP_RESTART;
}

TAP_FN void make_op(struct state *s, int k)
{
	struct op *o = ops + k;
	o->kind = k == 0 ? OP_EPOCH : draw_kind();
	switch (o->kind) {
	case OP_APPEND: make_append(s, k); break;
	case OP_TRUNCATE: make_truncate(s, k); break;
	case OP_RESTART: make_restart(s, k); break;
	case OP_EPOCH: o->to = ++s->epoch; break;
	case OP_START:
		s->start += (int64_t)tap_random((uint64_t)(s->acked > s->start ? s->acked - s->start : 0)
			/ 2 + 1);
		o->to = s->start;
		break;
	case OP_SYNC:
	case OP_REOPEN: s->acked = s->end; break;
	case OP_DROP:
	case OP_POINT:
	case OP_REAP: break;
	}
}

TAP_FN void script_make(uint64_t seed, int n)
{
	struct state s = {0};
	tap_state = seed * 2 + 1;
	tap_random(1);
	log_config_default(&script_config);
	script_config.segment_bytes = 2200 + (int64_t)tap_random(4000);
	script_config.segment_index_bytes = 96 + (int32_t)tap_random(200);
	script_config.index_interval_bytes = (int32_t)tap_random(500);
	script_config.mark_bytes = 200 + (int64_t)tap_random(1500);
	script_config.mark_ms = 0;
	pieces_n = 0;
	ops_n = n;
	for (int k = 0; k < n; k++) {
		states[k] = s;
		make_op(&s, k);
	}
	states[n] = s;
}

/* --- running it, as the owner of a log directory does ----------------------------------------- */

TAP_FN int script_write_point(const struct log *l)
{
	struct checkpoint c = {0};
	int r = checkpoint_set(&c, SCRIPT_NAME, log_recovery_point(l)) < 0 ? -1
		: checkpoint_write(&c, script_fd, CHECKPOINT_RECOVERY_POINT);
	checkpoint_free(&c);
	return r;
}

TAP_FN int script_write_start(const struct log *l)
{
	struct checkpoint c = {0};
	int r = checkpoint_set(&c, SCRIPT_NAME, log_start(l)) < 0 ? -1
		: checkpoint_write(&c, script_fd, CHECKPOINT_LOG_START);
	checkpoint_free(&c);
	return r;
}

/* A recovery point behind the log end would vouch for what is written there later. */
TAP_FN struct log *lower_point(struct log *l, int64_t point)
{
	if (l && log_recovery_point(l) < point && script_write_point(l) < 0)
		return NULL;
	return l;
}

/* Opens as logappend does at its start. */
TAP_FN struct log *script_open(void)
{
	struct log_opening o = {.now_ms = 2000, .topic_id = script_id};
	struct checkpoint points = {0}, starts = {0};
	int64_t epoch;
	int clean = cleanshutdown_read(script_fd, &epoch);
	if (clean < 0 || cleanshutdown_remove(script_fd) < 0
	    || checkpoint_read(&points, script_fd, CHECKPOINT_RECOVERY_POINT) < 0
	    || checkpoint_read(&starts, script_fd, CHECKPOINT_LOG_START) < 0)
		return NULL;
	o.clean = script_clean = clean == 1;
	if (faccessat(script_fd, SCRIPT_NAME, F_OK, 0) == 0) {
		o.recovery_point = checkpoint_get(&points, SCRIPT_NAME, 0);
		o.log_start = checkpoint_get(&starts, SCRIPT_NAME, 0);
		o.written = script_written;
	}
	checkpoint_free(&points);
	checkpoint_free(&starts);
	return lower_point(log_open(script_fd, SCRIPT_NAME, &script_config, &o), o.recovery_point);
}

TAP_FN int script_sync(struct log *l)
{
	int fds[256];
	int n = log_dirty_fds(l, fds, 256);
	if (n > 256)
		abort();
	for (int i = 0; i < n; i++)
		if (fdatasync(fds[i]) < 0)
			return -1;
	log_synced(l, log_end(l));
	return 0;
}

TAP_FN int script_append(struct log *l, const struct op *o)
{
	for (int i = o->first; i < o->first + o->n; i++) {
		int64_t base;
		struct batch b = piece_batch(pieces + i);
		if (log_append(l, &b, script_bytes.p, pieces[i].epoch, 1000, &base) < 0)
			return -1;
		if (base != pieces[i].base)
			abort();
	}
	return log_mark(l);
}

TAP_FN int script_reopen(struct log **l)
{
	int r = script_write_point(*l) | script_write_start(*l);
	if (log_close_clean(*l) < 0 || r < 0 || cleanshutdown_write(script_fd, 1) < 0)
		return -1;
	*l = script_open();
	return *l ? 0 : -1;
}

TAP_FN int script_step(struct log **l, int k)
{
	struct op *o = ops + k;
	switch (o->kind) {
	case OP_APPEND: return script_append(*l, o);
	case OP_SYNC: return script_sync(*l);
	case OP_TRUNCATE: return log_truncate(*l, o->to) < 0 ? -1 : script_write_point(*l);
	case OP_EPOCH: return log_epoch_start(*l, (int32_t)o->to);
	case OP_START: return log_set_start(*l, o->to) < 0 ? -1 : script_write_start(*l);
	case OP_DROP: return log_drop_below(*l, log_start(*l), NULL);
	case OP_POINT: return script_write_point(*l);
	case OP_REAP: return log_reap(*l, INT64_MAX);
	case OP_REOPEN: return script_reopen(l);
	case OP_RESTART:
		return log_restart_at(*l, o->to) < 0 ? -1
			: script_write_point(*l) | script_write_start(*l);
	}
	return -1;
}

/* Runs all of it; done(k) is called when k operations have returned. 0, or -1 in operation *at. */
TAP_FN int script_run(void (*done)(int k), int *at)
{
	struct log *l = script_open();
	*at = -1;
	if (!l)
		return -1;
	for (int k = 0; k < ops_n; k++) {
		*at = k;
		done(k);
		if (script_step(&l, k) < 0)
			return -1;
	}
	done(ops_n);
	log_close(l);
	return 0;
}

/* --- checking what is left -------------------------------------------------------------------- */

static char script_wrong[400];

__attribute__((format(printf, 1, 2)))
TAP_FN int wrong(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(script_wrong, sizeof script_wrong, fmt, ap);
	va_end(ap);
	return -1;
}

/* The piece that the whole batch at p is, from piece *next on; -1 words. */
TAP_FN int match(const struct batch *b, const void *p, int k, int *next)
{
	if (!batch_crc_ok(b, p))
		return wrong("a bad crc at offset %lld", (long long)b->base_offset);
	for (int i = *next; i < pieces_n; i++) {
		const struct piece *x = pieces + i;
		if (x->born > k || x->died < k)
			continue;
		if (x->base == b->base_offset && x->crc == b->crc && x->epoch == b->epoch) {
			*next = i + 1;
			return i;
		}
		if (*next)
			return wrong("offset %lld follows where %lld belongs", (long long)b->base_offset,
			             (long long)x->base);
	}
	return wrong("offset %lld, crc %08x, was never written or was truncated",
	             (long long)b->base_offset, b->crc);
}

struct found {
	int first, last;        /* pieces; -1: none */
	int64_t end;
};

TAP_FN int check_file(int64_t base, int64_t bytes, int k, struct found *f, int *next)
{
	static struct buf in;
	char path[80];
	struct batch b;
	snprintf(path, sizeof path, SCRIPT_NAME "/%020lld.log", (long long)base);
	int fd = openat(script_fd, path, O_RDONLY | O_CLOEXEC);
	in.n = 0;
	if (fd < 0 || buf_need(&in, (size_t)bytes + 1) < 0)
		return wrong("%s: cannot be opened", path);
	ssize_t got = pread(fd, in.p, (size_t)bytes + 1, 0);
	close(fd);
	if (got != bytes)
		return wrong("%s has %lld bytes, the log says %lld", path, (long long)got,
		             (long long)bytes);
	for (int64_t at = 0; at < bytes; at += batch_bytes(&b)) {
		if (batch_parse(&b, in.p + at, (size_t)(bytes - at)) < 0
		    || batch_bytes(&b) > bytes - at)
			return wrong("%s at %lld: no whole batch", path, (long long)at);
		int i = match(&b, in.p + at, k, next);
		if (i < 0)
			return -1;
		if (f->first < 0)
			f->first = i;
		f->last = i;
		f->end = pieces[i].last + 1;
	}
	return 0;
}

TAP_FN int check_files(struct log *l, int k, struct found *f)
{
	static struct log_segment_info v[1000];
	int n = log_segments(l, v, 1000), next = 0;
	*f = (struct found){-1, -1, -1};
	for (int i = 0; i < n && i < 1000; i++)
		if (check_file(v[i].base, v[i].bytes, k, f, &next) < 0)
			return -1;
	return 0;
}

/* k operations had returned, one more may have begun. */
TAP_FN int64_t kept_from(int k)
{
	return k < ops_n && ops[k].kind == OP_START ? ops[k].to : states[k].start;
}

TAP_FN int check_kept(struct log *l, int k, const struct found *f)
{
	int64_t acked = states[k].acked, from = kept_from(k);
	for (int i = 0; i < pieces_n; i++) {
		const struct piece *x = pieces + i;
		if (x->born >= k || x->died <= k || x->last >= acked || x->last < from)
			continue;
		if (f->first < 0 || i < f->first || i > f->last)
			return wrong("offset %lld was acknowledged and is lost", (long long)x->base);
	}
	if (f->first >= 0 && log_end(l) != f->end)
		return wrong("the log end is %lld, the files end at %lld", (long long)log_end(l),
		             (long long)f->end);
	bool restarts = k < ops_n && ops[k].kind == OP_RESTART;
	if (!restarts && (log_start(l) < states[k].start || log_start(l) > from))
		return wrong("the log starts at %lld, not %lld", (long long)log_start(l),
		             (long long)from);
	return 0;
}

/* Leader epochs of what is there; duplicates of what producers sent last are known. */
TAP_FN int check_derived(struct log *l, int k, const struct found *f)
{
	bool seen[8] = {0};
	if (log_epoch_of(l, log_end(l)) != log_last_epoch(l))
		return wrong("epoch %d begins behind the log end", log_last_epoch(l));
	for (int i = f->last; f->first >= 0 && i >= f->first; i--) {
		const struct piece *x = pieces + i;
		struct log_duplicate dup;
		if (x->died < pieces[f->last].born || x->last < kept_from(k))
			continue;
		if (x->base >= kept_from(k) && log_epoch_of(l, x->base) != x->epoch)
			return wrong("offset %lld has epoch %d, not %d", (long long)x->base,
			             log_epoch_of(l, x->base), x->epoch);
		int64_t id = x->shape.producer_id;
		if (x->marker || id < 1 || id >= SCRIPT_PRODUCERS || seen[id])
			continue;
		seen[id] = true;
		struct batch b = piece_batch(x);
		if (log_check_sequence(l, &b, &dup) != LOG_SEQ_DUPLICATE || dup.base_offset != x->base)
			return wrong("producer %lld: its batch at %lld is not known", (long long)id,
			             (long long)x->base);
	}
	return 0;
}

/* Names and contents of all files as one number. */
TAP_FN uint64_t hash_at(int dirfd, const char *name)
{
	uint64_t sum = 0;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	for (struct dirent *e; d && (e = readdir(d));) {
		static char bytes[64 << 10];
		uint64_t h = 14695981039346656037u;
		ssize_t n = 0;
		if (*e->d_name == '.')
			continue;
		for (const char *c = e->d_name; *c; c++)
			h = (h ^ (unsigned char)*c) * 1099511628211u;
		int file = openat(fd, e->d_name, O_RDONLY | O_CLOEXEC);
		for (; (n = read(file, bytes, sizeof bytes)) > 0; h ^= (uint64_t)n << 32)
			for (ssize_t i = 0; i < n; i++)
				h = (h ^ (unsigned char)bytes[i]) * 1099511628211u;
		if (n < 0 && errno == EISDIR)
			h ^= hash_at(fd, e->d_name);
		close(file);
		sum += h;
	}
	if (d)
		closedir(d);
	return sum;
}

/* A log whose owner has gone on: what is appended now is there at the next opening. */
TAP_FN int check_goes_on(struct log **l, int32_t epoch)
{
	struct shape s = plain;
	int64_t end = log_end(*l), base;
	struct batch b = make_batch(&script_bytes, s);
	if (log_append(*l, &b, script_bytes.p, epoch + 1, 1000, &base) < 0 || base != end
	    || script_sync(*l) < 0)
		return wrong("cannot append: %s", log_error(*l));
	log_close(*l);
	if (!(*l = script_open()))
		return wrong("the last opening: %s", log_open_error());
	return log_end(*l) == end + 1 ? 0 : wrong("what was appended after the recovery is lost");
}

/* All that must hold when k operations had returned. 0, or -1 and script_wrong. */
TAP_FN int script_check(int k)
{
	struct found f;
	struct log *l = script_open();
	if (!l)
		return wrong("cannot be opened: %s", log_open_error());
	int r = check_files(l, k, &f) < 0 || check_kept(l, k, &f) < 0 || check_derived(l, k, &f) < 0;
	log_close(l);
	if (r)
		return -1;
	if (script_clean && (l = script_open()))    /* which was no recovery */
		log_close(l);
	uint64_t once = hash_at(script_fd, ".");
	if (!(l = script_open()))
		return wrong("cannot be opened again: %s", log_open_error());
	r = check_files(l, k, &f) < 0 || check_kept(l, k, &f) < 0 || check_derived(l, k, &f) < 0;
	if (!r) {
		log_close(l);
		if (hash_at(script_fd, ".") != once)
			return wrong("the second recovery changed files");
		if (!(l = script_open()))
			return wrong("cannot be opened a third time: %s", log_open_error());
		r = check_goes_on(&l, states[k].epoch + 1) < 0;
	}
	if (l)
		log_close(l);
	return r ? -1 : 0;
}
#endif
