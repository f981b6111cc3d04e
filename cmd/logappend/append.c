/* One batch into one partition: checked, in sequence, appended; parked until it is as safe as acks
 * asks. What a caller sent at once goes into a partition in one write. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "produce.h"
#include "wire/codes.h"

enum {
	SCRATCH_KEPT = 4 << 20,
	GATHERED_MOST = 64,      /* parts whose requests wait for the write */
};

static struct buf scratch;       /* a batch with a new header: the caller's bytes are not ours */
static struct partition *gathered;
static int gathered_n;

/* --- how a part ends -------------------------------------------------------------------------- */

void part_fail(struct part *a, int error, const char *message)
{
	a->answer->error_code = (int16_t)error;
	a->answer->error_message = span_of(message);
	a->in->q->failed = true;
}

/* With the log start, as ReplicaManager.appendToLocalLog does after most errors. */
static void fail_here(struct part *a, int error, const char *message)
{
	part_fail(a, error, message);
	a->answer->log_start_offset = a->p->step.log_start;
}

/* Messages of recode are borrowed for a moment only. */
static struct span keep(struct part *a, const char *message)
{
	return request_keep(a->in->q, span_of(message));
}

static void refuse(struct part *a, const struct log_verdict *v)
{
	if (v->malformed || v->error == WIRE_MESSAGE_TOO_LARGE || v->error == WIRE_CORRUPT_MESSAGE)
		part_fail(a, v->error, NULL);
	else
		fail_here(a, v->error, NULL);
	a->answer->error_message = keep(a, v->message);
	if (!v->bad_n)
		return;
	struct produce_response_batch_index_and_error_message *e =
		request_get(a->in->q, (size_t)v->bad_n * sizeof *e);
	for (int i = 0; i < v->bad_n; i++) {
		e[i].batch_index = v->bad[i].index;
		e[i].batch_index_error_message = keep(a, v->bad[i].message);
	}
	a->answer->record_errors = e;
	a->answer->record_errors_n = v->bad_n;
}

static void committed(struct parked *w)
{
	struct part *a = (struct part *)w;
	if (w->wait.error)
		part_fail(a, w->wait.error, NULL);
	request_release(a->in->q);
}

/* Its offsets up to last are in the log; so they are for a duplicate, whose original may still
 * wait. */
static void placed(struct part *a, int64_t base, int64_t last, int64_t append_time)
{
	struct partition *p = a->p;
	a->answer->base_offset = base;
	a->answer->log_append_time_ms = append_time;
	a->answer->log_start_offset = p->step.log_start;
	if (a->in->acks != -1)
		return;
	a->park.done = committed;
	if (replica_park(&p->step, &a->park.wait, REPLICA_COMMITTED, last + 1,
	                 a->in->deadline_ms) < 0) {
		part_fail(a, WIRE_REQUEST_TIMED_OUT, NULL);    /* it may have happened */
		return;
	}
	a->in->q->holds++;
	partition_watch(p);
	partition_touch(p);
}

/* --- the append ------------------------------------------------------------------------------- */

static void append_failed(struct part *a)
{
	struct partition *p = a->p;
	int e = errno;
	if (e == EMSGSIZE) {
		part_fail(a, WIRE_RECORD_LIST_TOO_LARGE, NULL);
		return;
	}
	part_fail(a, WIRE_KAFKA_STORAGE_ERROR, NULL);
	if (e == ENOMEM)
		return;
	if (is_shortage(e)) {
		if (!p->full)
			say(p->name, ": ", strerror(e));
		p->full = true;
		return;
	}
	partition_offline(p, *log_error(p->log) ? log_error(p->log) : strerror(e));
}

/* True: sequence and epoch are good; else the part is answered. */
static bool in_sequence(struct part *a, const struct batch *b)
{
	struct log_duplicate dup;
	switch (log_check_sequence(a->p->log, b, &dup)) {
	case LOG_SEQ_OK:
		return true;
	case LOG_SEQ_DUPLICATE:
		placed(a, dup.base_offset, dup.last_offset, dup.timestamp);
		return false;
	case LOG_SEQ_OUT_OF_ORDER:
		fail_here(a, WIRE_OUT_OF_ORDER_SEQUENCE_NUMBER, NULL);
		return false;
	case LOG_SEQ_OLD_EPOCH:
		fail_here(a, WIRE_INVALID_PRODUCER_EPOCH, NULL);
		return false;
	case LOG_SEQ_INVALID_TXN:
		fail_here(a, WIRE_INVALID_TXN_STATE, NULL);
		return false;
	}
	abort();
}

