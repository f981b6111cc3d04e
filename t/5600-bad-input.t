#!/bin/bash
# Malformed requests against a live node: no program dies, memory stays bounded, others are served.
# SEED and COUNT (frames) choose another run: COUNT=10000000 is the soak.
source t/lib.sh
seed=${SEED:-$RANDOM} count=${COUNT:-20000}
lab_up >&2 || { echo 'Bail out! no broker'; exit 1; }

memory() { lab pids -d "$lab" | cut -f3 | while read -r p; do
	awk '/^VmRSS/ { print $2 }' "/proc/$p/status"
done | awk '{ n += $1 } END { print n }'; }
running=$(lab pids -d "$lab" | sort)
before=$(memory)
/usr/bin/python3 t/clients/bad_input.py "$ODRADEK_BROKERS" "$seed" "$count" >"$tmp/tap" ||
	echo 'not ok - the client died' >>"$tmp/tap"
grep '^#' "$tmp/tap"
while read -r result; do
	name=${result#* - }
	if [[ $result = ok* ]]; then pass "$name"; else fail "$name"; fi
done < <(grep -E '^(not )?ok' "$tmp/tap")
is 'every program is the one that was started' "$(lab pids -d "$lab" | sort)" "$running"
after=$(memory)
ok "memory stays bounded ($before KiB before, $after KiB after)" \
	[ "$after" -lt $((before + 65536)) ]
# One frame in many is an UnregisterBroker that means it: the node registers anew, soon.
produce() { echo still here | kcat -q -P -b "$ODRADEK_BROKERS" -t after-all; }
ok 'a record can be produced' until_ok 10 produce
is 'and read' "$(kcat -q -C -e -b "$ODRADEK_BROKERS" -t after-all)" 'still here'
done_testing
