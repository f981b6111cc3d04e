/* .kafka_cleanshutdown of a log directory: it was closed in order, nothing needs recovery (Kafka's
 * CleanShutdownFileHandler). Text: {"version":0,"brokerEpoch":N} */
#ifndef LOG_CLEANSHUTDOWN_H
#define LOG_CLEANSHUTDOWN_H
#include <stddef.h>
#include <stdint.h>

#define CLEANSHUTDOWN_FILE ".kafka_cleanshutdown"
/* 1 it is there, 0 it is not, -1 with errno. *broker_epoch: -1 when the text does not say it (older
 * Kafka wrote an empty file). */
int cleanshutdown_read(int dirfd, int64_t *broker_epoch);
void cleanshutdown_parse(const char *p, size_t n, int64_t *broker_epoch);
int cleanshutdown_write(int dirfd, int64_t broker_epoch);  /* atomically and durably */
int cleanshutdown_remove(int dirfd);                       /* durably; 0 when there was none */
#endif
