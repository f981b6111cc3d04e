/* Is a value legal for a config? (ConfigDef.parseType and its validators; the words of errors are
 * Kafka's.) */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "meta/config.h"

enum { INVALID_CONFIG = 40 };

struct check {
	const struct meta_config_def *d;
	const char *value;
	char *why;
	int why_n;
};

static int bad_part(const struct check *c, const char *p, size_t n, const char *why)
{
	snprintf(c->why, (size_t)c->why_n, "Invalid value %.*s for configuration %s: %s", (int)n, p,
		 c->d->name, why);
	return INVALID_CONFIG;
}

static int bad(const struct check *c, const char *why)
{
	return bad_part(c, c->value, strlen(c->value), why);
}

static const char *type_name(enum meta_config_type t)
{
	static const char *const names[] = { "",     "BOOLEAN", "STRING", "INT",   "SHORT",
					     "LONG", "DOUBLE",	"LIST",	  "CLASS", "PASSWORD" };

	return names[t];
}

/* A rule "A..", "A..B" or "A..B|C" for the number v. */
static int check_range(const struct check *c, double v)
{
	const char *to = strstr(c->d->rule, "..");
	const char * or = strchr(c->d->rule, '|');
	char why[96];

	if (!to || (or &&v == strtod(or +1, NULL)))
		return 0;
	if (or &&(v < strtod(c->d->rule, NULL) || v > strtod(to + 2, NULL))) {
		snprintf(why, sizeof why, "Value must be between %.*s and %.*s or equal to %s",
			 (int)(to - c->d->rule), c->d->rule, (int)(or -to - 2), to + 2, or +1);
		return bad(c, why);
	}
	if (v < strtod(c->d->rule, NULL)) {
		snprintf(why, sizeof why, "Value must be at least %.*s", (int)(to - c->d->rule),
			 c->d->rule);
		return bad(c, why);
	}
	if (to[2] && v > strtod(to + 2, NULL)) {
		snprintf(why, sizeof why, "Value must be no more than %s", to + 2);
		return bad(c, why);
	}
	return 0;
}

static int check_number(const struct check *c)
{
	long long max = c->d->type == META_SHORT ? INT16_MAX
			: c->d->type == META_INT ? INT32_MAX
						 : INT64_MAX;
	char why[64], *end;
	long long v;
	double x;

	snprintf(why, sizeof why, "Not a number of type %s", type_name(c->d->type));
	errno = 0;
	if (c->d->type == META_DOUBLE) {
		x = strtod(c->value, &end);
		return !*c->value || *end || strpbrk(c->value, "xXnN") ? bad(c, why)
								       : check_range(c, x);
	}
	if (!isdigit((unsigned char)c->value[0])
	    && !(strchr("+-", c->value[0]) && isdigit((unsigned char)c->value[1])))
		return bad(c, why);
	v = strtoll(c->value, &end, 10);
	if (*end || errno || v > max || v < -max - 1)
		return bad(c, why);
	return check_range(c, (double)v);
}

/* "{a b c}" with a word of n bytes: does the rule have it? */
static bool rule_has(const char *rule, const char *word, size_t n)
{
	for (const char *p = rule + 1; *p && *p != '}';) {
		size_t len = strcspn(p, " }");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
}

/* The rule's words as Kafka lists them: "a, b, c". */
static const char *rule_words(const char *rule, char *out, size_t n)
{
	size_t at = 0;

	for (const char *p = rule + 1; *p && *p != '}' && at + 3 < n; p++) {
		if (*p == ' ')
			out[at++] = ',';
		out[at++] = *p;
	}
	out[at] = 0;
	return out;
}

static int check_word(const struct check *c, const char *word, size_t n)
{
	char words[256], why[320];

	if (c->d->rule[0] != '{' || rule_has(c->d->rule, word, n))
		return 0;
	snprintf(why, sizeof why, "String must be one of: %s",
		 rule_words(c->d->rule, words, sizeof words));
	return bad_part(c, word, n, why);
}

/* PARTITION:BROKER */
static bool is_replica(const char *p, size_t n)
{
	size_t a = 0, b;

	while (a < n && isdigit((unsigned char)p[a]))
		a++;
	if (a == 0 || a == n || p[a] != ':')
		return false;
	for (b = a + 1; b < n && isdigit((unsigned char)p[b]);)
		b++;
	return b == n && b > a + 1;
}

static int check_list(const struct check *c)
{
	const char *p = c->value;
	bool replicas = strcmp(c->d->rule, "replicas") == 0;

	if (!*p || (replicas && strcmp(p, "*") == 0))
		return 0;
	for (;;) {
		size_t n = strcspn(p, ","), len = n;
		int e;

		while (len && isspace((unsigned char)p[len - 1]))
			len--;
		if (replicas && !is_replica(p, len)) {
			snprintf(c->why, (size_t)c->why_n,
				 "Invalid value [%s] for configuration %s: %s must be the "
				 "literal '*' or a list of replicas in the following format: "
				 "[partitionId]:[brokerId],"
				 "[partitionId]:[brokerId],...",
				 c->value, c->d->name, c->d->name);
			return INVALID_CONFIG;
		}
		if (!replicas && (e = check_word(c, p, len)))
			return e;
		if (!p[n])
			return 0;
		for (p += n + 1; isspace((unsigned char)*p);)
			p++;
	}
}

int meta_config_check(const struct meta_config_def *d, struct span value, char *why, int why_n)
{
	char z[32768];
	struct check c = { d, z, why, why_n };

	if (value.n < 0 || (size_t)value.n >= sizeof z || memchr(value.p, 0, (size_t)value.n)) {
		snprintf(why, (size_t)why_n,
			 value.n < 0 ? "Null value not supported for configs: %s"
				     : "The value of %s is too long.",
			 d->name);
		return INVALID_CONFIG;
	}
	while (value.n && isspace((unsigned char)value.p[0])) {
		value.p++;
		value.n--;
	}
	while (value.n && isspace((unsigned char)value.p[value.n - 1]))
		value.n--;
	span_z(value, z, sizeof z);
	switch (d->type) {
	case META_BOOLEAN:
		return strcasecmp(z, "true") == 0 || strcasecmp(z, "false") == 0
			       ? 0
			       : bad(&c, "Expected value to be either true or false");
	case META_INT:
	case META_SHORT:
	case META_LONG:
	case META_DOUBLE: return check_number(&c);
	case META_LIST: return check_list(&c);
	default: return check_word(&c, z, strlen(z));
	}
}
