/* .txnindex: one entry an aborted transaction (Kafka's TransactionIndex, AbortedTxn.json).
 *   i16 version 0 | i64 producer id | i64 first offset | i64 last offset: the marker's | i64 last
 *   stable offset then = 34 bytes
 */
#include "log/txnindex.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/internal.h"

static int own_fd(struct log *l, int flags)
{
	struct stat st;
	char path[LOG_PATH];
	if (l->txn_fd >= 0)
		return l->txn_fd;
	log_path(l, log_active(l)->base, ".txnindex", path);
	int fd = openat(l->dirfd, path, O_RDWR | O_CLOEXEC | flags, 0666);
	if (fd < 0)
		return errno == ENOENT ? -1 : log_fail(l, path, -1, "open");
	if (fstat(fd, &st) < 0) {
		log_fail(l, path, -1, "fstat");
		close(fd);
		return -1;
	}
	l->txn_fd = fd;
	l->txn_bytes = st.st_size / TXNINDEX_ENTRY * TXNINDEX_ENTRY;
	return fd;
}

int txnindex_append(struct log *l, const struct completed_txn *t, int64_t stable)
{
	uint8_t e[TXNINDEX_ENTRY];
	char path[LOG_PATH];
	if (own_fd(l, O_CREAT) < 0)
		return -1;
	put16(e, 0);
	put64(e + 2, (uint64_t)t->producer_id);
	put64(e + 10, (uint64_t)t->first);
	put64(e + 18, (uint64_t)t->last);
	put64(e + 26, (uint64_t)stable);
	if (log_write_all(l->txn_fd, e, sizeof e, l->txn_bytes) < 0) {
		log_fail(l, log_path(l, log_active(l)->base, ".txnindex", path), l->txn_bytes, "write");
		int saved = errno;
		if (ftruncate(l->txn_fd, l->txn_bytes) < 0)
			l->broken = true;
		errno = saved;
		return -1;
	}
	if (!l->txn_bytes)
		log_note_dir(l);
	l->txn_bytes += TXNINDEX_ENTRY;
	return 0;
}

int txnindex_parse(struct txnindex_entry *t, const uint8_t *e)
{
	if (get16(e) != 0) {
		errno = EBADMSG;
		return -1;
	}
	*t = (struct txnindex_entry){(int64_t)get64(e + 2), (int64_t)get64(e + 10), (int64_t)get64(e + 18),
	                             (int64_t)get64(e + 26)};
	return 0;
}

int txnindex_check(const struct txnindex_entry *t, int64_t *least)
{
	if (t->producer_id < 0 || t->first < 0 || t->first > t->last || t->last < *least
		|| t->stable < 0) {
		errno = EBADMSG;
		return -1;
	}
	*least = t->last + 1;
	return 0;
}

int txnindex_cut(struct log *l, int64_t offset)
{
	char path[LOG_PATH];
	uint8_t e[TXNINDEX_ENTRY];
	struct txnindex_entry t;
	errno = 0;
	if (own_fd(l, 0) < 0)
		return errno == ENOENT ? 0 : -1;
	int64_t keep = 0;
	for (; keep < l->txn_bytes; keep += TXNINDEX_ENTRY)
		if (pread(l->txn_fd, e, sizeof e, keep) != sizeof e || txnindex_parse(&t, e) < 0
			|| t.last >= offset)
			break;
	if (keep == l->txn_bytes)
		return 0;
	if (ftruncate(l->txn_fd, keep) < 0)
		return log_fail(l, log_path(l, log_active(l)->base, ".txnindex", path), keep, "truncate");
	l->txn_bytes = keep;
	return 0;
}
