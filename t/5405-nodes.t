#!/bin/bash
# Three nodes as one cluster: made, asked at any of them, and what their controllers do when a node
# or one of its programs dies.
source t/lib.sh
ports
lab=$tmp/lab
at_exit lab_wreck "$lab"
at() { echo "127.0.0.1:$((port + $1 - 1))"; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

begin=$(now_ms)
ok 'start' lab start -n 3 -d "$lab" -p "$port"
diag "three nodes in $(($(now_ms) - begin)) ms"
is 'it says where' "$(tail -n 1 "$tmp/.out")" "ready $(at 1),$(at 2),$(at 3)"
is 'one cluster' "$(cat "$lab"/*/log/meta.properties | grep cluster.id | sort -u | wc -l)" 1
is 'three directories' "$(cat "$lab"/*/log/meta.properties | grep directory.id | sort -u | wc -l)" 3
is 'of nodes 1 to 3' "$(cat "$lab"/*/env/node.id | tr '\n' ' ')" '1 2 3 '
is 'internal topics have three replicas' "$(cat "$lab/2/env/offsets.topic.replication.factor")" 3
is 'a start of what runs' "$(lab start -d "$lab" | tail -n 1)" "ready $(at 1),$(at 2),$(at 3)"
exits 'other addresses' 100 lab start -d "$lab" -p $((port + 10))

brokers() { broker -b "$(at "$1")" ls | cut -f1,5 | tr '\t\n' '= '; }
all_serve() {
	for n in 1 2 3; do [ "$(brokers $n)" = '1=serving 2=serving 3=serving ' ] || return; done
}
ok 'all serve, in the eyes of each' until_ok 10 all_serve
leader() { quorum -b "$(at "${1:-1}")" show 2>/dev/null | awk '$2 == "leader" { print $1 }'; }
first=$(leader)
for n in 2 3; do is "node $n knows the same leader" "$(leader $n)" "$first"; done
followers=()
for n in 1 2 3; do [ "$n" = "$first" ] || followers+=("$n"); done
one=${followers[0]} other=${followers[1]}

# Read your writes: what is made at a node is there at once, and what is changed is as it was made.
wrong=0
for i in {1..20}; do
	for n in 1 2 3; do
		topic -b "$(at $n)" make -p 2 -r 3 "made-$n-$i" >/dev/null || ((++wrong))
		topic -b "$(at $n)" ls | grep -q "^made-$n-$i	2	3" || ((++wrong))
		conf -b "$(at $n)" topic "made-$n-$i" "retention.ms=$i$n" >/dev/null || ((++wrong))
		conf -b "$(at $n)" topic "made-$n-$i" | grep -q "^retention.ms	$i$n	" || ((++wrong))
	done
done
is 'what is changed at a node is seen there at once' "$wrong" 0
exits 'an error of the controller comes through' 1 topic -b "$(at "$one")" make -p 1 made-1-1
like 'as it is' "$(cat "$tmp/.out")" TOPIC_ALREADY_EXISTS

# A controller that does not lead says so to other controllers, and passes nothing on.
cat >"$tmp/refused.py" <<'P'
import sys
sys.path.insert(0, 't')
import raw
c = raw.Client(int(sys.argv[1]))
print(c.call('CreateTopics', 7, Topics=[{'Name': 'x', 'NumPartitions': 1, 'ReplicationFactor': 1}],
             TimeoutMs=1000)['Topics'][0]['ErrorCode'],
      c.call('BrokerHeartbeat', 1, BrokerId=1, BrokerEpoch=1)['ErrorCode'],
      c.call('AllocateProducerIds', 0, BrokerId=1, BrokerEpoch=1)['ErrorCode'])
P
is 'NOT_CONTROLLER' "$(python3 "$tmp/refused.py" $((port + 99 + one)))" '41 41 41'

# What a broker of Apache Kafka passes on comes in an envelope.
cat >"$tmp/envelope.py" <<'P'
import struct
import sys
sys.path.insert(0, 't')
import raw


def envelope(port, api, version, **values):
    frame = struct.pack('>hhih', raw.KEYS[api], version, 77, 4) + b'some'
    frame += b'\0' if version >= raw.MESSAGES[api + 'Request'].flexible else b''
    frame += raw.encode(api + 'Request', version, values)
    out = raw.Client(port).call('Envelope', 0, RequestData=frame, RequestPrincipal=None,
                                ClientHostAddress=bytes([127, 0, 0, 1]))
    if out['ErrorCode']:
        return out['ErrorCode'], out['ResponseData']
    data = out['ResponseData']
    skip = 5 if version >= raw.MESSAGES[api + 'Response'].flexible else 4
    return struct.unpack('>i', data[:4])[0], raw.decode(api + 'Response', version, data[skip:])


leader, follower = int(sys.argv[1]), int(sys.argv[2])
topic = [{'Name': 'enveloped', 'NumPartitions': 1, 'ReplicationFactor': 1}]
for version in (4, 7):
    correlation, out = envelope(leader, 'CreateTopics', version, Topics=topic, TimeoutMs=1000)
    print(correlation, out['Topics'][0]['ErrorCode'])
print(*envelope(follower, 'CreateTopics', 7, Topics=topic, TimeoutMs=1000))
print(*envelope(leader, 'BrokerHeartbeat', 1, BrokerId=1, BrokerEpoch=1))
P
is 'an envelope' "$(python3 "$tmp/envelope.py" $((port + 99 + first)) $((port + 99 + one)) 2>&1)" \
	'77 0
77 36
41 None
42 None'

# Programs on the way die: nobody sees an error.
for program in dial gate-controller elect; do
	wrong=0
	for n in "$one" "$first"; do
		lab kill -d "$lab" "$n" "$program" >/dev/null || ((++wrong))
		topic -b "$(at "$other")" make -p 1 "after-$program-$n" >/dev/null || ((++wrong))
	done
	is "$program is killed at a follower and at the leader" "$wrong" 0
done
ok 'all serve again' until_ok 10 all_serve
first=$(leader)
followers=()
for n in 1 2 3; do [ "$n" = "$first" ] || followers+=("$n"); done
one=${followers[0]} other=${followers[1]}

# A node dies: the controller fences it at once. Then the leader's: another leads, and fences it.
fenced() { brokers "$2" 2>/dev/null | grep -q "$1=fenced"; }
begin=$(now_ms)
lab kill -d "$lab" "$one"
ok 'a node that was killed is fenced' until_ok 10 fenced "$one" "$other"
took=$(($(now_ms) - begin))
diag "after $took ms"
ok 'long before its session is over' test $took -lt 5000
ok 'it comes back' lab up -d "$lab" "$one"
ok 'and serves' until_ok 10 all_serve
begin=$(now_ms)
lab kill -d "$lab" "$first"
ok 'the node of the active controller is killed' until_ok 10 fenced "$first" "$other"
took=$(($(now_ms) - begin))
diag "after $took ms"
ok 'long before its session is over' test $took -lt 5000
ok 'another controller works' topic -b "$(at "$one")" make -p 1 -r 2 without
ok 'it comes back' lab up -d "$lab" "$first"
ok 'and serves' until_ok 10 all_serve
is 'it knows what was done without it' "$(topic -b "$(at "$first")" ls | grep -c '^without')" 1

# A controller that is stopped in its tracks: the request goes to the next one.
first=$(leader)
other=$((first % 3 + 1))
lab pause -d "$lab" "$first" elect
ok 'made while the active controller stands still' topic -b "$(at "$other")" make -p 1 -r 3 still
lab resume -d "$lab" "$first" elect
ok 'all serve again' until_ok 20 all_serve

# Without a majority nothing is decided; who asked meanwhile is answered when there is one again.
lab kill -d "$lab" 2
lab kill -d "$lab" 3
topic -b "$(at 1)" make -p 1 -r 1 waited >"$tmp/waited" 2>&1 &
waited=$!
lab up -d "$lab" 2 >/dev/null
wait "$waited"
is 'it is answered when there is a majority' "$?" 0
lab up -d "$lab" 3 >/dev/null
ok 'all serve again' until_ok 20 all_serve

# A node that is stopped hands over first: at no moment is anything without a leader.
topic -b "$(at 1)" make -p 12 -r 3 led >/dev/null
leaders() { topic -b "$(at "$1")" show led | cut -f3 | sort -u | tr '\n' ' '; }
for n in 1 2 3; do
	begin=$(now_ms)
	ok "stop of node $n" lab stop -d "$lab" "$n"
	diag "in $(($(now_ms) - begin)) ms"
	unlike 'it leads nothing' "$(leaders $((n % 3 + 1)))" "(^| )($n|-1) "
	ok 'it stopped cleanly' test -e "$lab/$n/log/.kafka_cleanshutdown"
	ok 'up' lab up -d "$lab" "$n"
	ok 'it serves' until_ok 10 all_serve
done

ok 'stop' lab stop -d "$lab"
is 'nothing runs' "$(lab pids -d "$lab")" ''
ok 'start' lab start -d "$lab"
is 'all is there' "$(topic -b "$(at 2)" ls | grep -c '^made-')" 60
done_testing
