/* Programs of ours that stand beside this one. */
#ifndef CLI_SIBLING_H
#define CLI_SIBLING_H
#include <stddef.h>

/* The path of program NAME in the directory of this program, else NAME itself, to be sought in
 * PATH. Returns out. */
const char *cli_sibling(const char *name, char *out, size_t size);
/* Starts it with a stream socket as its descriptors 0 and 1; it ends when the returned descriptor
 * is closed. -1 with errno. */
int cli_coprocess(const char *name);
#endif
