#!/bin/bash
# lab: the contract that people and all other node tests stand on.
source t/lib.sh
ports
lab=$tmp/lab
at_exit lab_wreck "$lab"
export ODRADEK_BROKERS=127.0.0.1:$port

field() { lab pids -d "$lab" | awk -F'\t' -v p="$1" '$1 == 1 && $2 == p { print $3 }'; }
serves() { kcat -b "$ODRADEK_BROKERS" -L -m 2 >/dev/null 2>&1; }
put() { kcat -b "$ODRADEK_BROKERS" -P -t kept -p 0 -X acks=all 2>"$tmp/kcat"; }
got() { kcat -b "$ODRADEK_BROKERS" -C -t kept -p 0 -o beginning -e -q 2>/dev/null; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

begin=$(now_ms)
ok 'start' lab start -d "$lab" -p "$port" -c log.retention.ms=-1
fastest=$(($(now_ms) - begin))
is 'its last line says where' "$(tail -n 1 "$tmp/.out")" "ready $ODRADEK_BROKERS"
ok 'it served at once' serves
ok 'records go in' put < <(seq 100)
is 'a node that runs is left alone by start' "$(lab start -d "$lab" | tail -n 1)" \
	"ready $ODRADEK_BROKERS"

exits 'a port that is taken is not shared' 111 lab start -d "$tmp/other" -p "$port"
like 'it says so' "$(cat "$tmp/.out")" "$ODRADEK_BROKERS: another program listens there"

for name in gate logappend logsync logserve replicate metaserve elect txncoord groupcoord \
	dial gate-controller s6-svscan s6-log:gate s6-supervise:logappend s6-supervise:logappend/log; do
	like "pids names $name" "$(field "$name")" '^[0-9]+$'
done
is 'pids names living processes' "$(lab pids -d "$lab" | cut -f3 | xargs ps -o pid= -p | wc -l)" \
	"$(lab pids -d "$lab" | wc -l)"
like 'status shows services' "$(lab status -d "$lab")" 'logappend.*up \(pid'

for name in gate logserve replicate metaserve elect txncoord groupcoord dial logappend logsync; do
	before=$(field "$name")
	ok "kill $name" lab kill -d "$lab" 1 "$name"
	ok "up after $name" lab up -d "$lab" 1
	until_ok 5 serves || fail "it serves after the death of $name"
	unlike "$name is another process" "$(field "$name")" "^$before\$"
done
is 'nothing was lost' "$(got | tr '\n' ' ')" "$(seq 100 | tr '\n' ' ')"

ok 'pause of a program' lab pause -d "$lab" 1 logserve
like 'it is stopped' "$(ps -o stat= -p "$(field logserve)")" T
ok 'resume' lab resume -d "$lab" 1 logserve
unlike 'it is not' "$(ps -o stat= -p "$(field logserve)")" T
ok 'pause of the node' lab pause -d "$lab" 1
is 'all of it is stopped' \
	"$(lab pids -d "$lab" | cut -f3 | xargs ps -o stat= -p | grep -vc '^T')" 0
ok 'resume' lab resume -d "$lab" 1
ok 'it serves again' until_ok 5 serves

ok 'kill of the node' lab kill -d "$lab" 1
is 'nothing of it is left' "$(lab pids -d "$lab")" ''
ok 'up' lab up -d "$lab" 1
for ((try = 0; try < 5 && fastest >= 800; try++)); do # the machine may be busy with other tests
	lab kill -d "$lab" 1
	begin=$(now_ms)
	lab up -d "$lab" 1 >/dev/null
	took=$(($(now_ms) - begin))
	[ "$took" -gt "$fastest" ] || fastest=$took
done
diag "started in $fastest ms"
ok 'a node is ready in well under a second' test "$fastest" -lt 800
is 'with everything in it' "$(got | tr '\n' ' ')" "$(seq 100 | tr '\n' ' ')"

ok 'kill of the supervisor alone' lab kill -d "$lab" 1 s6-svscan
is 'start takes over from orphans' "$(lab start -d "$lab" | tail -n 1)" "ready $ODRADEK_BROKERS"
is 'there is one of each' "$(field elect | wc -l)" 1

ok 'stop' lab stop -d "$lab"
is 'nothing runs' "$(lab pids -d "$lab")" ''
ok 'the clean shutdown is marked' test -e "$lab/1/log/.kafka_cleanshutdown"
ok 'stop again' lab stop -d "$lab"
rm -rf "/dev/shm/$(basename "$(dirname "$(readlink "$lab/1/run")")")"
ok 'start after a reboot, on another port' lab start -d "$lab" -p $((port + 1)) -x 'nice -n 3'
ODRADEK_BROKERS=127.0.0.1:$((port + 1))
is 'the prefix is in force' "$(ps -o ni= -p "$(field logappend)" | tr -d ' ')" \
	"$(nice -n 3 nice)"
is 'everything is there' "$(got | tr '\n' ' ')" "$(seq 100 | tr '\n' ' ')"
ok 'stop' lab stop -d "$lab"

exits 'more nodes than there are' 100 lab start -d "$lab" -n 3
like 'is one line' "$(cat "$tmp/.out")" $'^lab: [^\n]*$'
for bad in '' 'fly' 'kill' 'up' 'start -z' 'stop 1 2' "start -p x -d $tmp/x" 'kill 1 a b' \
	"start -n 0 -d $tmp/x" "start -n x -d $tmp/x"; do
	# shellcheck disable=SC2086
	exits "usage: lab $bad" 100 lab $bad
done
exits 'no such node' 1 lab kill -d "$lab" 7
exits 'no such program' 1 lab kill -d "$lab" 1 nothing
lab start -d "$tmp/two" -p $((port + 2)) -c zookeeper.connect=x >"$tmp/out" 2>&1
at_exit lab_wreck "$tmp/two"
like 'a setting without a meaning is accepted with a warning' "$(cat "$tmp/out")" \
	$'warning[^\n]*zookeeper.connect.*\nready '
at_exit lab_wreck "$tmp/bad"
begin=$(now_ms)
exits 'settings that cannot work' 111 lab start -d "$tmp/bad" -p $((port + 3)) \
	-c controller.quorum.voters=2@127.0.0.1:1
like 'are named' "$(cat "$tmp/.out")" 'elect: fatal: controller.quorum.voters'
ok 'without a long wait' test $(($(now_ms) - begin)) -lt 10000
done_testing
