/* What logappend and its flusher say to each other: one packet a ticket, one packet an answer. */
#ifndef LOGSYNC_H
#define LOGSYNC_H
#include <stdint.h>

enum { LOGSYNC_FDS = 16 };      /* more dirty files than this are one syncfs */

struct logsync_ticket {         /* with n descriptors beside it; n == 0: everything */
	uint64_t ticket;
	uint32_t n;
	uint32_t reserved;
};
struct logsync_answer {         /* what was written before the ticket is on disk, or errno */
	uint64_t ticket;
	int32_t error;
	uint32_t reserved;
};
#endif
