/* The change of one partition. */
#include "base/planted.h"
#include "partition_change.h"

#include <stdlib.h>
#include <string.h>

#include "meta/config.h"
#include "meta/record.h"

enum { NO_CHANGE = -2, NO_LEADER = -1, RECOVERING = 1 };
enum { LEVEL_NO_BUMP = 12, LEVEL_DIRECTORIES = 17 }; /* of metadata.version */

static const struct uuid unassigned = { { [15] = 1 } }, lost_directory = { { [15] = 2 } };

bool ids_have(struct ids s, int32_t id)
{
	for (int32_t i = 0; i < s.n; i++)
		if (s.v[i] == id)
			return true;
	return false;
}

bool ids_cover(struct ids s, struct ids all)
{
	for (int32_t i = 0; i < all.n; i++)
		if (!ids_have(s, all.v[i]))
			return false;
	return true;
}

static bool ids_same(struct ids a, struct ids b)
{
	return a.n == b.n && (a.n == 0 || !memcmp(a.v, b.v, (size_t)a.n * sizeof *a.v));
}

struct ids ids_without(struct operation *op, struct ids s, struct ids out)
{
	int32_t *v = arena_get(&op->arena, (size_t)s.n * sizeof *v + sizeof *v), n = 0;

	op->failed = op->failed || !v;
	for (int32_t i = 0; v && i < s.n; i++)
		if (!ids_have(out, s.v[i]))
			v[n++] = s.v[i];
	return (struct ids){ v, n };
}

bool elr_enabled(const struct operation *op)
{
	return meta_feature_level(op->c->image, "eligible.leader.replicas.version") > 0;
}

struct topic_rules topic_rules(const struct operation *op, const struct meta_topic *t)
{
	const struct meta_image *m = op->c->image;
	const struct meta_partition *first = meta_partition(t, 0);
	int32_t node = op->c->settings->node.id;
	int64_t min = meta_config_int(m, node, t, "min.insync.replicas");

	return (struct topic_rules){
		.unclean = meta_config_bool(m, node, t, "unclean.leader.election.enable"),
		.min_isr = first && first->replicas_n < min ? first->replicas_n : (int32_t)min,
	};
}

bool partition_reassigns(const struct meta_partition *p)
{
	return p->removing_n > 0 || p->adding_n > 0;
}

struct uuid broker_directory(const struct operation *op, int32_t broker)
{
	const struct meta_broker *b = meta_broker(op->c->image, broker);

	if (!b)
		return unassigned;
	if (b->log_dirs_n == 0)
		return uuid_zero;
	return b->log_dirs_n == 1 ? b->log_dirs[0] : unassigned;
}

bool directory_online(const struct meta_broker *b, const struct uuid *dir)
{
	if (uuid_is_zero(dir) || uuid_same(dir, &unassigned))
		return true;
	if (uuid_same(dir, &lost_directory))
		return false;
	for (int32_t i = 0; i < b->log_dirs_n; i++)
		if (uuid_same(dir, &b->log_dirs[i]))
			return true;
	return b->log_dirs_n == 0;
}

void partition_change_begin(struct partition_change *c, struct operation *op,
			    const struct meta_topic *t, const struct meta_partition *p,
			    struct topic_rules rules)
{
	*c = (struct partition_change){
		.op = op,
		.topic = t,
		.p = p,
		.min_isr = rules.min_isr,
		.election = rules.unclean ? ELECTION_UNCLEAN : ELECTION_ONLINE,
		.isr = { p->isr, p->isr_n },
		.replicas = { p->replicas, p->replicas_n },
		.removing = { p->removing, p->removing_n },
		.adding = { p->adding, p->adding_n },
		.elr = { p->elr, p->elr_n },
		.recovery = p->leader_recovery_state,
		.gone = -1,
		.lost = -1,
		.back = -1,
		.moved = -1,
	};
	wire_init(&wire_partition_change_record, &c->record);
	c->record.topic_id = t->id;
	c->record.partition_id = p->id;
}

/* --- the leader --- */

static bool may_lead(const struct partition_change *c, int32_t id)
{
	const struct meta_broker *b = meta_broker(c->op->c->image, id);

	if (!b || id == c->gone || id == c->lost
	    || (id != c->back && !broker_is_active(c->op->c, id)))
		return false;
	for (int32_t i = 0; i < c->p->replicas_n && i < c->p->directories_n; i++)
		if (c->p->replicas[i] == id)
			return directory_online(b, &c->p->directories[i]);
	return true;
}

/* Of those in sync or, where nobody is, of those that were last and are not known to have lost
 * anything. */
static bool may_lead_cleanly(const struct partition_change *c, int32_t id)
{
	return (ids_have(c->isr, id) || (c->isr.n == 0 && ids_have(c->elr, id))) && may_lead(c, id);
}

