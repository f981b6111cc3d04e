/* A growing byte buffer that is reused: cleared, never shrunk on the hot path. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *p;  /* owned; NULL until first growth */
	size_t n;    /* bytes in use */
	size_t cap;
};

int buf_need(struct buf *b, size_t more);  /* room for more bytes after n; -1 ENOMEM, b unchanged */
int buf_add(struct buf *b, const void *p, size_t n);    /* append a copy; -1 ENOMEM */
int buf_add8(struct buf *b, uint8_t v);
int buf_add16(struct buf *b, uint16_t v);
int buf_add32(struct buf *b, uint32_t v);
int buf_add64(struct buf *b, uint64_t v);
int buf_addz(struct buf *b, const char *z);             /* append the bytes of z without its NUL */
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_take(struct buf *b, size_t n);                 /* drop the first n bytes */
void buf_free(struct buf *b);                           /* b is empty and usable again */
#endif
