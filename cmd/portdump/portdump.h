/* portdump's parts: printing messages, and standing between two programs. */
#ifndef PORTDUMP_H
#define PORTDUMP_H
#include "port/message.h"

/* One line on stdout. connection 0: there is only one; way: '>' from the caller, '<' to it. */
void dump(const struct port_message *m, unsigned connection, char way);
/* Until a signal; the name is given back at the end. */
void relay(const char *path);
#endif
