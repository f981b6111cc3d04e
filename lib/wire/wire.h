/* Kafka's messages as C structs, driven by tables that lib/wire/gen makes from the *.api text.
 *
 * For every message of every .api file the generator emits (build/gen/wire/api.h, api.c):
 *     struct produce_request { ... };                     fields in snake_case of Kafka's own names
 *     extern const struct wire_type wire_produce_request;
 * Nested structs are named MESSAGE_STRUCT: produce_request_topic_produce_data. Fields map to C as
 *     bool int8..int64 uint16 uint32 float64    bool, int8_t .. int64_t, uint16_t, uint32_t, double
 *     string bytes records                      struct span, n == -1 is null
 *     uuid                                      struct uuid
 *     []T                                       T *f; int32_t f_n   (f_n == -1 is null)
 *     struct, never null / nullable             struct X f  /  struct X *f
 * Every struct of a message that has flexible versions ends in `struct wire_tags tags`: unknown
 * tagged fields, kept.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"

struct wire_tags {
	const char *p;  /* the unknown tagged fields as they came: tag, size, bytes ...; borrowed */
	int32_t size;   /* bytes at p */
	int32_t n;      /* how many fields */
};

/* Tagged fields of our own: never on TCP, numbers never reused. */
enum wire_tag {
	/* int32 in a partition of Produce, between programs of a node: the leader epoch that a
	 * coordinator has loaded the partition under; in any other the write is refused. */
	WIRE_TAG_LEADER_EPOCH = 10000,
};
/* The value of an unknown tagged field, borrowed; null when it is not there or makes no sense. */
struct span wire_tag_value(const struct wire_tags *t, uint32_t tag);

struct wire_type;   /* a message or nested struct: its fields, their versions, places and kinds */

const char *wire_type_name(const struct wire_type *t);      /* Kafka's name: "ProduceRequest" */
size_t wire_type_size(const struct wire_type *t);           /* sizeof the C struct */
int wire_type_min(const struct wire_type *t);               /* versions of the message */
int wire_type_max(const struct wire_type *t);
const struct wire_type *wire_message(const char *name);     /* NULL: no message has this name */

/* Sets every field to its default (Kafka's "default", else 0, "", empty; null where that is the
 * default; records null, a nullable struct null). Nested structs have descriptors too, by the same
 * naming rule: wire_init(&wire_fetch_response_partition_data, p). */
void wire_init(const struct wire_type *t, void *out);

/* Reads one message of this version from p. Strings, bytes and records borrow p; arrays and
 * nullable structs are taken from a. Fields that this version lacks get their defaults. Returns the
 * bytes consumed, or -1: EBADMSG (cut short, a bad length or count, null where none may be, a bad
 * varint, a known tagged field that does not fill its size or that this version lacks; UTF-8 is not
 * checked), ENOMEM (a's limit), EINVAL (no such version). A tagged field that comes twice counts as
 * it came last, and any negative length is null, both as in Kafka. An array is never allocated for
 * more members than the remaining bytes can hold. */
int64_t wire_decode(const struct wire_type *t, int version, const void *p, size_t n,
                    struct arena *a, void *out);

/* Where an encoded message has bytes that are not in memory: a `records` field whose span is
 * {p: NULL, n > 0}. */
struct wire_gap {
	size_t at;      /* the gap's place: offset in the buffer */
	int32_t n;      /* bytes that belong there */
};
struct wire_gaps {
	struct wire_gap *v;  /* owned */
	size_t n, cap;
};

/* Appends the message to b. -1: ENOMEM, EINVAL (no such version; null in a field that this version
 * cannot have null; a field set to something else than its default that this version lacks and
 * Kafka does not mark ignorable; a string above 32767 bytes; unknown tagged fields out of order): b
 * may then have grown. gaps may be NULL when no records field has p == NULL and n > 0; each such
 * field adds one gap, in order, and its length counts in no buffer. */
int wire_encode(const struct wire_type *t, int version, const void *in, struct buf *b,
                struct wire_gaps *gaps);

/* Appends the message as JSON on one line, without a newline: field names as in Kafka's JSON form
 * (lowerCamelCase), bytes as base64, records as recordsSizeInBytes, tagged fields only when they
 * differ from their default, U+FFFD for what is not UTF-8. -1: ENOMEM, EINVAL. */
int wire_json(const struct wire_type *t, int version, const void *in, struct buf *b);

/* --- records of the metadata log --- */

const struct wire_type *wire_record(int type);  /* NULL: no such record type */
int wire_record_max(int type);                  /* highest version (lowest is 0); -1: none */

/* --- the API table: lib/wire/table.api, one row an API --- */

/* WIRE_LOCAL: UNIX sockets of this node */
enum wire_listener { WIRE_BROKER, WIRE_CONTROLLER, WIRE_LOCAL, WIRE_LISTENERS };

struct wire_api {
	int16_t key;
	const char *name;                     /* "Produce" */
	int16_t min, max;                     /* versions parsed and answered */
	int16_t advertised_min;               /* in ApiVersions (Produce 0, parsed from 3) */
	int16_t advertised_max;               /* -1: never on the broker listener */
	int16_t flexible;                     /* first flexible version; 32767 never */
	const char *owner[WIRE_LISTENERS];    /* who answers it there; NULL: close the connection */
	const char *authorise;                /* for people, "WRITE Topic"; NULL: nothing */
	bool resend;                          /* may be sent again to an owner that died */
	const struct wire_type *request, *response;
};

extern const struct wire_api wire_apis[];
extern const size_t wire_apis_n;
const struct wire_api *wire_api(int key);                    /* NULL when unknown */
bool wire_api_serves(const struct wire_api *a, int version); /* min <= version <= max */

/* --- headers --- */

struct wire_request {          /* a request frame's header, and where its body begins */
	int16_t key, version;
	int32_t correlation_id;
	struct span client_id;     /* borrowed; null allowed */
	const struct wire_api *api;
	const char *body;          /* after the header's tagged fields */
	size_t body_n;
};

/* Parses the header of a frame (without its length prefix). 0; -1 EBADMSG; -1 EPROTONOSUPPORT when
 * the key or version is not served: key, version and correlation_id are then valid, client_id is
 * null and not read (KIP-511 needs no more), and api is NULL when the key is unknown. */
int wire_request_parse(struct wire_request *r, const void *frame, size_t n);
/* Appends a request's header: v1, or v2 for flexible versions. -1: ENOMEM, EINVAL (key unknown). */
int wire_request_header(struct buf *b, int key, int version, int32_t correlation_id,
                        struct span client_id);
/* Appends a response's header: correlation id, and an empty tag section from the first flexible
 * version on, but never for ApiVersions. -1: ENOMEM, EINVAL (key unknown). */
int wire_response_header(struct buf *b, int key, int version, int32_t correlation_id);
/* Bytes of the response header of a frame just read, or -1: EBADMSG, EINVAL (unknown key). */
int wire_response_parse(int key, int version, const void *frame, size_t n, int32_t *correlation_id);

/* Fetch: is a replica asking? A bounded skip over the body, no allocation. 1 replica id >= 0,
 * 0 consumer, -1 EBADMSG. */
int wire_fetch_is_replica(const struct wire_request *r);

/* --- errors --- */

const char *wire_error_name(int code);         /* UNKNOWN_SERVER_ERROR for an unknown code */
const char *wire_error_text(int code);         /* Kafka's default message */
bool wire_error_retriable(int code);
/* Has any errorCode of this message, nested ones included, that value? */
bool wire_has_error(const struct wire_type *t, const void *in, int16_t code);
#endif