static const void *with_new_header(struct batch *b, const void *bytes, const struct log_verdict *v,
                                   int64_t now)
{
	if (!v->restamp && !v->reseal)
		return bytes;
	scratch.n = 0;
	if (buf_add(&scratch, bytes, (size_t)batch_bytes(b)) < 0)
		return NULL;
	if (v->restamp)
		log_restamp(b, scratch.p, now);
	else
		batch_seal(b, scratch.p, (size_t)batch_bytes(b) - BATCH_HEADER);
	return scratch.p;
}

static void appended(struct part *a, const struct batch *b, int64_t base, int64_t now)
{
	placed(a, base, base + b->last_offset_delta, a->p->rules.log_append_time ? now : -1);
}

static void append(struct part *a, struct batch *b, const void *bytes, const struct log_verdict *v)
{
	struct partition *p = a->p;
	int64_t base, now = wall_ms();
	if (batch_bytes(b) > p->config.segment_bytes) {
		part_fail(a, WIRE_RECORD_LIST_TOO_LARGE, NULL);
		return;
	}
	if (!in_sequence(a, b))
		return;
	bytes = with_new_header(b, bytes, v, now);
	if (!bytes)
		errno = ENOMEM;
	if (!bytes || log_append(p->log, b, bytes, p->step.epoch, now, &base) < 0) {
		append_failed(a);
		return;
	}
	p->full = false;
	partition_written(p);
	appended(a, b, base, now);
	if (scratch.cap > SCRATCH_KEPT)
		buf_free(&scratch);
}

/* --- several in one write --------------------------------------------------------------------- */

static void gather(struct part *a)
{
	struct partition *p = a->p;
	a->in->q->holds++;
	if (!p->gathered) {
		p->next_gathered = gathered;
		gathered = p;
	}
	*p->gathered_end = a;
	p->gathered_end = &a->next;
	if (++gathered_n == GATHERED_MOST)
		produce_write();
}

static const struct batch *before(const struct log_item *v, int n, const struct batch *b)
{
	while (b->producer_id >= 0 && n--)
		if (v[n].batch->producer_id == b->producer_id)
			return v[n].batch;
	return NULL;
}

/* Next in its producer's sequence behind a batch that is in sequence. */
static bool goes_on(const struct batch *was, const struct batch *b)
{
	return was->producer_epoch == b->producer_epoch
	       && !((was->attributes | b->attributes) & (BATCH_TRANSACTIONAL | BATCH_CONTROL))
	       && (int64_t)was->base_sequence + was->last_offset_delta + 1 == b->base_sequence;
}

/* The first of those from *at on that may go in together; who may not go in at all is answered. */
static int next_run(struct part **at, struct part **run, struct log_item *v)
{
	int n = 0;
	for (struct part *a; (a = *at) && n < LOG_RUN;) {
		const struct batch *was = before(v, n, &a->batch);
		if (was && !goes_on(was, &a->batch))
			break;
		*at = a->next;
		if (!a->p->log) {
			part_fail(a, WIRE_KAFKA_STORAGE_ERROR, NULL);
			request_release(a->in->q);
		} else if (!was && !in_sequence(a, &a->batch)) {
			request_release(a->in->q);
		} else {
			v[n] = (struct log_item){.batch = &a->batch, .bytes = a->records.p};
			run[n++] = a;
		}
	}
	return n;
}

/* How many of the run are done with. */
static int append_run(struct partition *p, struct part **run, struct log_item *v, int n)
{
	int64_t now = wall_ms();
	int k = log_append_run(p->log, v, n, p->step.epoch, now);
	if (k < 0) {
		append_failed(run[0]);
		request_release(run[0]->in->q);
		return 1;
	}
	p->full = false;
	partition_written(p);
	for (int i = 0; i < k; i++) {
		appended(run[i], &run[i]->batch, v[i].base_offset, now);
		request_release(run[i]->in->q);
	}
	return k;
}

static void write_gathered(struct partition *p)
{
	struct log_item v[LOG_RUN];
	struct part *run[LOG_RUN], *at = p->gathered;
	p->gathered = NULL;
	p->gathered_end = &p->gathered;
	while (at) {
		int n = next_run(&at, run, v);
		int k = n ? append_run(p, run, v, n) : 0;
		while (n > k) {    /* those behind are asked again: what is before them is settled */
			run[--n]->next = at;
			at = run[n];
		}
	}
}

