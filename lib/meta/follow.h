/* Following the metadata log: a long poll on elect's socket, committed records only, snapshots to
 * catch up.
 *
 * The fetch offset of the poll is what this program has applied: it is its lease.
 */
#ifndef META_FOLLOW_H
#define META_FOLLOW_H
#include "meta/image.h"
#include "port/loop.h"

struct meta_follow;
struct meta_follow_ops { /* each may be NULL */
	/* After each record was applied: decoded (a struct of wire/api.h), NULL for a type we do
	 * not know. */
	void (*record)(void *ctx, struct meta_image *m, int type, const void *record);
	void (*batch)(void *ctx,
		      struct meta_image *m); /* after each committed batch (a transaction is one) */
	void (*reset)(void *ctx,
		      struct meta_image *m); /* a snapshot replaced the image: compare everything */
	void (*caught_up)(
		void *ctx,
		struct meta_image *m); /* once: applied up to the end that elect named at first */
	void (*broken)(
		void *ctx,
		const char *why); /* a record cannot be read or applied: errno; following stops */
};
/* elect: path of its socket ("run/elect"), name: ours. The image lives inside. ops is borrowed.
 * NULL ENOMEM. */
struct meta_follow *meta_follow_new(struct port_loop *l, const char *elect, const char *name,
				    const struct meta_follow_ops *ops, void *ctx);
struct meta_image *meta_follow_image(struct meta_follow *f);
struct port_peer *meta_follow_peer(
	struct meta_follow *f); /* the same connection may carry other calls to elect */
int64_t meta_follow_applied(
	const struct meta_follow *f); /* the next offset that is not applied yet */
/* What is applied is no older than this: the time (port_now_ms) at which the last poll that has
 * been answered was sent. */
int64_t meta_follow_heard(const struct meta_follow *f);
#endif
