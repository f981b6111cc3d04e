/* The voters of the metadata log, as VotersRecords name them: for the files of elect. */
#ifndef ELECT_VOTERS_H
#define ELECT_VOTERS_H
#include "elect.h"
#include "wire/api.h"
#include "wire/wire.h"

/* The quorum step with the voters of the log. Ends the program when they are not to be used. */
void voters_init(struct elect *e);
/* After records went into the image: tells the quorum when the voters are others now. */
void voters_look(struct elect *e);
/* The voters that a new cluster begins with, into e->voters; false: this node begins none. */
bool voters_first(struct elect *e);
/* A record with the addresses that this node has now. */
void voters_with_self(struct elect *e, struct buf *out);
/* Where a voter listens, "HOST:PORT"; the nth of all that are not this node. false: not known, or
 * not so many. */
bool voters_address(const struct elect *e, int32_t id, char out[VOTER_ADDRESS]);
bool voters_any(const struct elect *e, int n, char out[VOTER_ADDRESS]);
/* Where the leader of this epoch listens. false: nobody leads, or it is not known. */
struct voters_place {
	int32_t id;
	char host[256];
	uint16_t port;
};
bool voters_leader(const struct elect *e, struct voters_place *at);
/* Where the leader is by its own words. */
void voters_learn(struct elect *e, int32_t id, struct span host, int port);

void voters_read(const struct buf *b, struct arena *a, struct voters_record *r);
void voters_write(const struct voters_record *r, struct buf *out);
/* Of the controllers' listener; NULL: it has none of that name. */
const struct voters_record_endpoint *voters_endpoint(const struct elect *e,
						     const struct voters_record_voter *v);
#endif
