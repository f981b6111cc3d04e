#!/bin/bash
# Three nodes: replicas move with their records, a broker is drained and let go, leaders return,
# eligible leader replicas; with our commands and with Apache Kafka's tools.
# shellcheck disable=SC2016
source t/lib.sh
lab_up -n 3 || { fail 'three nodes start'; done_testing; }

isr() { topic show "$1" 2>/dev/null | cut -f 6 | tr , '\n' | sort -u | paste -sd,; }
on() { topic show "$1" 2>/dev/null | cut -f 5 | tr , '\n' | sort -u | paste -sd,; }
are_in_sync() { [ "$(isr moved)" = "$1" ] && [ -z "$(topic show -u moved 2>/dev/null)" ]; }
have_led() { [ -z "$(replica elect moved 2>/dev/null)" ]; }
preferred() {
	topic show moved 2>/dev/null |
		awk '{ split($5, r, ","); n += $3 != r[1] } END { exit n }'
}
all_there() { diff <(seq "$1") <(logget -e moved 2>/dev/null | sort -n) >&2; }
are_not() { ! isr moved | grep -q "$1"; }
fewer() { timeout 60 replica plan -x -r 2 moved >"$tmp/plan"; }
tool() { kafka_tool "$1" --bootstrap-server "$ODRADEK_BROKERS" "${@:2}"; }
elr() { tool kafka-topics --describe --topic moved | grep -o '[^n]Elr: [0-9,]*' | sort | uniq -c; }

ok 'a topic of three replicas' topic make -p 6 -r 3 -c min.insync.replicas=2 moved
ok 'with records' logput moved < <(seq 1000)
ok 'two replicas are enough' fewer
is 'of each partition' "$(topic show moved | cut -f 5 | grep -c '^[0-9],[0-9]$')" 6
ok 'node 3 is drained' timeout 60 broker drain -x 3
is 'nothing is left on it' "$(on moved)" 1,2
ok 'more records' logput moved < <(seq 1001 2000)
ok 'all are there' all_there 2000
lab kill -d "$lab" 3
fenced() { broker ls | grep -q '^3.*fenced'; }
ok 'node 3 is gone' until_ok 20 fenced
ok 'and let go' broker unregister 3
is 'two are left' "$(broker ls | cut -f 1 | paste -sd,)" 1,2
lab up -d "$lab" 3 >/dev/null
serves() { broker ls | grep -q '^3.*serving'; }
ok 'it may come again' until_ok 20 serves

# A topic with fewer in sync than it asks for keeps those that can lead.
like 'eligible leader replicas' "$(tool kafka-features upgrade \
	--feature eligible.leader.replicas.version=1)" 'was upgraded to 1'
lab kill -d "$lab" 2
ok 'node 2 is gone' until_ok 20 are_not 2
is 'it is eligible still' "$(elr | awk '{ print $1, $3 }')" '6 2'
lab up -d "$lab" 2 >/dev/null
ok 'it is back, and in sync' until_ok 30 are_in_sync 1,2
ok 'the preferred lead again' until_ok 20 have_led
ok 'each of them' until_ok 20 preferred

# Kafka's tools
for p in 0 1 2 3 4 5; do
	printf '%s{"topic":"moved","partition":%d,"replicas":[%d]}' "${comma:-}" $p $((p % 2 + 1))
	comma=,
done | sed 's/.*/{"version":1,"partitions":[&]}/' >"$tmp/moves.json"
moves() { tool kafka-reassign-partitions \
	--reassignment-json-file "$tmp/moves.json" "$1"; }
like 'Kafka moves partitions' "$(moves --execute)" 'Successfully started'
moved() { [ "$(moves --verify | grep -c 'is completed')" = 6 ]; }
ok 'they arrive' until_ok 30 moved
is 'each on one node' "$(topic show moved 2>/dev/null | awk '$5 == $2 % 2 + 1' | wc -l)" 6
ok 'nothing is lost' all_there 2000
done_testing
