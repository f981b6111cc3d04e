/* Who answers a request frame: the generated table, by listener and API key. */
#include <errno.h>

#include "gate.h"

enum { FETCH = 1, API_VERSIONS = 18 };

static struct route refuse(const char *why)
{
	return (struct route){.refusal = why};
}

static struct route to(const char *name, const struct wire_api *a)
{
	if (!name)
		return refuse("an API that this listener does not have");
	return (struct route){.owner = owner_named(name), .resend = a->resend};
}

/* A version of ApiVersions that nobody knows is answered all the same (KIP-511), by its owner. */
struct route route_frame(int listener, const void *frame, size_t n)
{
	struct wire_request r;
	if (wire_request_parse(&r, frame, n) < 0) {
		const struct wire_api *a = errno == EPROTONOSUPPORT ? wire_api(r.key) : 0;
		if (a && r.key == API_VERSIONS)
			return to(a->owner[listener], a);
		return refuse(errno == EPROTONOSUPPORT ? "an API or version that is not served"
		                                       : "a bad request header");
	}
	if (r.key == FETCH && listener == WIRE_BROKER) {
		int replica = wire_fetch_is_replica(&r);
		if (replica < 0)
			return refuse("a Fetch that is cut short");
		return to(replica ? "logappend" : r.api->owner[listener], r.api);
	}
	return to(r.api->owner[listener], r.api);
}
