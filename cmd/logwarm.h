/* What logserve and its reader of cold files say to each other: a packet a ticket with the file's
 * descriptor beside it, a packet an answer, in the order of the tickets. */
#ifndef LOGWARM_H
#define LOGWARM_H
#include <stdint.h>

struct logwarm_ticket {
	int64_t at, n;          /* bytes that are wanted in memory */
};
struct logwarm_answer {
	int32_t error;          /* of the read, or 0: then it makes no sense to wait for more */
};
#endif
