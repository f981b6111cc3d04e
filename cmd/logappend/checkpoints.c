/* The offset checkpoints of the log directory, Kafka's files: read at the start, written now and
 * then, when records are deleted, and at a clean stop. */
#include <errno.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "daemon.h"

enum {                                /* Kafka's defaults of the intervals */
	HIGH_WATERMARK_MS = 5000, RECOVERY_POINT_MS = 60000, EXPIRE_MS = 600000,
	PAUSE_MS = 500,               /* when the disk is full */
};

static struct port_timer high_watermarks, recovery_points, expiry;
static bool moved, moved_since_recovery_points;
static bool points_wanted;

void checkpoints_note(void)
{
	moved = moved_since_recovery_points = true;
}

static void read_one(struct checkpoint *c, const char *file)
{
	if (checkpoint_read(c, node.dirfd, file) == 0)
		return;
	if (errno != EBADMSG)
		strerr_diefusys(111, "read log/", file);
	/* As Kafka does: without it, recovery reads more and loses nothing. */
	say("log/", file, ": damaged, not used");
	checkpoint_free(c);
	memset(c, 0, sizeof *c);
}

void checkpoints_read(void)
{
	read_one(&node.recovery_points, CHECKPOINT_RECOVERY_POINT);
	read_one(&node.log_starts, CHECKPOINT_LOG_START);
	read_one(&node.high_watermarks, CHECKPOINT_HIGH_WATERMARK);
}

static int64_t recovery_point(const struct partition *p)
{
	return log_recovery_point(p->log);
}

static int64_t high_watermark(const struct partition *p)
{
	return p->step.high_watermark;
}

/* Only where files alone do not say it (LogManager.checkpointLogStartOffsetsInDir). */
static int64_t log_start_offset(const struct partition *p)
{
	struct log_segment_info first;
	int64_t start = log_start(p->log);
	return log_segments(p->log, &first, 1) > 0 && first.base >= start ? -1 : start;
}

/* What an offline partition had is kept: its files may come back. */
static int write_by(int (*how)(const struct checkpoint *c, int dirfd, const char *file),
                    const char *file, const struct checkpoint *before,
                    int64_t (*offset)(const struct partition *p))
{
	struct checkpoint c = {0};
	size_t at = 0;
	int r = 0;
	for (struct partition *p; r == 0 && (p = map_next(&node.partitions, &at));) {
		int64_t v = p->log ? offset(p) : checkpoint_get(before, p->name, -1);
		if (v >= 0)
			r = checkpoint_set(&c, p->name, v);
	}
	if (r == 0)
		r = how(&c, node.dirfd, file);
	int e = errno;
	checkpoint_free(&c);
	if (r < 0 && e == EIO) {
		errno = e;
		die_sync(file);
	}
	if (r < 0)
		say(file, ": not written: ", strerror(e));
	errno = e;
	return r;
}

static int write(const char *file, const struct checkpoint *before,
                 int64_t (*offset)(const struct partition *p))
{
	return write_by(checkpoint_write, file, before, offset);
}

/* An old high watermark loses nothing: it is found again from the logs of the ISR. A sync of the
 * file, here in the loop, would be the longest that any producer waits. */
static void write_high_watermarks(void *arg)
{
	reserve_refill();
	if (moved)
		moved = write_by(checkpoint_write_soon, CHECKPOINT_HIGH_WATERMARK,
		                 &node.high_watermarks, high_watermark) < 0;
	port_timer_set(node.loop, &high_watermarks, port_now_ms() + HIGH_WATERMARK_MS);
}

static int write_log_starts(void)
{
	return write(CHECKPOINT_LOG_START, &node.log_starts, log_start_offset);
}

/* A recovery point behind the end of a log that was cut would vouch for what is written there
 * from now on. */
void checkpoints_lower(void)
{
	size_t at = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));) {
		if (!p->log
		    || recovery_point(p) >= checkpoint_get(&node.recovery_points, p->name, 0))
			continue;
		while (write(CHECKPOINT_RECOVERY_POINT, &node.recovery_points, recovery_point) < 0)
			if (!make_room())
				strerr_diefusys(111, "write log/" CHECKPOINT_RECOVERY_POINT);
		return;
	}
}

/* Under odradek.flush=os nothing else syncs what was written. */
static void want_recovery_points(void *arg)
{
	points_wanted = moved_since_recovery_points;
	moved_since_recovery_points = false;
	if (points_wanted && node.flush_os)
		flush_everything();
	port_timer_set(node.loop, &recovery_points, port_now_ms() + RECOVERY_POINT_MS);
}

static void write_recovery_points(void)
{
	points_wanted = false;
	int r = write(CHECKPOINT_RECOVERY_POINT, &node.recovery_points, recovery_point);
	if ((r | write_log_starts()) < 0)
		moved_since_recovery_points = true;
}

static void expire(void *arg)
{
	size_t at = 0;
	int64_t now = wall_ms();
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		if (p->log)
			log_expire_producers(p->log, now);
	port_timer_set(node.loop, &expiry, port_now_ms() + EXPIRE_MS);
}

void checkpoints_start(void)
{
	int64_t now = port_now_ms();
	high_watermarks.fn = write_high_watermarks;
	recovery_points.fn = want_recovery_points;
	expiry.fn = expire;
	if (port_timer_set(node.loop, &high_watermarks, now + HIGH_WATERMARK_MS) < 0
	    || port_timer_set(node.loop, &recovery_points, now + RECOVERY_POINT_MS) < 0
	    || port_timer_set(node.loop, &expiry, now + EXPIRE_MS) < 0)
		strerr_diefusys(111, "set timers");
}

/* A deletion is answered after its log start is on disk. */
void checkpoints_turn(void)
{
	static int64_t pause_until;
	if (points_wanted && !(node.flush_os && flush_busy()))
		write_recovery_points();
	if (!node.log_starts_changed || port_now_ms() < pause_until)
		return;
	node.log_starts_changed = write_log_starts() < 0;
	if (node.log_starts_changed)
		pause_until = port_now_ms() + PAUSE_MS;
}

int checkpoints_write_all(void)
{
	int r = write(CHECKPOINT_RECOVERY_POINT, &node.recovery_points, recovery_point);
	r |= write(CHECKPOINT_HIGH_WATERMARK, &node.high_watermarks, high_watermark);
	return r | write_log_starts();
}
