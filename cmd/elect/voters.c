/* Who votes, and where they are: the last VotersRecord of the log (KIP-853). With kraft.version 0,
 * which has none, those of controller.quorum.voters. */
#include "voters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

enum { VOTERS_BYTES = 1 << 20 };

void voters_read(const struct buf *b, struct arena *a, struct voters_record *r)
{
	a->limit = VOTERS_BYTES;
	wire_init(&wire_voters_record, r);
	if (b->n > 0 && wire_decode(&wire_voters_record, 0, b->p, b->n, a, r) < 0)
		strerr_diefu1sys(111, "read the voters of log/__cluster_metadata-0");
}

void voters_write(const struct voters_record *r, struct buf *out)
{
	out->n = 0;
	if (wire_encode(&wire_voters_record, 0, r, out, NULL) < 0)
		strerr_diefu1sys(111, "make a voters record");
}

static struct quorum_key key_of(const struct voters_record_voter *v)
{
	return (struct quorum_key){ v->voter_id, v->voter_directory_id };
}

static void add_static(struct elect *e)
{
	const char *list = e->settings.voters;
	struct span item;

	if (!*list && e->settings.controller_n > 0)
		quorum_voter_add(&e->quorum, (struct quorum_key){ .id = e->settings.node.id });
	while (settings_item(&list, &item))
		if (quorum_voter_add(&e->quorum,
				     (struct quorum_key){ .id = (int32_t)strtol(item.p, NULL, 10) })
		    < 0)
			strerr_dief(100, "controller.quorum.voters: too many, or one is twice");
}

void voters_init(struct elect *e)
{
	const struct meta_node *n = &e->settings.node;
	struct voters_record r;
	struct arena a = { 0 };

	quorum_init(&e->quorum, (struct quorum_key){ n->id, n->directory },
		    (struct quorum_timeouts){ setting(e, "controller.quorum.election.timeout.ms"),
					      setting(e, "controller.quorum.fetch.timeout.ms"),
					      setting(e, "controller.quorum.election.backoff.max.ms") },
		    (uint64_t)wall_ms() ^ (uint64_t)n->id << 48);
	e->voters_new = false;
	if (e->voters.n == 0) {
		if (!store_is_empty(&e->store))
			add_static(e);
		return;
	}
	voters_read(&e->voters, &a, &r);
	for (int32_t i = 0; i < r.voters_n; i++)
		if (quorum_voter_add(&e->quorum, key_of(&r.voters[i])) < 0)
			strerr_dief(100, "the voters of log/__cluster_metadata-0 are too many, or "
					 "one is twice");
	arena_free(&a);
}

void voters_look(struct elect *e)
{
	struct quorum_key keys[QUORUM_VOTERS_MAX];
	struct quorum_event ev = { .type = QUORUM_VOTERS,
				   .end = e->voters_offset,
				   .keys = keys,
				   .now_ms = port_now_ms() };
	struct voters_record r;
	struct arena a = { 0 };

	if (!e->voters_new)
		return;
	e->voters_new = false;
	voters_read(&e->voters, &a, &r);
	for (int32_t i = 0; i < r.voters_n && ev.keys_n < QUORUM_VOTERS_MAX; i++)
		keys[ev.keys_n++] = key_of(&r.voters[i]);
	arena_free(&a);
	elect_quorum(e, &ev, NULL);
}

void voters_with_self(struct elect *e, struct buf *out)
{
	struct voters_record_endpoint ends[ENDPOINTS_MAX];
	struct voters_record r;
	struct arena a = { 0 };

	voters_read(&e->voters, &a, &r);
	for (int i = 0; i < e->settings.controller_n; i++) {
		wire_init(&wire_voters_record_endpoint, &ends[i]);
		ends[i].name = span_of(e->settings.controller[i].name);
		ends[i].host = span_of(e->settings.controller[i].host);
		ends[i].port = e->settings.controller[i].port;
	}
	for (int32_t i = 0; i < r.voters_n; i++)
		if (r.voters[i].voter_id == e->settings.node.id
		    && uuid_same(&r.voters[i].voter_directory_id, &e->settings.node.directory)) {
			r.voters[i].endpoints = ends;
			r.voters[i].endpoints_n = e->settings.controller_n;
		}
	voters_write(&r, out);
	arena_free(&a);
}

/* --- addresses --- */

