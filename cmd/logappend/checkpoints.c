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
	return log_start_told(p->log) ? -1 : log_start(p->log);
}

/* What an offline partition had is kept: its files may come back. */
static int lines(struct checkpoint_lines *c, const struct checkpoint *before,
                 int64_t (*offset)(const struct partition *p))
{
	size_t at = 0;
	int r = 0;
	for (struct partition *p; r == 0 && (p = map_next(&node.partitions, &at));) {
		int64_t v = p->log ? offset(p) : checkpoint_get(before, p->name, -1);
		if (v >= 0)
			r = checkpoint_line(c, p->name, v);
	}
	return r;
}

static int written(int r, const char *file)
{
	int e = errno;
	if (r < 0 && e == EIO)
		die_sync(file);
	if (r < 0)
		say(file, ": not written: ", strerror(e));
	errno = e;
	return r;
}

static int write(bool durable, const char *file, const struct checkpoint *before,
                 int64_t (*offset)(const struct partition *p))
{
	struct checkpoint_lines c = {0};
	int r = lines(&c, before, offset);
	if (r == 0)
		r = checkpoint_lines_write(&c, node.dirfd, file, durable);
	else
		buf_free(&c.text);
	return written(r, file);
}

/* A sync of a file, here in the loop, would be the longest that any producer waits, so what is
 * written now and then is on disk when the kernel likes. An old high watermark loses nothing: it is
 * found again from the logs of the ISR. Nor does an old recovery point, or none: recovery reads
 * more. */
static int write_high_watermark(bool durable)
{
	return write(durable, CHECKPOINT_HIGH_WATERMARK, &node.high_watermarks, high_watermark);
}

static int write_points(bool durable)
{
	return write(durable, CHECKPOINT_RECOVERY_POINT, &node.recovery_points, recovery_point);
}

/* node.log_starts is what the file says. */
static bool log_starts_known(void)
{
	size_t at = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));) {
		int64_t v = p->log ? log_start_offset(p) : -1;
		if (v >= 0 && v != checkpoint_get(&node.log_starts, p->name, -1))
			return false;
	}
	return true;
}

static int note_log_starts(void)
{
	struct checkpoint c = {0};
	size_t at = 0;
	int r = 0;
	for (struct partition *p; r == 0 && (p = map_next(&node.partitions, &at));) {
		int64_t v = p->log ? log_start_offset(p) :
		            checkpoint_get(&node.log_starts, p->name, -1);
		if (v >= 0)
			r = checkpoint_set(&c, p->name, v);
	}
	checkpoint_free(&node.log_starts);
	node.log_starts = c;
	return r;
}

/* What was promised stays on disk: the file is replaced durably, or left as it is. */
static int write_log_starts(void)
{
	if (log_starts_known())
		return 0;
	int r = write(true, CHECKPOINT_LOG_START, &node.log_starts, log_start_offset);
	return r < 0 ? r : note_log_starts();
}

static void write_high_watermarks(void *arg)
{
	reserve_refill();
	if (moved)
		moved = write_high_watermark(false) < 0;
	port_timer_set(node.loop, &high_watermarks, port_now_ms() + HIGH_WATERMARK_MS);
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
		while (write_points(true) < 0)
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
	if ((write_points(false) | write_log_starts()) < 0)
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

/* A deletion is answered after its log start is on disk; its files go then, not before. */
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
	else
		retention_turn();
}

int checkpoints_cut(void)
{
	return write_points(true);
}

int checkpoints_write_all(void)
{
	return write_points(true) | write_high_watermark(true) | write_log_starts();
}