void produce_write(void)
{
	for (struct partition *p; (p = gathered);) {
		gathered = p->next_gathered;
		write_gathered(p);
	}
	gathered_n = 0;
}

/* Who was stopped for longer than a session has most likely been replaced, and would not know it
 * before it has read on. Where there is no other replica nobody can have taken over. */
static bool may_be_replaced(const struct partition *p)
{
	return p->step.members_n
	       && port_now_ms() - meta_follow_heard(node.follow) > node.session_ms;
}

static bool may_append(struct part *a)
{
	struct partition *p = a->p;
	if (!p->log)
		part_fail(a, WIRE_KAFKA_STORAGE_ERROR, NULL);
	else if (p->step.role != PAGE_LEADER || may_be_replaced(p))
		part_fail(a, WIRE_NOT_LEADER_OR_FOLLOWER, NULL);
	else if (a->epoch >= 0 && a->epoch != p->step.epoch)
		part_fail(a, WIRE_FENCED_LEADER_EPOCH, NULL);
	else if (a->in->acks == -1 && !replica_enough(&p->step))
		fail_here(a, WIRE_NOT_ENOUGH_REPLICAS, NULL);
	else
		return true;
	return false;
}

static bool check(struct part *a, struct batch *b, struct log_verdict *v)
{
	struct log_rules rules = a->p->rules;
	rules.coordinator = a->in->q->listener == WIRE_LOCAL;
	log_validate(a->records.p, (size_t)a->records.n, &rules, wall_ms(), b, v);
	if (v->error)
		refuse(a, v);
	return v->error == 0;
}

/* --- recode: order in a partition is kept, so whatever comes behind waits too ------------------
 */

static void recoded(struct recode_job *j, const struct log_verdict *v, const void *batch, size_t n);

static void queue(struct part *a, bool wants_recode)
{
	a->in->q->holds++;
	a->records = request_keep(a->in->q, a->records);
	*a->p->recoding_end = a;
	a->p->recoding_end = &a->next;
	if (!wants_recode)
		return;
	a->asked = true;
	a->job.done = recoded;
	if (recode_ask(&a->job, &a->p->rules, a->records.p, (size_t)a->records.n) < 0)
		abort();    /* without memory its place in the order would be lost */
}

static void unqueue(struct part *a)
{
	struct partition *p = a->p;
	p->recoding = a->next;
	if (!p->recoding)
		p->recoding_end = &p->recoding;
}

/* What waits no longer goes in, from the front. */
static void go_on(struct partition *p)
{
	struct log_verdict v;
	struct batch b;
	for (struct part *a; (a = p->recoding) && !a->asked;) {
		unqueue(a);
		if (may_append(a) && check(a, &b, &v))
			append(a, &b, a->records.p, &v);
		request_release(a->in->q);
	}
}

/* Answers come in the order of the questions, so the part is the first that was asked of its
 * partition; or its partition went away meanwhile and it is only released. */
static void recoded(struct recode_job *j, const struct log_verdict *v, const void *batch, size_t n)
{
	struct part *a = (struct part *)((char *)j - offsetof(struct part, job));
	struct log_verdict plain = {.restamp = a->p && a->p->rules.log_append_time};
	struct partition *p = a->p;
	struct batch b;
	if (!p) {
		request_release(a->in->q);
		return;
	}
	unqueue(a);
	if (v->error)
		refuse(a, v);
	else if (batch_parse(&b, batch, n) < 0)
		part_fail(a, WIRE_UNKNOWN_SERVER_ERROR, NULL);
	else if (batch_bytes(&b) > p->rules.max_message_bytes)
		part_fail(a, WIRE_MESSAGE_TOO_LARGE, NULL);
	else if (may_append(a))
		append(a, &b, batch, &plain);
	request_release(a->in->q);
	go_on(p);
}

void produce_abandon(struct partition *p, int error)
{
	for (struct part *a; (a = p->recoding);) {
		unqueue(a);
		part_fail(a, error, NULL);
		a->p = NULL;
		if (!a->asked)
			request_release(a->in->q);
	}
}

void part_append(struct part *a)
{
	struct log_verdict v;
	struct batch b;
	if (!may_append(a) || !check(a, &b, &v))
		return;
	if (a->p->recoding || v.recode) {
		queue(a, v.recode);
	} else if (v.restamp || v.reseal) {
		produce_write();
		append(a, &b, a->records.p, &v);
	} else {
		a->batch = b;
		gather(a);
	}
}
