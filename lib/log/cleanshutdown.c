#include "log/cleanshutdown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/syncfile.h"

enum { LARGEST = 4096 };

void cleanshutdown_parse(const char *p, size_t n, int64_t *broker_epoch)
{
	static const char key[] = "\"brokerEpoch\"";
	char text[LARGEST + 1], *end;
	*broker_epoch = -1;
	if (n > LARGEST)
		return;
	memcpy(text, p, n);
	text[n] = 0;
	char *at = strstr(text, key);
	if (!at)
		return;
	at += sizeof key - 1;
	at += strspn(at, " \t\r\n");
	if (*at != ':')
		return;
	long long v = strtoll(at + 1, &end, 10);
	if (end > at + 1 && v >= 0)
		*broker_epoch = v;
}

int cleanshutdown_read(int dirfd, int64_t *broker_epoch)
{
	char *p;
	size_t n;
	*broker_epoch = -1;
	if (atomicfile_read(dirfd, CLEANSHUTDOWN_FILE, LARGEST, &p, &n) < 0)
		return errno == ENOENT ? 0 : errno == EFBIG ? 1 : -1;
	cleanshutdown_parse(p, n, broker_epoch);
	free(p);
	return 1;
}

int cleanshutdown_write(int dirfd, int64_t broker_epoch)
{
	char text[64];
	int n = snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%lld}",
		(long long)broker_epoch);
	return atomicfile_write(dirfd, CLEANSHUTDOWN_FILE, text, (size_t)n);
}

int cleanshutdown_remove(int dirfd)
{
	if (unlinkat(dirfd, CLEANSHUTDOWN_FILE, 0) < 0)
		return errno == ENOENT ? 0 : -1;
	return syncfile(dirfd);
}
