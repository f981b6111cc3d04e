#!/bin/bash
# logput -i and a reader, through kill -9 of every program and of the whole node: each record once,
# in order.
source t/lib.sh
lab_up || { fail 'a node starts'; done_testing; }
more() { [ "$(topic show "$1" 2>/dev/null | cut -f 9)" -gt "$2" ] 2>/dev/null; }
slowly() { # so many numbers, in pieces, until a file is there
	local n=0
	until [ -e "$tmp/enough" ] && [ "$n" -gt 100000 ]; do
		seq $((n + 1)) $((n + 2000))
		n=$((n + 2000))
		sleep 0.01
	done
	echo "$n" >"$tmp/n"
}
through() { # through NAME COMMAND...: while COMMAND happens, logput goes on
	local name=$1 topic=t-${1// /-}
	shift
	rm -f "$tmp/enough"
	topic make -p 1 "$topic"
	slowly | logput -i "$topic" 2>"$tmp/words" &
	local writer=$! reader
	logget "$topic" >"$tmp/read" 2>"$tmp/reader" &
	reader=$!
	until_ok 20 more "$topic" 1000 || fail "$name: it begins"
	"$@"
	until_ok 60 more "$topic" "$(($(topic show "$topic" | cut -f 9) + 5000))" ||
		fail "$name: it goes on"
	touch "$tmp/enough"
	ok "$name: logput ends well" wait "$writer" || diag "$(cat "$tmp/words")"
	is "$name: each record once, in order" "$(logget -e "$topic" | md5sum)" \
		"$(seq "$(cat "$tmp/n")" | md5sum)"
	until_ok 30 read_all || fail "$name: a reader gets all"
	kill "$reader"
	wait "$reader" 2>/dev/null
	is "$name: a reader saw the same" "$(md5sum <"$tmp/read")" "$(seq "$(cat "$tmp/n")" | md5sum)" ||
		diag "$(cat "$tmp/reader")"
}
read_all() { [ "$(wc -l <"$tmp/read")" -ge "$(cat "$tmp/n")" ]; }
node() { lab kill -d "$lab" 1; lab up -d "$lab" 1; }
for program in gate logappend logserve metaserve elect txncoord groupcoord; do
	through "$program dies" lab kill -d "$lab" 1 "$program"
done
through 'the node dies' node
done_testing
