#include "offsets.h"

#include <stdlib.h>
#include <string.h>

/* --- names of topics --- */

static struct offsets_name *name_take(struct groups *gs, struct span topic)
{
	struct offsets_name *n = map_get(&gs->topics, topic.p, (size_t)topic.n);
	if (!n) {
		n = group_get(sizeof *n + (size_t)topic.n);
		n->n = topic.n;
		memcpy(n->text, topic.p, (size_t)topic.n);
		if (map_put(&gs->topics, n->text, (size_t)n->n, n))
			abort();
	}
	n->refs++;
	return n;
}

static void name_drop(struct groups *gs, struct offsets_name *n)
{
	if (--n->refs)
		return;
	map_del(&gs->topics, n->text, (size_t)n->n);
	free(n);
}

static int name_compare(struct span a, const struct offsets_name *b)
{
	int c = memcmp(a.p, b->text, (size_t)(a.n < b->n ? a.n : b->n));
	return c ? c : a.n - b->n;
}

/* --- a group's offsets, by topic and partition --- */

/* Where the topic stands or would stand. */
static int topic_place(const struct group *g, struct span topic, bool *found)
{
	int lo = 0, hi = g->topics_n;
	*found = false;
	while (lo < hi && !*found) {
		int mid = (lo + hi) / 2, c = name_compare(topic, g->topics[mid]->name);
		if (c == 0)
			*found = true;
		if (c > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return *found ? hi : lo;
}

static int32_t partition_place(const struct offsets_topic *t, int32_t partition, bool *found)
{
	int32_t lo = 0, hi = t->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (t->v[mid].partition < partition)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < t->n && t->v[lo].partition == partition;
	return lo;
}

const struct committed *offsets_find(const struct group *g, struct span topic, int32_t partition)
{
	bool found;
	int at = topic_place(g, topic, &found);
	if (!found)
		return NULL;
	int32_t i = partition_place(g->topics[at], partition, &found);
	return found ? &g->topics[at]->v[i] : NULL;
}

static struct offsets_topic *topic_for(struct groups *gs, struct group *g, struct span topic)
{
	bool found;
	int at = topic_place(g, topic, &found);
	if (found)
		return g->topics[at];
	struct offsets_topic *t = group_get(sizeof *t);
	t->name = name_take(gs, topic);
	g->topics = group_resize(g->topics, (g->topics_n + 1u) * sizeof *g->topics);
	memmove(g->topics + at + 1, g->topics + at, (g->topics_n - (size_t)at) * sizeof *g->topics);
	g->topics[at] = t;
	g->topics_n++;
	return t;
}

static void topic_free(struct groups *gs, struct offsets_topic *t)
{
	for (int32_t i = 0; i < t->n; i++)
		free((char *)t->v[i].metadata.p);
	name_drop(gs, t->name);
	free(t->v);
	free(t);
}

/* Takes c->metadata. */
static void put(struct groups *gs, struct group *g, struct span topic, const struct committed *c)
{
	struct offsets_topic *t = topic_for(gs, g, topic);
	bool found;
	int32_t at = partition_place(t, c->partition, &found);
	if (found) {
		free((char *)t->v[at].metadata.p);
	} else {
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 1;
			t->v = group_resize(t->v, (size_t)t->cap * sizeof *t->v);
		}
		memmove(t->v + at + 1, t->v + at, (size_t)(t->n - at) * sizeof *t->v);
		t->n++;
	}
	t->v[at] = *c;
}

static void take_out(struct groups *gs, struct group *g, struct span topic, int32_t partition)
{
	bool found;
	int at = topic_place(g, topic, &found);
	struct offsets_topic *t = found ? g->topics[at] : NULL;
	int32_t i = t ? partition_place(t, partition, &found) : 0;
	if (!found)
		return;
	free((char *)t->v[i].metadata.p);
	memmove(t->v + i, t->v + i + 1, (size_t)(t->n - i - 1) * sizeof *t->v);
	if (--t->n)
		return;
	topic_free(gs, t);
	g->topics_n--;
	memmove(g->topics + at, g->topics + at + 1, (g->topics_n - (size_t)at) * sizeof *g->topics);
}

/* --- transactions --- */

struct transaction {
	struct {
		int64_t producer_id;
		int64_t partition;
	} key;
	struct txn_offset *first;
};

static void txn_drop(struct groups *gs, struct txn_offset *o)
{
	struct transaction *t = o->transaction;
	*o->before = o->next;
	if (o->next)
		o->next->before = o->before;
	*o->txn_before = o->txn_next;
	if (o->txn_next)
		o->txn_next->txn_before = o->txn_before;
	if (!t->first) {
		map_del(&gs->transactions, &t->key, sizeof t->key);
		free(t);
	}
	free((char *)o->c.metadata.p);
	name_drop(gs, o->name);
	free(o);
}

static struct txn_offset *txn_find(struct txn_offset *o, struct span topic, int32_t partition)
{
	while (o && (o->c.partition != partition || name_compare(topic, o->name)))
		o = o->next;
	return o;
}

bool offsets_unstable(const struct group *g, struct span topic, int32_t partition)
{
	return txn_find(g->pending, topic, partition);
}

static struct transaction *transaction_for(struct groups *gs, int32_t partition, int64_t producer)
{
	struct transaction k = {.key = {producer, partition}};
	struct transaction *t = map_get(&gs->transactions, &k.key, sizeof k.key);
	if (t)
		return t;
	t = group_get(sizeof *t);
	*t = k;
	if (map_put(&gs->transactions, &t->key, sizeof t->key, t))
		abort();
	return t;
}

/* Takes c->metadata. */
static void txn_put(struct groups *gs, struct group *g, struct span topic, int64_t producer_id,
                    const struct committed *c)
{
	struct transaction *t = transaction_for(gs, g->partition, producer_id);
	struct txn_offset *o = g->pending;
	while ((o = txn_find(o, topic, c->partition)) && o->transaction != t)
		o = o->next;
	if (o) {
		free((char *)o->c.metadata.p);
		o->c = *c;
		return;
	}
	o = group_get(sizeof *o);
	*o = (struct txn_offset){
		.next = g->pending, .before = &g->pending, .txn_next = t->first,
		.txn_before = &t->first, .transaction = t, .group = g, .name = name_take(gs, topic),
		.c = *c,
	};
	if (o->next)
		o->next->before = &o->next;
	if (o->txn_next)
		o->txn_next->txn_before = &o->txn_next;
	g->pending = t->first = o;
}

/* An offset that was committed after the transaction's stays (replayEndTransactionMarker). */
static void txn_apply(struct groups *gs, struct txn_offset *o)
{
	struct span topic = {o->name->text, o->name->n};
	const struct committed *now = offsets_find(o->group, topic, o->c.partition);
	if (now && now->record > o->c.record)
		return;
	struct committed c = o->c;
	o->c.metadata = SPAN_NULL;
	put(gs, o->group, topic, &c);
}

void offsets_marker(struct groups *gs, int32_t partition, int64_t producer_id, bool commit)
{
	struct transaction k = {.key = {producer_id, partition}};
	struct transaction *t = map_get(&gs->transactions, &k.key, sizeof k.key);
	for (struct txn_offset *o = t ? t->first : NULL, *next; o; o = next) {
		struct group *g = o->group;
		next = o->txn_next;
		if (commit)
			txn_apply(gs, o);
		txn_drop(gs, o);
		groups_tidy(gs, g);
	}
}

/* --- records --- */

static struct committed from_record(const struct replayed *r)
{
	const struct offset_commit_key *k = r->key;
	const struct offset_commit_value *v = r->value;
	return (struct committed){
		.partition = k->partition, .epoch = v->leader_epoch, .offset = v->offset,
		.at_ms = v->commit_timestamp, .expires_ms = v->expire_timestamp, .record = r->offset,
		.metadata = v->metadata.n > 0 ? group_copy(v->metadata) : SPAN_NULL,
	};
}

static void bury(struct groups *gs, struct group *g, const struct offset_commit_key *k)
{
	struct txn_offset *o;
	take_out(gs, g, k->topic, k->partition);
	while ((o = txn_find(g->pending, k->topic, k->partition)))
		txn_drop(gs, o);
	groups_tidy(gs, g);
}

void offsets_replay(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct offset_commit_key *k = r->key;
	struct group *g = groups_find(gs, k->group);
	if (!r->value) {
		if (g)
			bury(gs, g, k);
		return;
	}
	struct committed c = from_record(r);
	g = g ? g : groups_make(gs, k->group, partition);
	if (r->producer_id >= 0)
		txn_put(gs, g, k->topic, r->producer_id, &c);
	else
		put(gs, g, k->topic, &c);
}

void offsets_settled(struct groups *gs, int32_t partition, const struct replayed *r, bool committed)
{
	const struct offset_commit_key *k = r->key;
	struct group *g = groups_find(gs, k->group);
	if (g && g->unsettled)
		g->unsettled--;
	if (committed)
		offsets_replay(gs, partition, r);
	else if (g)
		groups_tidy(gs, g);
}

void offsets_record(struct step *s, struct group *g, struct span topic, int32_t partition,
                    const struct offset_commit_value *value)
{
	struct offset_commit_key k = {.group = g->id, .topic = topic, .partition = partition};
	bool expires = value && value->expire_timestamp != -1;
	g->unsettled++;
	step_record(s, g->partition, RECORD_OFFSET_COMMIT, &k,
	            expires ? OFFSET_COMMIT_EXPIRING : OFFSET_COMMIT_VERSION, value);
}

void offsets_record_none(struct step *s, struct group *g)
{
	for (int i = 0; i < g->topics_n; i++) {
		const struct offsets_topic *t = g->topics[i];
		for (int32_t k = 0; k < t->n; k++)
			offsets_record(s, g, (struct span){t->name->text, t->name->n},
			               t->v[k].partition, NULL);
	}
	for (const struct txn_offset *o = g->pending; o; o = o->next) {
		struct span topic = {o->name->text, o->name->n};
		if (!offsets_find(g, topic, o->c.partition))
			offsets_record(s, g, topic, o->c.partition, NULL);
	}
}

void offsets_forget(struct groups *gs, struct group *g)
{
	while (g->pending)
		txn_drop(gs, g->pending);
	for (int i = 0; i < g->topics_n; i++)
		topic_free(gs, g->topics[i]);
	free(g->topics);
	g->topics = NULL;
	g->topics_n = 0;
}

bool offsets_wait(struct step *s, const struct asker *who, struct group *g)
{
	g->deleting = g->unsettled > 0;
	if (g->deleting)
		step_again(s, who, &g->partition, 1);
	return g->deleting;
}
