#include "step.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *step_take(struct step *s, size_t n, size_t size)
{
	void *p = NULL;
	if (!__builtin_mul_overflow(n, size, &size))
		p = arena_get(s->arena, size ? size : 1);
	if (!p)
		abort();
	return p;
}

struct span step_copy(struct step *s, struct span text)
{
	if (text.n < 0)
		return text;
	char *p = step_take(s, (size_t)text.n, 1);
	memcpy(p, text.p, (size_t)text.n);
	return (struct span){p, text.n};
}

struct span step_format(struct step *s, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	char *p = step_take(s, (size_t)n + 1, 1);
	vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	return (struct span){p, n};
}

void step_tell(struct step *s, struct span group, const char *format, ...)
{
	char line[1024];
	int n = snprintf(line, sizeof line / 2, "group %.*s: ", group.n, group.p);
	va_list args;
	if (!s->ops->tell)
		return;
	if (n >= (int)sizeof line / 2)
		n = sizeof line / 2 - 1;
	va_start(args, format);
	vsnprintf(line + n, sizeof line - (size_t)n, format, args);
	va_end(args);
	for (char *c = line; *c; c++)           /* names and reasons are clients' own */
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	s->ops->tell(s->ctx, line);
}

int64_t step_group_config(const struct step *s, struct span group, const char *name,
                          int64_t otherwise)
{
	const struct meta_configs *c = meta_configs_of(s->image, META_GROUP, group);
	const char *text = c ? meta_config_value(c, name) : NULL;
	char *end;
	if (!text || !*text)
		return otherwise;
	int64_t v = strtoll(text, &end, 10);
	return *end ? otherwise : v;
}
