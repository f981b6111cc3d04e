/* RE2 behind a C header, and nothing else. */
#include "regex.h"

#include <re2/re2.h>
#include <stdio.h>

struct regex {
	re2::RE2 re;
	regex(const char *text, size_t n, const re2::RE2::Options &options)
		: re(re2::StringPiece(text, n), options)
	{
	}
};

struct regex *regex_new(const char *text, size_t n, char *why, size_t why_size)
{
	re2::RE2::Options options;

	options.set_log_errors(false);
	struct regex *r = new regex(text, n, options);

	if (r->re.ok())
		return r;
	snprintf(why, why_size, "%s", r->re.error().c_str());
	delete r;
	return nullptr;
}

bool regex_matches(const struct regex *r, const char *text, size_t n)
{
	return re2::RE2::FullMatch(re2::StringPiece(text, n), r->re);
}

void regex_free(struct regex *r)
{
	delete r;
}
