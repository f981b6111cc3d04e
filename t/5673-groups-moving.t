#!/bin/bash
# A group lives while the broker under its members changes from Apache Kafka to us, is killed, and
# changes back: nobody joins again, nothing is read twice or passed over, no offset goes back.
source t/lib.sh
ports
b=127.0.0.1:$port
export ODRADEK_BROKERS=$b

ask() { echo >&"${members[1]}" && read -r -t 90 answer <&"${members[0]}"; }
all_read_on() { ask && told=${answer#* } && [ "${answer% *}" = 3 ]; }

ok 'Apache Kafka starts' apache_start "$tmp/ak" "$port"
ok 'a topic' until_ok 30 topic make -p 6 moving
coproc members { /usr/bin/python3 t/clients/moving.py "$b" 2>"$tmp/members"; }
at_exit kill "$members_PID"
ok 'three members read and commit' all_read_on
first=$told
apache_stop "$tmp/ak"
mkdir -p "$tmp/lab/1"
mv "$tmp/ak/log" "$tmp/lab/1/log"
ok 'our node starts on the directory' lab_up
ok 'they read on' all_read_on
is 'in the generation in which they were' "$told" "$first"
for program in groupcoord logappend; do
	until_ok 10 lab kill -d "$lab" 1 "$program"
	ok "they read on after a kill of $program" all_read_on
done
is 'and nobody joined again' "$told" "$first"
ok 'it stops' lab_down
mv "$tmp/lab/1/log" "$tmp/ak/log"
ok 'Apache Kafka starts on ours' apache_start "$tmp/ak" "$port"
ok 'they read on' all_read_on
is 'in the same generation' "$told" "$first"
to=${members[1]}
exec {to}>&-
read -r -t 90 answer <&"${members[0]}"
is 'six partitions were read in order, each record once; six offsets are kept' "$answer" '6 6'
done_testing
