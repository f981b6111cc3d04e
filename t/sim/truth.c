/* What must hold after every event: an observer who sees all machines at once.
 *
 * Metadata: a leader an epoch, who has all that was committed before it; what is committed never
 * changes; each committed record is looked at by the observer's own image. Partitions: a leader an
 * epoch, who has all that was committed in earlier ones; what is below a high watermark is the same
 * everywhere, is on the disks of all of the ISR, and never changes; a high watermark does not fall
 * in an epoch; what was acknowledged is committed; a leader is one of the ISR. A partition that was
 * led uncleanly, where that is allowed, may lose records: there only leaders are watched.
 */
#include <string.h>

#include "meta/record.h"
#include "sim.h"

enum { EPOCHS = 4096 };

struct state { /* of a partition, as of the last committed record */
	bool is;
	int32_t leader, epoch, partition_epoch;
	int32_t replicas[NODES], isr[NODES], elr[NODES], last[NODES];
	int32_t replicas_n, isr_n, elr_n, last_n;
};
static struct entry metadata[METADATA_MAX];
static int32_t metadata_in[METADATA_MAX]; /* epoch of who was the first to know */
static int64_t metadata_n;
static int quorum_leader[EPOCHS];
struct meta_image truth_image;
static struct state states[PARTITIONS];

static struct datum committed[PARTITIONS][RECORDS];
static int32_t committed_in[PARTITIONS][RECORDS];
static int64_t committed_n[PARTITIONS];
static bool tainted[PARTITIONS];
static int leader_of[PARTITIONS][EPOCHS];

void truth_begin(void)
{
	meta_image_init(&truth_image);
	metadata_n = 0;
	memset(quorum_leader, -1, sizeof quorum_leader);
	memset(leader_of, -1, sizeof leader_of);
	memset(states, 0, sizeof states);
	memset(committed_n, 0, sizeof committed_n);
	memset(tainted, 0, sizeof tainted);
}

void truth_end(void)
{
	meta_image_free(&truth_image);
}

/* --- the metadata log --- */

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return a->v == b->v && a->epoch == b->epoch;
}

void truth_leads(const struct node *n)
{
	const struct elector *k = &n->elect;

	world.elections++;
	if (k->q.epoch >= EPOCHS)
		return;
	if (quorum_leader[k->q.epoch] >= 0 && quorum_leader[k->q.epoch] != n->id)
		wrong("nodes %d and %d lead the quorum in epoch %d", quorum_leader[k->q.epoch],
		      n->id, k->q.epoch);
	quorum_leader[k->q.epoch] = n->id;
	/* One elected in an epoch that is over already knows nothing of later ones. */
	for (int64_t i = 0; i < metadata_n; i++)
		if (metadata_in[i] < k->q.epoch
		    && (i >= k->end || !same_entry(&k->log[i], &metadata[i])))
			wrong("node %d leads the quorum without committed record %lld", n->id,
			      (long long)i);
}

