/* What the files of lib/net share. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H
#include "net/net.h"

enum { NET_CONNECT_MS = 5000 }; /* one node's share of the time to connect */

struct net {
	char client[64];
	struct net_node *nodes; /* those the client began with, then those of the metadata */
	int nodes_n;
	struct net_connection **connections; /* all, dead ones too */
	int connections_n;
	struct pollfd *polls;
	unsigned seed;
	char why[NET_HOST + 256];
};

int net_fail(struct net *n, const struct net_node *v,
	     int error); /* keeps the words; -1 with that errno */
int net_open_node(struct net *n, struct net_node *v, int64_t until);
#endif
