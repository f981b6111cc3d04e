/* What the files of logappend share. */
#ifndef LOGAPPEND_LOGAPPEND_H
#define LOGAPPEND_LOGAPPEND_H
#include <stdbool.h>

#include "log/log.h"

struct standalone {             /* logappend -d DIR: a log without any broker */
	const char *dir;
	bool follow;            /* -f: record batches on standard input, offsets kept */
	const char *separator;  /* -k: between key and value; NULL: no keys */
	char end;               /* of a record: a newline or, with -0, NUL */
	bool verbose;
	struct log_config config;
};
int standalone(const struct standalone *o);   /* the exit code */
#endif
