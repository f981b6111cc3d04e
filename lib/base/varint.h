/* Protobuf-style base-128 integers: unsigned as in Kafka's flexible versions, zigzag as in
 * records. */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10
/* Each get_* returns the bytes read, or -1 when cut short, longer than the type allows, or out of
 * its range. */
int varint_getu32(const void *p, size_t n, uint32_t *v);
int varint_getu64(const void *p, size_t n, uint64_t *v);
int varint_get32(const void *p, size_t n, int32_t *v);
int varint_get64(const void *p, size_t n, int64_t *v);
/* Each put_* writes at most VARINT_MAX bytes and returns how many. */
int varint_putu64(void *p, uint64_t v);
int varint_put64(void *p, int64_t v);
int varint_sizeu64(uint64_t v);
int varint_size64(int64_t v);
#endif
