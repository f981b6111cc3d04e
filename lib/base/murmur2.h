/* The hash by which Kafka's Java producer spreads keys: Utils.murmur2 of kafka-clients. */
#ifndef BASE_MURMUR2_H
#define BASE_MURMUR2_H
#include <stddef.h>
#include <stdint.h>

uint32_t murmur2(const void *key, size_t n);
/* BuiltInPartitioner.partitionForKey; partitions > 0 */
int32_t murmur2_partition(const void *key, size_t n, int32_t partitions);
#endif
