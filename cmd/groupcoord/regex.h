/* Regular expressions as RE2 understands them, which is what Kafka's re2j understands: no
 * expression takes more than linear time. The one file in C++ is behind this. */
#ifndef GROUPCOORD_REGEX_H
#define GROUPCOORD_REGEX_H
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
struct regex;

/* NULL: not an expression, or one that would need too much memory; why says so in words, cut to
 * its size. Freed with regex_free. */
struct regex *regex_new(const char *text, size_t n, char *why, size_t why_size);
bool regex_matches(const struct regex *r, const char *text, size_t n);  /* the whole text */
void regex_free(struct regex *r);
#ifdef __cplusplus
}
#endif
#endif
