#!/bin/bash
# A broker of Apache Kafka whose controllers are ours: it registers, follows and leads partitions
# beside our nodes, and passes on what its clients ask of the controller.
source t/lib.sh
lab_up -n 3 || { fail 'three nodes start'; done_testing; }
there=$((port + 50)) cluster=$(sed -n 's/^cluster.id=//p' "$lab/1/log/meta.properties")
apache=$tmp/apache
mkdir "$apache"
cat >"$apache/server.properties" <<P
process.roles=broker
node.id=9
controller.quorum.bootstrap.servers=127.0.0.1:$((port + 100)),127.0.0.1:$((port + 101))
listeners=PLAINTEXT://127.0.0.1:$there
advertised.listeners=PLAINTEXT://127.0.0.1:$there
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$apache/log
P
ok 'its directory is formatted' kafka_java libs WARN 256M kafka.tools.StorageTool format \
	-t "$cluster" -c "$apache/server.properties" --no-initial-controllers
at_exit apache_stop "$apache" KILL
kafka_exec='exec' kafka_java libs INFO 512M kafka.Kafka "$apache/server.properties" \
	>"$apache/out" 2>&1 </dev/null &
echo $! >"$apache/pid"
until_ok 180 apache_settled "$apache"
ok 'it starts' grep -q 'Kafka Server started' "$apache/out" ||
	diag "$(tail -n 30 "$apache/out")"
serves() { broker -b "127.0.0.1:$port" ls | cut -f1,5 | tr '\t\n' '= ' | grep -q '9=serving'; }
ok 'our controllers let it in' until_ok 30 serves

topic -b "127.0.0.1:$there" make -p 8 -r 4 both >"$tmp/out" 2>&1
is 'a topic is made through it' "$?" 0 || diag "$(cat "$tmp/out")"
in_sync() {
	[ "$(topic -b "127.0.0.1:$port" show both | awk '{ print split($6, a, ",") }' | sort -u)" = 4 ]
}
ok 'all four are in sync' until_ok 30 in_sync ||
	diag "$(topic -b "127.0.0.1:$port" show both)" "$(tail -n 30 "$apache/out")"
is 'each leads some' "$(topic -b "127.0.0.1:$port" show both | cut -f3 | sort -u | tr '\n' ' ')" \
	'1 2 3 9 '
seq 10000 >"$tmp/lines"
put() { kcat -b "127.0.0.1:$port" -P -t both -X acks=all -l "$tmp/lines" 2>"$tmp/kcat"; }
got() { kcat -b "127.0.0.1:$port" -C -t both -o beginning -e -q 2>/dev/null; }
ok 'records go in' put
is 'and come out' "$(got | sort -n | md5sum)" "$(md5sum <"$tmp/lines")"
done_testing
