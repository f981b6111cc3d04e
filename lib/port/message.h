/* The port's messages: how two daemons of a node speak, over a stream UNIX socket run/NAME.
 *
 * A message is a fixed head and a body that its type fixes; integers big-endian:
 *
 *     u32 length of what follows | u8 type | u8 flags | u16 shard | u32 tag | body
 *
 *     Thello  u16 version, str8 name          [flag FD: the reader's sleep bitmap; flag ARENA: the
 *             arena in which its bodies lie]
 *     Rhello  u16 version, u64 generation                  [flag FD: the page, from its owner]
 *     Tcall   u8 listener, str8 principal, str8 host, u64 deadline_ms (CLOCK_MONOTONIC, 0 none),
 *             request: a Kafka request frame without its length, to the end of the message;
 *             flag ARENA: u32 offset, u32 length of the request in the caller's arena
 *     Rcall   u8 kind (0 bytes, 1 none, 2 close), u32 mute_ms, u16 pieces, pieces...
 *             piece: u8 0, u32 n, n bytes   or   u8 1 (or 2: a descriptor comes with it), u32 slot,
 *             u64 base, u32 generation, u64 offset, u32 n. Together the pieces are a Kafka
 *             response frame without its length
 *     Rtaken  u16 n, n x u32 tag          the bodies in the arena of these calls are no longer
 *             needed; the answer to a call says the same of its own
 *     Tflush                              the caller lost interest in `tag`: no answer is wanted
 *     Twake   u16 n, n x u32 slot         published slots changed
 *     Tforget u32 slot, u64 base, u32 generation      that segment's descriptor: from an owner,
 *             close it; from a caller, it is closed, hand it over again with its next use
 *     Tdrop   u32 slot, u64 offset                               Rdrop   u16 error
 *     Tswap   u32 slot, u32 generation, u16 n, n x u64 base      Rswap   u16 error
 *     Tcopy   u16 version, u16 n, n x (i32 leader epoch, i64 offset), the body of a leader's answer
 *             to a Fetch of that version, as it came, to the end; flag ARENA: u32 offset, u32
 *             length of it. The n are what was asked of each partition in the answer, in its order
 *     Tbounds u32 slot, i32 leader epoch, i64 offset, i64 start, i64 end     what a leader has of a
 *             partition of which it has nothing at the offset
 *     Rcopy   u16 n, n x u16 error        of each partition; answers Tbounds too
 *
 * str8 is u8 length and bytes. Numbers are never reused. Descriptors travel as SCM_RIGHTS beside
 * the bytes of a message that says it has one (a flag, or piece kind 2), in order. A call is
 * answered once with the same tag; the caller picks tags, takes none again before all others were
 * used, and may have many calls open.
 */
#ifndef PORT_MESSAGE_H
#define PORT_MESSAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum port_type {
	PORT_THELLO = 1, PORT_RHELLO = 2, PORT_TCALL = 3, PORT_RCALL = 4, PORT_RTAKEN = 5,
	PORT_TFLUSH = 6, PORT_TWAKE = 7, PORT_TFORGET = 8, PORT_TDROP = 9, PORT_RDROP = 10,
	PORT_TSWAP = 11, PORT_RSWAP = 12, PORT_TCOPY = 13, PORT_RCOPY = 14, PORT_TBOUNDS = 15,
};
enum {
	PORT_HEAD = 12, PORT_VERSION = 1, PORT_FLAG_FD = 1, PORT_FLAG_ARENA = 2,
	PORT_MESSAGE_MAX = 101 << 20, PORT_PIECES_MAX = 4096,
};
enum port_kind { PORT_BYTES, PORT_NONE, PORT_CLOSE };

struct port_piece {
	struct span bytes;      /* p != NULL: these bytes; else a range of a file: */
	uint32_t slot, generation;
	uint64_t base, offset;
	uint32_t n;             /* bytes of the range */
	int fd;                 /* sending: handed over with the range, or -1; receiving: came with it
	                         * (taken), or -1. 0 is a descriptor: set it */
};

struct port_message {
	enum port_type type;
	uint16_t shard;
	uint32_t tag;
	int fd;                           /* Thello, Rhello: as in a piece */
	bool arena;                       /* Thello: fd is the arena; Tcall, Tcopy: the body lies there */
	uint16_t version;                 /* Thello, Rhello; Tcopy: of the Fetch */
	uint64_t generation;              /* Rhello; Tforget, Tswap (low 32 bits) */
	struct span name;                 /* Thello */
	uint8_t listener;                 /* Tcall: enum wire_listener */
	struct span principal, host;      /* Tcall */
	uint64_t deadline_ms;             /* Tcall */
	struct span body;                 /* Tcall: the request frame, Tcopy: the answer, inline, */
	uint32_t arena_at, arena_n;       /* or in the arena: its offset and length, as claimed */
	enum port_kind kind;              /* Rcall */
	uint32_t mute_ms;                 /* Rcall: the gate reads nothing from that client so long */
	struct port_piece *pieces;        /* Rcall; receiving: in storage of the connection, valid
	                                   * until the next message */
	uint16_t pieces_n;
	const uint8_t *list;              /* Rtaken, Twake: n x u32; Tswap: n x u64; Tcopy: n x i32,
	                                   * i64; Rcopy: n x u16; big-endian */
	uint16_t list_n;
	uint32_t slot;                    /* Tforget, Tdrop, Tswap, Tbounds */
	uint64_t base, offset;            /* Tforget; Tdrop, Tbounds */
	int32_t epoch;                    /* Tbounds */
	int64_t start, end;               /* Tbounds */
	uint16_t error;                   /* Rdrop, Rswap */
};

/* Appends m without its descriptors. -1 ENOMEM, EMSGSIZE. */
int port_pack(struct buf *b, const struct port_message *m);
/* Parses one whole message (p begins at the length field). pieces: room for PORT_PIECES_MAX. fds
 * are not touched: piece.fd and m->fd become -2 where a descriptor is to come, else -1.
 * -1 EBADMSG. */
int port_unpack(struct port_message *m, const void *p, size_t n, struct port_piece *pieces);
/* One line of text for portdump: type, tag, and what a person wants to see. */
int port_print(const struct port_message *m, struct buf *b);
#endif
