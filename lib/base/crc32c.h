/* CRC-32C (Castagnoli), as in record batches and producer snapshots. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
#include <stddef.h>
#include <stdint.h>

/* crc is 0 at first, then the last result */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
#endif
