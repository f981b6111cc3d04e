#!/bin/bash
# After kill -9 of a whole node recovery reads what came after the recovery point, not the log:
# counted in bytes that logappend reads. MB=2048 by hand.
source t/lib.sh
mb=${MB:-512}
read_bytes() { awk '/^rchar/ { print $2 }' "/proc/$1/io"; }
pid_of() { "$lab/1/svc/pids" "$lab/1" | awk -v p="$1" '$1 == p { print $2 }'; }
count() { logget -e big | wc -l; }
killed() { # killed MODE
	local there bytes
	there=$(count)
	"$lab/1/svc/kill" "$lab/1"
	ok "$1: start" lab start -d "$lab" -p "$port"
	bytes=$(read_bytes "$(pid_of logappend)")
	diag "$1: read $bytes of ${mb}000000 bytes"
	ok "$1: less than a sixteenth of the log was read" test "$bytes" -lt $((mb * 1000000 / 16))
	is "$1: every record is there" "$(count)" "$there"
}
for flush in os sync; do
	lab_up -c odradek.flush=$flush
	topic make -p 2 big
	ok "$flush: a large log" logbench -n $((mb * 1000)) -s 1000 -B 65000 -c 2 -a all produce big
	killed $flush
	# what was recovered is written on, and killed at once
	logbench -n 2000 -s 1000 -B 65000 -c 2 -a all produce big >"$tmp/bench"
	killed $flush
	lab_down
	rm -rf "$lab"
done
done_testing