static void address(char out[VOTER_ADDRESS], struct span host, uint16_t port)
{
	bool v6 = host.n > 0 && memchr(host.p, ':', (size_t)host.n);

	snprintf(out, VOTER_ADDRESS, v6 ? "[%.*s]:%u" : "%.*s:%u", host.n < 0 ? 0 : host.n, host.p,
		 port);
}

const struct voters_record_endpoint *voters_endpoint(const struct elect *e,
						     const struct voters_record_voter *v)
{
	for (int32_t i = 0; i < v->endpoints_n; i++)
		if (span_is(v->endpoints[i].name, e->settings.node.controller)
		    && v->endpoints[i].host.n < 256)
			return &v->endpoints[i];
	return NULL;
}

/* ID@HOST:PORT or ID@HOST:PORT:DIRECTORY. */
static bool listed_address(struct span item, bool directory, int32_t *id, struct span *out)
{
	const char *end = item.p + item.n, *at = memchr(item.p, '@', (size_t)item.n);

	if (at && directory)
		end = memrchr(at, ':', (size_t)(end - at));
	if (!at || !end || end - at - 1 >= VOTER_ADDRESS)
		return false;
	*id = (int32_t)strtol(item.p, NULL, 10);
	*out = (struct span){ at + 1, (int32_t)(end - at - 1) };
	return true;
}

/* Calls fn with each address that is known, until it returns true: the log's first. */
static bool each_address(const struct elect *e, const struct buf *voters,
			 bool (*fn)(void *arg, int32_t id, const char *address), void *arg)
{
	const char *lists[] = { e->settings.initial, e->settings.voters, e->settings.bootstrap };
	char text[VOTER_ADDRESS];
	struct voters_record r;
	struct arena a = { 0 };
	struct span item, where;
	bool done = false;
	int32_t id;

	voters_read(voters, &a, &r);
	for (int32_t i = 0; i < r.voters_n && !done; i++) {
		const struct voters_record_endpoint *p = voters_endpoint(e, &r.voters[i]);

		if (!p)
			continue;
		address(text, p->host, p->port);
		done = fn(arg, r.voters[i].voter_id, text);
	}
	arena_free(&a);
	for (int i = 0; i < 3; i++)
		while (!done && settings_item(&lists[i], &item)) {
			id = -1;
			where = item;
			if (i == 2 ? item.n < VOTER_ADDRESS
				   : listed_address(item, i == 0, &id, &where))
				done = fn(arg, id, span_z(where, text, sizeof text));
		}
	return done;
}

struct search {
	const struct elect *e;
	int32_t id;   /* whose, or */
	int left;     /* how many to pass over */
	char *out;
};

static bool is_of(void *arg, int32_t id, const char *where)
{
	struct search *s = arg;

	if (id != s->id)
		return false;
	snprintf(s->out, VOTER_ADDRESS, "%s", where);
	return true;
}

bool voters_address(const struct elect *e, int32_t id, char out[VOTER_ADDRESS])
{
	struct search s = { .id = id, .out = out };

	if (id >= 0 && id == e->learned_id) {
		memcpy(out, e->learned, VOTER_ADDRESS);
		return true;
	}
	return id >= 0 && each_address(e, &e->voters, is_of, &s);
}

bool voters_leader(const struct elect *e, struct voters_place *at)
{
	char text[VOTER_ADDRESS], *host = text, *colon;

	at->id = e->quorum.leader;
	if (at->id < 0)
		return false;
	if (at->id == e->settings.node.id && e->settings.controller_n > 0) {
		snprintf(at->host, sizeof at->host, "%s", e->settings.controller[0].host);
		at->port = e->settings.controller[0].port;
		return true;
	}
	if (!voters_address(e, at->id, text) || !(colon = strrchr(text, ':')))
		return false;
	*colon = 0;
	if (*host == '[' && colon[-1] == ']') {
		host++;
		colon[-1] = 0;
	}
	snprintf(at->host, sizeof at->host, "%.255s", host);
	at->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return true;
}

/* Not this node: by its id, or by its port on an address of its own. */
static bool is_nth(void *arg, int32_t id, const char *where)
{
	struct search *s = arg;
	char own[VOTER_ADDRESS];

	if (id == s->e->settings.node.id)
		return false;
	for (int i = 0; i < s->e->settings.controller_n; i++) {
		address(own, span_of(s->e->settings.controller[i].host),
			s->e->settings.controller[i].port);
		if (strcmp(own, where) == 0)
			return false;
	}
	if (s->left-- > 0)
		return false;
	snprintf(s->out, VOTER_ADDRESS, "%s", where);
	return true;
}

