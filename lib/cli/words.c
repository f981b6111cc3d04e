/* Words that all commands share. */
#include "cli/words.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/wire.h"

const char *cli_brokers(const char *given)
{
	const char *env = getenv("ODRADEK_BROKERS");
	return given ? given : env && *env ? env : "127.0.0.1:9092";
}

const char *cli_kafka_words(struct buf *b, const char *what, int code, struct span message)
{
	b->n = 0;
	int r = buf_addf(b, "%s: %s: ", what, wire_error_name(code));
	r |= message.n > 0 ? buf_add(b, message.p, (size_t)message.n) :
			     buf_addz(b, wire_error_text(code));
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] == '\n')
			b->p[i] = ' ';
	r |= buf_add8(b, 0);
	return r < 0 ? what : (const char *)b->p;
}

bool cli_int(const char *z, int64_t least, int64_t most, int64_t *v)
{
	char *end;
	errno = 0;
	long long x = strtoll(z, &end, 10);
	if (!*z || *end || errno || *z == ' ' || *z == '+' || x < least || x > most)
		return false;
	*v = x;
	return true;
}
