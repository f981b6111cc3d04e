/* What a consumer fetches, from one request to the next: incremental fetch sessions (KIP-227;
 * Kafka's FetchManager, FetchSession, FetchSessionCacheShard, FetchContext).
 *
 * Every request becomes a set of partitions: that of the session it goes on with, or one of its
 * own. A full request's set becomes a session when it is answered. Sets are counted: a request that
 * waits keeps its set although the cache drops the session meanwhile.
 */
#ifndef FETCH_SESSION_H
#define FETCH_SESSION_H
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/map.h"
#include "wire/api.h"

enum { FETCH_EVICTION_MS = 120000, FETCH_PARTS_MAX = 65536 };

struct fetch_part {                 /* one partition, as the consumer last described it */
	struct fetch_part *prev, *next;
	struct uuid topic_id;       /* zero when the consumer uses names */
	struct span topic;          /* owned by the part; "" when the consumer uses ids */
	int32_t partition;
	int64_t offset;
	int32_t max_bytes, current_leader_epoch, last_fetched_epoch;   /* epochs: -1 not given */
	int64_t replica_start;      /* a replica's own log start; -1 not given */
	int64_t high_watermark, log_start;   /* as last answered; -1 nothing yet */
	void *owner;                /* the caller's, at first NULL: see fetch_hooks */
	uint8_t key[];
};
struct fetch_set {
	int32_t id;                 /* of the session; 0 none */
	int32_t epoch;              /* the one that the session's next request must bear */
	bool by_id;                 /* made of topic ids: versions 13 and later */
	int refs;
	int64_t created_ms, used_ms;
	struct map parts;
	struct fetch_part *first, *last;
	void *owner;                /* as in a part */
	const struct fetch_hooks *hooks;
};
/* For a caller that keeps something of its own with each partition: told when a request names one
 * (-1: ENOMEM, which is fetch_begin's), and before parts and at last the set are freed. */
struct fetch_hooks {
	int (*named)(struct fetch_set *set, struct fetch_part *p);
	void (*forgotten)(struct fetch_set *set, struct fetch_part *p);
	void (*dropped)(struct fetch_set *set);
};
enum fetch_kind { FETCH_SESSIONLESS, FETCH_FULL, FETCH_INCREMENTAL };

struct fetch_sessions;
/* max: max.incremental.fetch.session.cache.slots. NULL ENOMEM. */
struct fetch_sessions *fetch_sessions_new(int max);
void fetch_sessions_hook(struct fetch_sessions *c, const struct fetch_hooks *h);  /* borrowed */
void fetch_sessions_free(struct fetch_sessions *c);
int fetch_sessions_count(const struct fetch_sessions *c);
/* The session that goes on with this request; NULL: none does. Borrowed. */
struct fetch_set *fetch_sessions_next(const struct fetch_sessions *c,
                                      const struct fetch_request *in);
/* Drops those that were not used for FETCH_EVICTION_MS. */
void fetch_sessions_expire(struct fetch_sessions *c, int64_t now_ms);

/* The set that a request of this version means, to be given back with fetch_set_drop. 0; a Kafka
 * error code, and no set; or -1 ENOMEM. now_ms: any clock that does not go back. */
int fetch_begin(struct fetch_sessions *c, const struct fetch_request *in, int version,
                int64_t now_ms, struct fetch_set **set, enum fetch_kind *kind);
/* Before the answer is made: the session id to put into it, after a full request that of a session
 * made now, 0 when there is no room for one. A Kafka error code when the session has gone on
 * meanwhile (it is then the whole answer). */
int fetch_end(struct fetch_sessions *c, struct fetch_set *set, enum fetch_kind kind,
              int32_t request_epoch, int64_t now_ms, int32_t *session_id);
/* Notes what the answer says of a partition of the set. Whether an incremental answer must mention
 * it: it has data, an error, a diverging epoch, or a high watermark or log start that the consumer
 * does not know. */
bool fetch_tell(struct fetch_part *p, int error, int64_t high_watermark, int64_t log_start,
                bool diverging, bool data);
/* A partition that had data goes to the end of the session, so that the others get their turn. */
void fetch_to_end(struct fetch_set *set, struct fetch_part *p);
void fetch_set_drop(struct fetch_set *set);
#endif
