#!/bin/bash
# Adding a version to an API is a change of .api lines and of nothing else: Heartbeat gets a version
# 5 with fields of every kind, in a copy, and what is generated from it reads and writes them.
source t/lib.sh
gen=$tmp/gen/wire
mkdir -p "$gen" "$tmp/api"
cp lib/wire/*.api "$tmp/api"
generate() {
	local a=()
	for f in "$tmp"/api/*.api; do
		case $f in */table.api | */errors.api) ;; *) a+=("$f") ;; esac
	done
	awk -f lib/wire/gen/message.awk -v dir="$gen" "${a[@]}" &&
		awk -f lib/wire/gen/table.awk "$tmp"/api/*.api >"$gen/table.c" &&
		awk -f lib/wire/gen/errors.awk "$tmp"/api/*.api >"$gen/errors.c"
}
ok 'the text as it is' generate
cp "$gen/api.c" "$tmp/before.c"

awk '
	$1 == "message" { sub(/0-4/, "0-5") }
	{ print }
	/^message HeartbeatRequest/ { in_request = 1 }
	in_request && $1 == "GroupInstanceId" {
		print "\tShares []Share 5+ null default null"
		print "\t\tWeight float64 5+"
		print "\t\tPlaces []uint16 5+"
		print "\tOrigin Origin 5+ null default null"
		print "\t\tHost string 5+ default null null"
		print "\t\tId uuid 5+ tag 0"
		print "\tLimit int64 5+ tag 1 default -1 ignorable"
		print "\tNote string 5+ tag 0"
		in_request = 0
	}' lib/wire/heartbeat.api >"$tmp/api/heartbeat.api"
sed -i '/^12 Heartbeat /s/ 0-4 / 0-5 /' "$tmp/api/table.api"
ok 'with a version more' generate
others() { awk '/^[a-z].*[{]$/ { skip = / (fields|wire)_heartbeat_re/ } ! skip' "$1"; }
is 'only Heartbeat changed' "$(others "$gen/api.c")" "$(others "$tmp/before.c")"

cat >"$tmp/five.c" <<'C'
#include <assert.h>
#include <string.h>

#include "wire/api.h"

int main(void)
{
	const struct wire_type *t = &wire_heartbeat_request;
	struct heartbeat_request m, got;
	struct buf b = {0};
	struct arena a = {0};
	uint16_t places[] = {1, 65535};
	struct heartbeat_request_share share;
	struct heartbeat_request_origin origin;
	assert(wire_api(12)->max == 5 && wire_type_max(t) == 5);
	wire_init(t, &m);
	wire_init(&wire_heartbeat_request_share, &share);
	wire_init(&wire_heartbeat_request_origin, &origin);
	share.weight = 0.5;
	share.places = places;
	share.places_n = 2;
	origin.id.b[15] = 9;
	m.shares = &share;
	m.shares_n = 1;
	m.origin = &origin;
	m.note = span_of("hello");
	assert(wire_encode(t, 5, &m, &b, 0) == 0);
	assert(wire_decode(t, 5, b.p, b.n, &a, &got) == (int64_t)b.n);
	assert(got.shares_n == 1 && got.shares->weight == 0.5 && got.shares->places[1] == 65535);
	assert(got.origin && got.origin->host.n == -1 && got.origin->id.b[15] == 9);
	assert(got.limit == -1 && span_is(got.note, "hello"));
	b.n = 0;
	assert(wire_encode(t, 4, &m, &b, 0) < 0);
	wire_init(t, &m);
	m.limit = 3;
	b.n = 0;
	assert(wire_encode(t, 4, &m, &b, 0) == 0);
	assert(wire_decode(t, 4, b.p, b.n, &a, &got) == (int64_t)b.n);
	assert(got.limit == -1 && got.shares_n == -1 && !got.origin);
	return 0;
}
C
# shellcheck disable=SC2317
compile() {
	gcc -std=gnu11 -D_GNU_SOURCE -Wall -Werror -g -iquote lib -iquote "$tmp/gen" -o "$tmp/five" \
		"$tmp/five.c" "$gen"/*.c lib/wire/*.c lib/base/*.c
}
ok 'it compiles' compile
ok 'its new fields are written and read; older versions lack them' "$tmp/five"

# What the generator refuses, it names.
refuses() {
	cp lib/wire/*.api "$tmp/api"
	printf '%b' "$2" >"$tmp/api/$1"
	generate 2>&1
}
like 'unknown word' "$(refuses x.api 'message X 0\n\tA int8 0+ nul\n')" 'x.api:2: unknown word: nul'
like 'no such struct' "$(refuses x.api 'message X 0\n\tA []Y 0+\n')" 'x.api:2: no struct Y'
twice='message X 0 flexible 0+\n\tA bool 0 tag 0\n\tB bool 0 tag 0\n'
like 'one tag for two' "$(refuses x.api "$twice")" 'a tag twice'
rm "$tmp/api/x.api"
like 'a served version without text' "$(refuses table.api '12 Heartbeat 0-9 - - - - no -\n')" \
	'HeartbeatRequest lacks some of the versions 0-9'
done_testing
