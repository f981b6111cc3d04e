/* The table that lib/wire/gen/errors.awk makes; inside lib/wire only. */
#ifndef WIRE_ERROR_H
#define WIRE_ERROR_H
#include <stdbool.h>

struct wire_error {
	int code;
	bool retriable;
	const char *name, *text;
};
extern const struct wire_error wire_errors[];
extern const int wire_errors_n;
#endif
