/* Words that all commands share. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H
#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

const char *
cli_brokers(const char *given); /* given unless NULL, else $ODRADEK_BROKERS, else 127.0.0.1:9092 */
/* "WHAT: NOT_ENOUGH_REPLICAS: text" with a NUL, in b, replacing what was there; Kafka's default
 * text where message is empty. */
const char *cli_kafka_words(struct buf *b, const char *what, int code, struct span message);
bool cli_int(const char *z, int64_t least, int64_t most,
	     int64_t *v); /* the whole of z is a decimal number in the range */
#endif
