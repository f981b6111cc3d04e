/* Topic names (Kafka's Topic.java) and the operations that a resource has
 * (AclEntry.supportedOperations). */
#include "metaserve.h"

#include <string.h>

bool topic_name_ok(struct span name, const char **why)
{
	*why = 0;
	if (name.n <= 0)
		*why = "the empty string is not allowed";
	else if (span_is(name, ".") || span_is(name, ".."))
		*why = "'.' or '..' is not allowed";
	else if (name.n > 249)
		*why = "the length must not be longer than 249 characters";
	for (int i = 0; !*why && i < name.n; i++) {
		char c = name.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
		    c != '_' && c != '-')
			*why = "only ASCII letters and digits, '.', '_' and '-' are allowed";
	}
	return !*why;
}

bool topic_is_internal(struct span name)
{
	return span_is(name, "__consumer_offsets") || span_is(name, "__transaction_state") ||
	       span_is(name, "__share_group_state");
}

/* Bits are codes of AclOperation. Nothing is forbidden as long as there are no ACLs. */
enum {
	READ = 1 << 3,
	WRITE = 1 << 4,
	CREATE = 1 << 5,
	DELETE = 1 << 6,
	ALTER = 1 << 7,
	DESCRIBE = 1 << 8,
	CLUSTER_ACTION = 1 << 9,
	DESCRIBE_CONFIGS = 1 << 10,
	ALTER_CONFIGS = 1 << 11,
	IDEMPOTENT_WRITE = 1 << 12,
};

int32_t topic_operations(void)
{
	return READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
}

int32_t cluster_operations(void)
{
	return CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS |
	       IDEMPOTENT_WRITE;
}