static int32_t first_replica(const struct partition_change *c,
			     bool (*good)(const struct partition_change *, int32_t))
{
	for (int32_t i = 0; i < c->replicas.n; i++)
		if (good(c, c->replicas.v[i]))
			return c->replicas.v[i];
	return NO_LEADER;
}

/* The last known leader leads again where nobody eligible is left (KIP-966). */
static bool last_leader_may(const struct partition_change *c)
{
	return elr_enabled(c->op) && c->isr.n == 0 && c->elr.n == 0 && c->p->last_known_elr_n == 1
	       && may_lead(c, c->p->last_known_elr[0]);
}

static int32_t elect(const struct partition_change *c, bool *unclean)
{
	int32_t id;

	*unclean = false;
	if (c->election == ELECTION_PREFERRED && c->replicas.n > 0
	    && may_lead_cleanly(c, c->replicas.v[0]))
		return c->replicas.v[0];
	if (may_lead_cleanly(c, c->p->leader))
		return c->p->leader;
	id = first_replica(c, may_lead_cleanly);
	if (id != NO_LEADER)
		return id;
	*unclean = true;
	if (last_leader_may(c))
		return c->p->last_known_elr[0];
	if (c->election == ELECTION_UNCLEAN || PLANTED(ANYBODY_LEADS))
		id = first_replica(c, may_lead);
	*unclean = id != NO_LEADER;
	return id;
}

static struct ids one(struct partition_change *c, int32_t id)
{
	int32_t *v = arena_copy(&c->op->arena, &id, sizeof id);

	c->op->failed = c->op->failed || !v;
	return (struct ids){ v, v ? 1 : 0 };
}

/* The arrays of the record are only read: the generated structs do not say so. */
static void set(int32_t **v, int32_t *n, struct ids to)
{
	*v = (int32_t *)to.v;
	*n = to.n;
}
#define SET(r, field, to) set(&(r)->field, &(r)->field##_n, to)

static void choose_leader(struct partition_change *c)
{
	struct partition_change_record *r = &c->record;
	bool unclean;
	int32_t id = elect(c, &unclean);

	if (id == c->p->leader)
		return;
	r->leader = id;
	if (ids_have(c->elr, id)) {
		c->isr = one(c, id);
		c->elr = ids_without(c->op, c->elr, c->isr);
	}
	if (unclean) {
		SET(r, isr, one(c, id));
		if (c->p->leader_recovery_state != RECOVERING)
			r->leader_recovery_state = RECOVERING;
	}
}

/* --- the rest --- */

/* A reassignment is complete when all that were added are in sync and, where there will be fewer
 * replicas than before, all that remain (PartitionReassignmentReplicas). */
