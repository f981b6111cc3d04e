#include "log/partmeta.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int partmeta_parse(struct uuid *topic_id, const char *p, size_t n)
{
	static const char head[] = "version: 0\ntopic_id: ";
	size_t h = sizeof head - 1;
	if (n < h || memcmp(p, head, h)) {
		errno = EBADMSG;
		return -1;
	}
	const char *nl = memchr(p + h, '\n', n - h);
	struct span id = {p + h, (int32_t)(nl ? nl - p - (ptrdiff_t)h : (ptrdiff_t)(n - h))};
	if (uuid_parse(topic_id, id) < 0) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

size_t partmeta_format(const struct uuid *topic_id, char out[PARTMETA_TEXT])
{
	char text[UUID_TEXT];
	return (size_t)snprintf(out, PARTMETA_TEXT, "version: 0\ntopic_id: %s", uuid_text(topic_id, text));
}