bool voters_any(const struct elect *e, int n, char out[VOTER_ADDRESS])
{
	struct search s = { .e = e, .left = n, .out = out };

	return each_address(e, &e->voters, is_nth, &s);
}

void voters_learn(struct elect *e, int32_t id, struct span host, int port)
{
	if (id < 0 || id == e->settings.node.id || host.n <= 0 || host.n >= 256 || port <= 0
	    || port > 65535)
		return;
	e->learned_id = id;
	address(e->learned, host, (uint16_t)port);
}

/* --- the first voters of a cluster --- */

/* ID@HOST:PORT:DIRECTORY, as Kafka's storage tool takes --initial-controllers. */
static int initial_voter(struct span item, const char *name, struct voters_record_voter *v,
			 struct voters_record_endpoint *p)
{
	const char *end = item.p + item.n, *directory, *port;
	struct span where;

	wire_init(&wire_voters_record_voter, v);
	wire_init(&wire_voters_record_endpoint, p);
	if (!listed_address(item, true, &v->voter_id, &where))
		return -1;
	directory = where.p + where.n + 1;
	port = memrchr(where.p, ':', (size_t)where.n);
	if (!port
	    || uuid_parse(&v->voter_directory_id,
			  (struct span){ directory, (int32_t)(end - directory) })
		       < 0)
		return -1;
	p->name = span_of(name);
	p->host = (struct span){ where.p, (int32_t)(port - where.p) };
	if (p->host.n > 2 && p->host.p[0] == '[')
		p->host = (struct span){ p->host.p + 1, p->host.n - 2 };
	p->port = (uint16_t)strtoul(port + 1, NULL, 10);
	v->endpoints = p;
	v->endpoints_n = 1;
	v->kraft_version_feature.max_supported_version = 1;
	return p->host.n > 0 && p->port ? 0 : -1;
}

static void keep(struct elect *e, const struct voters_record *r)
{
	struct buf b = { 0 };

	voters_write(r, &b);
	e->voters.n = 0;
	if (buf_add(&e->voters, b.p, b.n) < 0)
		strerr_diefu1sys(111, "keep the voters");
	voters_with_self(e, &b);
	e->voters.n = 0;
	if (buf_add(&e->voters, b.p, b.n) < 0)
		strerr_diefu1sys(111, "keep the voters");
	buf_free(&b);
}

/* Whoever is named with another directory has lost that one, and with it what it had promised: it
 * does not begin anything, it joins what is there. */
static bool first_of_list(struct elect *e, struct voters_record *r)
{
	struct voters_record_voter v[QUORUM_VOTERS_MAX];
	struct voters_record_endpoint ends[QUORUM_VOTERS_MAX];
	const char *list = e->settings.initial;
	struct span item;
	bool me = false;

	r->voters = v;
	while (settings_item(&list, &item)) {
		struct voters_record_voter *w = &v[r->voters_n];

		if (r->voters_n == QUORUM_VOTERS_MAX)
			strerr_dief(100, "odradek.initial.controllers: too many");
		if (initial_voter(item, e->settings.node.controller, w, &ends[r->voters_n]) < 0)
			strerr_dief(100, "odradek.initial.controllers: not "
					 "ID@HOST:PORT:DIRECTORY,...");
		me = me
		     || (w->voter_id == e->settings.node.id
			 && uuid_same(&w->voter_directory_id, &e->settings.node.directory));
		r->voters_n++;
	}
	if (me)
		keep(e, r);
	return me;
}

bool voters_first(struct elect *e)
{
	struct voters_record r;
	struct voters_record_voter v;

	wire_init(&wire_voters_record, &r);
	if (e->settings.controller_n == 0)
		return false;
	if (*e->settings.initial)
		return first_of_list(e, &r);
	if (*e->settings.bootstrap)
		return false;
	if (e->settings.voters_n > 1)
		strerr_dief(100, "odradek.initial.controllers: not set, and "
				 "controller.quorum.voters names several");
	wire_init(&wire_voters_record_voter, &v);
	v.voter_id = e->settings.node.id;
	v.voter_directory_id = e->settings.node.directory;
	v.kraft_version_feature.max_supported_version = 1;
	r.voters = &v;
	r.voters_n = 1;
	keep(e, &r);
	return true;
}