static void complete_reassignment(struct partition_change *c)
{
	struct ids isr, replicas;

	if (c->removing.n == 0 && c->adding.n == 0)
		return;
	isr = ids_without(c->op, c->isr, c->removing);
	replicas = ids_without(c->op, c->replicas, c->removing);
	if (c->removing.n > 0 && (isr.n == 0 || replicas.n == 0))
		return;
	if (!ids_cover(isr, c->adding))
		return;
	if (c->adding.n < c->removing.n && !ids_cover(isr, replicas))
		return;
	c->isr = isr;
	c->replicas = replicas;
	c->removing = c->adding = (struct ids){ NULL, 0 };
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Who leaves the ISR while that is smaller than min.insync.replicas has every committed record
 * still: nothing can have been committed since. */
static void gather_eligible(struct partition_change *c)
{
	const struct meta_partition *p = c->p;
	int32_t *v, n = 0;

	if (c->isr.n >= c->min_isr) {
		c->elr.n = 0;
		return;
	}
	v = arena_get(&c->op->arena, (size_t)(p->isr_n + p->elr_n + 1) * sizeof *v);
	if (!v) {
		c->op->failed = true;
		return;
	}
	for (int32_t i = 0; i < p->elr_n + p->isr_n; i++) {
		int32_t id = i < p->elr_n ? p->elr[i] : p->isr[i - p->elr_n];

		if (id != c->lost && !ids_have(c->isr, id)
		    && !ids_have((struct ids){ v, n }, id))
			v[n++] = id;
	}
	qsort(v, (size_t)n, sizeof *v, by_number);
	c->elr = (struct ids){ v, n };
}

/* The leader itself is told of its own epoch anew: followers that go away must not be counted by
 * it, and brokers before 3.6 needed it for a smaller ISR too (KAFKA-15021). */
static void bump_epoch(struct partition_change *c, struct ids after, struct ids before)
{
	if (c->record.leader == NO_CHANGE && !ids_cover(after, before))
		c->record.leader = c->p->leader;
}

static void set_eligible(struct partition_change *c)
{
	struct partition_change_record *r = &c->record;

	if (r->isr_n >= 0 || !elr_enabled(c->op))
		c->elr.n = 0;
	if (!ids_same(c->elr, (struct ids){ c->p->elr, c->p->elr_n }))
		SET(r, eligible_leader_replicas, c->elr);
}

static void set_last_leader(struct partition_change *c)
{
	struct partition_change_record *r = &c->record;

	if (!elr_enabled(c->op))
		return;
	if (r->leader == NO_LEADER && c->p->leader != NO_LEADER && c->p->last_known_elr_n == 0)
		SET(r, last_known_elr, one(c, c->p->leader));
	else if (r->leader >= 0 && c->p->last_known_elr_n > 0)
		r->last_known_elr_n = 0;
}

static struct uuid replica_directory(const struct partition_change *c, int32_t id)
{
	if (id == c->moved)
		return c->directory;
	for (int32_t i = 0; i < c->p->replicas_n; i++)
		if (c->p->replicas[i] == id)
			return i < c->p->directories_n ? c->p->directories[i] : uuid_zero;
	return broker_directory(c->op, id);
}

static void set_directories(struct partition_change *c)
{
	struct uuid *v = arena_get(&c->op->arena, (size_t)c->replicas.n * sizeof *v + 1);
	bool same = c->replicas.n == c->p->directories_n;

	if (!v) {
		c->op->failed = true;
		return;
	}
	for (int32_t i = 0; i < c->replicas.n; i++) {
		v[i] = replica_directory(c, c->replicas.v[i]);
		same = same && uuid_same(&v[i], &c->p->directories[i]);
	}
	if (same)
		return;
	c->record.directories = v;
	c->record.directories_n = c->replicas.n;
}

static void set_assignment(struct partition_change *c)
{
	struct partition_change_record *r = &c->record;
	const struct meta_partition *p = c->p;

	if (c->replicas.n > 0) {
		if (operation_level(c->op) >= LEVEL_DIRECTORIES)
			set_directories(c);
		if (!ids_same(c->replicas, (struct ids){ p->replicas, p->replicas_n }))
			SET(r, replicas, c->replicas);
	}
	if (!ids_same(c->removing, (struct ids){ p->removing, p->removing_n }))
		SET(r, removing_replicas, c->removing);
	if (!ids_same(c->adding, (struct ids){ p->adding, p->adding_n }))
		SET(r, adding_replicas, c->adding);
}

static bool is_empty(const struct partition_change_record *r)
{
	return r->isr_n < 0 && r->eligible_leader_replicas_n < 0 && r->last_known_elr_n < 0
	       && r->leader == NO_CHANGE && r->replicas_n < 0 && r->removing_replicas_n < 0
	       && r->adding_replicas_n < 0 && r->leader_recovery_state == -1
	       && r->directories_n < 0;
}

bool partition_change_end(struct partition_change *c)
{
	struct partition_change_record *r = &c->record;
	struct ids isr = { c->p->isr, c->p->isr_n };

	complete_reassignment(c);
	if (elr_enabled(c->op))
		gather_eligible(c);
	choose_leader(c);
	bump_epoch(c, c->replicas, (struct ids){ c->p->replicas, c->p->replicas_n });
	set_eligible(c);
	/* Without eligible leader replicas the last member stays: it alone can lead again without
	 * loss. */
	if (r->isr_n < 0 && (c->isr.n > 0 || elr_enabled(c->op)) && !ids_same(c->isr, isr))
		SET(r, isr, c->isr);
	if (r->isr_n >= 0 && operation_level(c->op) < LEVEL_NO_BUMP)
		bump_epoch(c, (struct ids){ r->isr, r->isr_n }, isr);
	set_last_leader(c);
	set_assignment(c);
	if (c->recovery != c->p->leader_recovery_state)
		r->leader_recovery_state = c->recovery;
	if (is_empty(r) && c->anew)
		SET(r, isr, isr);
	if (is_empty(r))
		return false;
	operation_record(c->op, META_PARTITION_CHANGE, r);
	return true;
}

struct meta_partition partition_change_outcome(const struct partition_change *c)
{
	const struct partition_change_record *r = &c->record;
	struct meta_partition p = *c->p;

	if (is_empty(r))
		return p;
	p.partition_epoch++;
	if (r->leader != NO_CHANGE) {
		p.leader = r->leader;
		p.leader_epoch++;
	}
	if (r->isr_n >= 0) {
		p.isr = r->isr;
		p.isr_n = r->isr_n;
	}
	if (r->leader_recovery_state != -1)
		p.leader_recovery_state = r->leader_recovery_state;
	return p;
}