static bool among(int32_t id, const int32_t *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

static void copy_ids(int32_t *to, int32_t *to_n, const int32_t *v, int32_t n)
{
	*to_n = n < NODES ? n : NODES;
	for (int32_t i = 0; i < *to_n; i++)
		to[i] = v[i];
}

static struct state state_of(const struct meta_partition *p)
{
	struct state s = { .is = true,
			   .leader = p->leader,
			   .epoch = p->leader_epoch,
			   .partition_epoch = p->partition_epoch };

	copy_ids(s.replicas, &s.replicas_n, p->replicas, p->replicas_n);
	copy_ids(s.isr, &s.isr_n, p->isr, p->isr_n);
	copy_ids(s.elr, &s.elr_n, p->elr, p->elr_n);
	copy_ids(s.last, &s.last_n, p->last_known_elr, p->last_known_elr_n);
	return s;
}

/* The machine has not died since its broker registered: what is said of it is said of its disk. */
static bool as_registered(int32_t id)
{
	const struct meta_broker *b = meta_broker(&truth_image, id);

	return b && uuid_same(&b->incarnation, &nodes[id].incarnation);
}

static bool has_all(int32_t id, int part)
{
	const struct part *p = &nodes[id].store.parts[part];

	for (int64_t i = 0; i < committed_n[part]; i++)
		if (i >= p->end || (!world.flush_os && i >= p->synced)
		    || !datum_same(&p->log[i], &committed[part][i]))
			return false;
	return true;
}

/* Who is elected was in sync or eligible, else it was allowed to be unclean. */
static void check_election(int part, const struct state *was, const struct state *is)
{
	if (among(is->leader, was->isr, was->isr_n) || among(is->leader, was->elr, was->elr_n))
		return;
	if (world.unclean[part / WIDTH]) {
		trace("partition %d: %d is elected uncleanly", part, is->leader);
		tainted[part] = true;
	} else if (is->isr_n == 1 && is->elr_n == 0 && among(is->leader, was->last, was->last_n)) {
		/* Nobody is left of those who were: the last known leader. */
		tainted[part] |= world.flush_os;
	} else {
		wrong("partition %d: %d is elected, which was not in sync", part, is->leader);
	}
}

static void check_state(int part, const struct state *was, const struct state *is)
{
	trace("partition %d: leader %d epoch %d, partition epoch %d, isr of %d: %d %d %d, elr of %d",
	      part, is->leader, is->epoch, is->partition_epoch, is->isr_n,
	      is->isr_n > 0 ? is->isr[0] : -1, is->isr_n > 1 ? is->isr[1] : -1,
	      is->isr_n > 2 ? is->isr[2] : -1, is->elr_n);
	if (is->leader >= 0 && !among(is->leader, is->isr, is->isr_n))
		wrong("partition %d: leader %d is not in the ISR", part, is->leader);
	if (!was->is)
		return;
	if (is->epoch < was->epoch || is->partition_epoch != was->partition_epoch + 1)
		wrong("partition %d: epochs go from %d, %d to %d, %d", part, was->epoch,
		      was->partition_epoch, is->epoch, is->partition_epoch);
	if (is->leader != was->leader && is->epoch == was->epoch)
		wrong("partition %d: another leader in epoch %d", part, is->epoch);
	if (is->leader >= 0 && is->leader != was->leader)
		check_election(part, was, is);
	for (int32_t i = 0; i < is->isr_n; i++) {
		const struct meta_broker *b = meta_broker(&truth_image, is->isr[i]);

		if (!among(is->isr[i], was->isr, was->isr_n) && is->isr[i] != is->leader
		    && (!b || b->fenced))
			wrong("partition %d: %d joins the ISR, but is fenced", part, is->isr[i]);
	}
	for (int32_t i = 0; i < is->isr_n && !tainted[part]; i++)
		if (!among(is->isr[i], was->isr, was->isr_n) && as_registered(is->isr[i])
		    && !has_all(is->isr[i], part))
			wrong("partition %d: %d joins the ISR without all that is committed", part,
			      is->isr[i]);
}

static void look_at(const struct entry *entry, int64_t offset)
{
	const struct meta_topic *t;
	size_t at = 0;

	if (!entry->v)
		return;
	if (meta_apply(&truth_image, (struct span){ (const char *)entry->v->p, entry->v->n }, offset,
		       entry->epoch)
	    < 0) {
		wrong("metadata record %lld cannot be applied", (long long)offset);
		return;
	}
	while ((t = map_next(&truth_image.topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++) {
			int part = part_of(t, i);
			struct state is = state_of(&t->partitions[i]), was = states[part];

			states[part] = is;
			if (!was.is || is.partition_epoch != was.partition_epoch)
				check_state(part, &was, &is);
		}
}

/* What a node holds committed is what the world knows to be committed. */
void truth_committed(struct node *n)
{
	struct elector *k = &n->elect;

	if (k->q.high_watermark < k->committed)
		wrong("node %d: the high watermark of the metadata fell", n->id);
	for (int64_t i = k->committed < 0 ? 0 : k->committed; i < k->q.high_watermark; i++) {
		if (i >= k->end) {
			wrong("node %d: metadata is committed beyond its log", n->id);
			return;
		}
		if (i == metadata_n) {
			metadata_in[i] = k->q.epoch;
			metadata[metadata_n++] = k->log[i];
			world.commits++;
			look_at(&k->log[i], i);
		} else if (!same_entry(&metadata[i], &k->log[i])) {
			wrong("node %d: committed metadata record %lld has changed", n->id,
			      (long long)i);
		}
		if (*world.wrong)
			return;
	}
}

/* --- partitions --- */

void truth_leads_partition(const struct node *n, int part)
{
	const struct part *p = &n->store.parts[part];
	int32_t epoch = p->step.epoch;

	trace("%d leads partition %d in epoch %d from %lld on", n->id, part, epoch,
	      (long long)p->end);
	if (epoch >= EPOCHS)
		return;
	if (leader_of[part][epoch] >= 0 && leader_of[part][epoch] != n->id)
		wrong("partition %d: %d and %d lead in epoch %d", part, leader_of[part][epoch],
		      n->id, epoch);
	leader_of[part][epoch] = n->id;
	for (int64_t i = 0; i < committed_n[part] && !tainted[part]; i++)
		if (committed_in[part][i] < epoch
		    && (i >= p->end || !datum_same(&p->log[i], &committed[part][i])))
			wrong("partition %d: %d leads epoch %d without committed record %lld", part,
			      n->id, epoch, (long long)i);
}

static void check_isr(int part, int64_t from)
{
	const struct state *s = &states[part];

	for (int32_t i = 0; i < s->isr_n; i++) {
		const struct part *p = &nodes[s->isr[i]].store.parts[part];

		if (!as_registered(s->isr[i]))
			continue;
		for (int64_t k = from; k < committed_n[part]; k++)
			if (k >= p->end || (!world.flush_os && k >= p->synced)
			    || !datum_same(&p->log[k], &committed[part][k]))
				wrong("partition %d: record %lld is committed, but %d of the ISR "
				      "has only %lld of %lld on disk",
				      part, (long long)k, s->isr[i], (long long)p->synced,
				      (long long)p->end);
	}
}

/* The slot of the page: role, epoch and offsets as others on the node see them. */
void truth_published(struct node *n, int part, const struct page_slot *was,
		     const struct page_slot *is)
{
	struct part *p = &n->store.parts[part];
	int64_t before = committed_n[part];

	if (was->epoch == is->epoch && is->high_watermark < was->high_watermark)
		wrong("partition %d: the high watermark of %d falls in epoch %d", part, n->id,
		      is->epoch);
	if (is->high_watermark > p->end)
		wrong("partition %d: the high watermark of %d is beyond its log", part, n->id);
	if (tainted[part])
		return;
	for (int64_t i = p->compared; i < is->high_watermark && !*world.wrong; i++) {
		if (i == committed_n[part]) {
			if (is->role != PAGE_LEADER)
				wrong("partition %d: follower %d commits record %lld", part, n->id,
				      (long long)i);
			committed_in[part][i] = is->epoch;
			committed[part][committed_n[part]++] = p->log[i];
			world.records++;
		} else if (!datum_same(&committed[part][i], &p->log[i])) {
			wrong("partition %d: committed record %lld of %d is another", part,
			      (long long)i, n->id);
		}
	}
	if (is->high_watermark > p->compared)
		p->compared = is->high_watermark;
	if (committed_n[part] > before)
		check_isr(part, before);
}

void truth_cut(struct node *n, int part, int64_t end)
{
	struct part *p = &n->store.parts[part];

	if (!tainted[part] && end < p->step.high_watermark)
		wrong("partition %d: %d cuts its log to %lld below its high watermark %lld", part,
		      n->id, (long long)end, (long long)p->step.high_watermark);
	if (p->compared > end)
		p->compared = end;
	if (!tainted[part] && end < committed_n[part] && as_registered(n->id)
	    && among(n->id, states[part].isr, states[part].isr_n))
		wrong("partition %d: %d is in the ISR and cuts what is committed", part, n->id);
}

void truth_acknowledged(int part, int producer, int32_t seq, int64_t offset)
{
	const struct datum *r = &committed[part][offset];

	if (tainted[part])
		return;
	if (offset >= committed_n[part] || r->producer != producer || r->seq != seq)
		wrong("partition %d: record %d of producer %d is acknowledged, not committed", part,
		      seq, producer);
}

bool truth_tainted(int part)
{
	return tainted[part];
}

/* Would all that is committed be left, and electable, without this machine's unsynced bytes? */
bool truth_can_lose(const struct node *n)
{
	for (int part = 0; part < PARTITIONS; part++) {
		const struct state *s = &states[part];
		bool other = !s->is || tainted[part];

		for (int i = 0; i < world.nodes_n; i++)
			other |= i != n->id && as_registered(i) && has_all(i, part)
				 && (among(i, s->isr, s->isr_n) || among(i, s->elr, s->elr_n));
		if (!other)
			return false;
	}
	return true;
}

/* --- at the end --- */

/* Those who died and came back have left the ISR when it begins, or are about to. */
bool truth_can_live(int part)
{
	const struct state *s = &states[part];
	bool leads = world.unclean[part / WIDTH];
	int there = 0;

	for (int i = 0; i < world.nodes_n; i++) {
		if (nodes[i].away)
			continue;
		there += among(i, s->replicas, s->replicas_n);
		leads |= as_registered(i)
			 && (among(i, s->isr, s->isr_n) || among(i, s->elr, s->elr_n));
	}
	return s->is && leads && there >= world.min_insync;
}

bool truth_all_in_sync(int part)
{
	const struct state *s = &states[part];

	for (int i = 0; i < s->replicas_n; i++)
		if (!nodes[s->replicas[i]].away && !among(s->replicas[i], s->isr, s->isr_n))
			return false;
	return true;
}

/* Everything acknowledged once, in each producer's order. */
void truth_final(void)
{
	for (int part = 0; part < PARTITIONS; part++) {
		int32_t next[PRODUCERS] = { 0 };

		for (int64_t i = 0; i < committed_n[part] && !tainted[part]; i++) {
			const struct datum *r = &committed[part][i];

			if (r->seq != next[r->producer]++)
				wrong("partition %d: record %lld is %d of producer %d, not %d",
				      part, (long long)i, r->seq, r->producer,
				      next[r->producer] - 1);
		}
	}
}
