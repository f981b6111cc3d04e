#!/bin/bash
# Debian's Burrow 1.2.1, unmodified, with Debian's zookeeper: it sees our groups and their lag. It
# asks for ends with ListOffsets 0 and reads __consumer_offsets itself; on Apache Kafka 4, which
# lacks the one, it does not work.
source t/lib.sh
ok 'a node' lab_up -c group.initial.rebalance.delay.ms=0
zookeeper=$((port + 150)) http=$((port + 151))

in_background() { # in_background NAME CMD...: its words in $tmp/NAME.out, killed at exit
	"${@:2}" >"$tmp/$1.out" 2>&1 </dev/null &
	at_exit kill -9 $!
}
cat >"$tmp/zoo.cfg" <<-E
	tickTime=500
	dataDir=$tmp/zookeeper
	clientPort=$zookeeper
	clientPortAddress=127.0.0.1
	admin.enableServer=false
	4lw.commands.whitelist=srvr
E
in_background zookeeper java -Xmx64M -cp /usr/share/java/zookeeper.jar \
	org.apache.zookeeper.server.quorum.QuorumPeerMain "$tmp/zoo.cfg"
serves() {
	{ exec {line}<>"/dev/tcp/127.0.0.1/$zookeeper"; } 2>/dev/null || return
	echo srvr >&"$line"
	timeout 2 grep -q Mode <&"$line"
	local serving=$?
	exec {line}>&-
	return $serving
}
ok 'zookeeper' until_ok 60 serves

mkdir "$tmp/burrow"
cat >"$tmp/burrow/burrow.toml" <<-E
	[general]
	pidfile="$tmp/burrow/pid"
	[logging]
	filename="$tmp/burrow/log"
	level="debug"
	[zookeeper]
	servers=[ "127.0.0.1:$zookeeper" ]
	timeout=6
	root-path="/burrow"
	[client-profile.ours]
	client-id="burrow"
	kafka-version="2.0.0"
	[cluster.ours]
	class-name="kafka"
	servers=[ "$ODRADEK_BROKERS" ]
	client-profile="ours"
	topic-refresh=1
	offset-refresh=1
	[consumer.ours]
	class-name="kafka"
	cluster="ours"
	servers=[ "$ODRADEK_BROKERS" ]
	client-profile="ours"
	[httpserver.default]
	address="127.0.0.1:$http"
	[storage.default]
	class-name="inmemory"
	workers=2
	intervals=5
	expire-group=604800
	min-distance=0
E
topic make -p 1 orders
group reset -x -t orders first earliest >/dev/null # makes __consumer_offsets, which Burrow wants
in_background burrow /usr/bin/Burrow -config-dir "$tmp/burrow"
ok 'Burrow' until_ok 60 eval '! port_is_free $http'
ask() { curl -sfm 5 "http://127.0.0.1:$http/v3/kafka/ours/$1"; }
ok 'it follows __consumer_offsets' until_ok 30 grep -q 'starting consumers' "$tmp/burrow/log"

committing() { # some commits, each a step further
	seq 100 | logput orders
	ask consumer | jq -e '.consumers | index("billing")' >/dev/null
}
status() { ask consumer/billing/lag | jq -c ".status${1:-}"; }
at_end() { [ "$(status '.partitions[0].current_lag')" = 0 ]; }
behind() { [ "$(status .totallag)" = "$1" ]; }
kcat -b "$ODRADEK_BROKERS" -G billing -q -X client.id=kcat -X auto.commit.interval.ms=50 orders \
	>/dev/null 2>"$tmp/kcat" &
reader=$!
ok 'a group that commits is seen' until_ok 30 committing
ok 'it is at the end' until_ok 30 at_end ||
	diag "$(status; tail -n 5 "$tmp/burrow/log")"
is 'it is well' "$(status .status)" '"OK"'
end=$(topic show orders | cut -f 9)
ok 'all is committed' until_ok 30 eval '[ "$(group lag billing | cut -f 4)" = "$end" ]'
kill -9 "$reader"
wait "$reader" 2>/dev/null
seq 5000 | logput orders
ok 'nobody reads 5000 records' until_ok 30 behind 5000
is 'that is what group says' "$(group lag billing | cut -f 4-6)" \
	"$end"$'\t'"$((end + 5000))"$'\t5000'
like 'topics' "$(ask topic/orders | jq -c .offsets)" "^\[$((end + 5000))\]$"
done_testing
