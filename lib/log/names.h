/* The names of files in a partition directory: 20 digits of an offset, then a suffix. */
#ifndef LOG_NAMES_H
#define LOG_NAMES_H
#include <stdint.h>

struct log_entry {
	int64_t base;
	char suffix[32];            /* ".log", ".index.deleted" ... */
};
int log_name_parse(const char *z, struct log_entry *e);   /* -1 when it is no such name */
/* All such files of DIRFD/NAME, by base and suffix. The caller frees *v. -1 with errno. */
int log_list(int dirfd, const char *name, struct log_entry **v, int *n);
#endif
