/* Times as people write them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "group.h"

int64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t time_ms(const char *z)
{
	struct tm t = {0};
	int64_t v;
	if (cli_int(z, 0, INT64_MAX, &v))
		return v;
	const char *p = strptime(z, "%Y-%m-%dT%H:%M:%S", &t);
	int ms = 0, digits = 0;
	if (p && *p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++)
			if (digits++ < 3)
				ms = ms * 10 + *p - '0';
	if (!p || strcmp(p, "Z") != 0)
		return -1;
	for (; digits < 3; digits++)
		ms *= 10;
	return (int64_t)timegm(&t) * 1000 + ms;
}
