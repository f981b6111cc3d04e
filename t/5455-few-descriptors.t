#!/bin/bash
# More partitions than descriptors: written, read, killed, recovered, under a hard limit of 400.
source t/lib.sh
ulimit -n 400
n=${N:-600}
lab_up
open_files() {
	local pid
	pid=$("$lab/1/svc/pids" "$lab/1" | awk -v p="$1" '$1 == p { print $2 }') &&
		find "/proc/$pid/fd" -type l | wc -l
}
count() { timeout 20 logget -e many 2>/dev/null | sort -u | wc -l; }
all_there() { [ "$(count)" = "$1" ]; }
ok 'make' topic make -p "$n" many
for round in 1 2 3; do
	seq $((4 * n)) | awk -v r=$round '{ print "k" $1 ":" r "." $1 }' |
		ok "round $round: produce to all" timeout 120 logput -i -K : many
	is "round $round: all records" "$(count)" $((4 * n * round))
	for program in logappend logserve; do
		files=$(open_files $program)
		ok "$program holds $files files" test "$files" -lt 380
	done
	if [ $round = 1 ]; then
		"$lab/1/svc/kill" "$lab/1"
		ok 'start after kill -9' timeout 60 lab start -d "$lab" -p "$port"
	else
		lab kill -d "$lab" 1 logappend
	fi
	ok "round $round: all are there after kill -9" until_ok 30 all_there $((4 * n * round))
done
unlike 'nobody ran out of them' "$(cat "$lab"/1/logs/*/current)" 'Too many open files'
done_testing
