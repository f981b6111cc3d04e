#!/bin/bash
# Records that are not in memory are read by logwarm: neither logserve nor gate waits for a disk,
# and who reads something else does not either.
source t/lib.sh
ports
export SLOW_MS=300 SLOW_FIRED=$tmp/fired
LD_PRELOAD=$top/build/crash/shim-slow.so lab_up || exit 1
topic make cold
topic make hot
seq 50000 >"$tmp/in"
ok 'records' logput cold <"$tmp/in"
echo x | logput hot
cold=("$lab"/1/log/cold-0/*.log "$lab"/1/log/cold-0/*.index)
evict() {
	local f
	sync -f "$lab"
	for f in "${cold[@]}"; do dd if="$f" iflag=nocache count=0 status=none; done
	[ "$(fincore -bnro RES "${cold[0]}")" = 0 ]
}
ok 'they are pushed out of memory' until_ok 20 evict
: >"$tmp/fired"
logget -e cold >"$tmp/out" 2>&1 &
reader=$!
until_ok 20 test -s "$tmp/fired"
reads=0
while kill -0 $reader 2>/dev/null; do
	[ "$(logget -e hot)" = x ] || break
	((++reads))
done
ok "meanwhile others are served: $reads times" test "$reads" -gt 0
wait $reader
is 'what was cold is read' "$(cksum <"$tmp/out")" "$(cksum <"$tmp/in")"
is 'and nobody waited for it but logwarm' "$(sort -u "$tmp/fired")" logwarm

ok 'again' until_ok 20 evict
pid=$("$lab/1/svc/pids" "$lab/1" | awk '$1 == "logwarm" { print $2 }')
: >"$tmp/fired"
logget -e cold >"$tmp/out" 2>&1 &
reader=$!
until_ok 20 test -s "$tmp/fired"
ok 'logwarm is killed' kill -9 "$pid"
wait $reader
is 'the reader sees nothing of it' "$(cksum <"$tmp/out")" "$(cksum <"$tmp/in")"
done_testing
