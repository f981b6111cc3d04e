#!/bin/bash
# gate's settings: what cannot be understood is said in one line, with the exit code of its kind.
source t/lib.sh
mkdir -p "$tmp/run"
cd "$tmp" || exit 1

refused() { # refused NAME CODE REGEX SETTING...
	local out code
	out=$(env "${@:4}" timeout 5 gate 2>&1 3>&-)
	code=$?
	is "$1: exit code" "$code" "$2"
	like "$1: what it says" "$(grep fatal <<<"$out")" "$3"
}
here=listeners=PLAINTEXT://127.0.0.1:20399
refused 'no listeners' 100 'listeners is not set' -u listeners
refused 'empty listeners' 100 'none are set' listeners=
refused 'no port' 100 'PLAINTEXT://127.0.0.1 is not NAME://HOST:PORT' \
	listeners=PLAINTEXT://127.0.0.1
refused 'no name' 100 'is not NAME://HOST:PORT' listeners=127.0.0.1:20399
refused 'a port that is no number' 100 'listeners: PLAINTEXT://127.0.0.1:http' \
	listeners=PLAINTEXT://127.0.0.1:http
refused 'TLS' 100 'only PLAINTEXT is served, not SSL' listeners=SSL://127.0.0.1:20399
refused 'TLS by the map' 100 'only PLAINTEXT is served, not SSL' listeners=IN://127.0.0.1:20399 \
	listener.security.protocol.map=OUT:PLAINTEXT,IN:SSL
refused 'an address of somebody else' 111 'unable to listen on PLAINTEXT://192.0.2.1:20399' \
	listeners=PLAINTEXT://192.0.2.1:20399
refused 'a number that is none' 100 'max.connections: many is not' "$here" max.connections=many
refused 'a number below one' 100 'max.connections: 0 is not' "$here" max.connections=0
refused 'one that ends badly' 100 'idle.ms: 5 s is not' "$here" 'connections.max.idle.ms=5 s'
exits 'an argument' 100 gate now
done_testing
