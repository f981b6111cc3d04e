# shellcheck shell=bash
# For shell tests: `source t/lib.sh` first, `done_testing` last. Tests run at the top of the tree
# with build/bin on PATH.
#
#   ok NAME CMD...             passes when CMD exits 0; its output is shown when it does not
#   exits NAME CODE CMD...     passes when CMD exits CODE
#   is NAME GOT WANT    like NAME GOT REGEX    unlike NAME GOT REGEX    pass NAME    fail NAME
#   diag TEXT                  a comment on standard error
#   until_ok SECONDS CMD...    CMD again and again until it succeeds: instead of any fixed sleep
#   $tmp                       a directory of the test's own, removed at exit (KEEP=1 keeps it)
#   at_exit CMD...             runs at exit, last given first
#   ports                      sets $port, the first of 200 ports that no other test uses
#   lab_up [OPTION...]         a node in $tmp/lab on $port (lab start OPTION...), killed at exit;
#                              sets $lab and ODRADEK_BROKERS
#   lab_down                   stops it now, cleanly
#   broker_up [OPTION...]      lab_up; or, under AGAINST=apache, an Apache Kafka node in its place,
#                              which shows that a test asks for what Kafka does. Sets $broker
#   kafka_tool NAME ARG...     a tool of Apache Kafka: kafka_tool kafka-topics --list ...
#   apache_start DIR [PORT [KEY=VALUE...]]
#                              a real Apache Kafka node, broker and controller (on PORT+1), its data
#                              in DIR/log, formatted when new
#   apache_stop DIR [SIGNAL]   waits until it is gone
set -u
shopt -s lastpipe # printf ... | ok ... counts
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
top=$PWD
export PATH=$top/build/bin:$PATH LC_ALL=C.UTF-8
unset MAKEFLAGS MAKELEVEL MFLAGS ODRADEK_BROKERS
kafka=${ODRADEK_KAFKA:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek/kafka-4.4.0}
test_name=$(basename "$0" .t)
tmp=$top/build/tmp/$test_name.$$
mkdir -p "$tmp"

tap_count=0 tap_failures=0 exit_hooks=()
at_exit() { exit_hooks=("$(printf '%q ' "$@")" "${exit_hooks[@]}"); }
run_exit_hooks() {
	local hook status=$?
	for hook in "${exit_hooks[@]}"; do eval "$hook" >/dev/null 2>&1 || :; done
	[ -n "${KEEP:-}" ] || rm -rf "$tmp"
	exit "$status"
}
trap run_exit_hooks EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP PIPE

diag() { printf '%s\n' "$*" | sed 's/^/# /' >&2; }
pass() { echo "ok $((++tap_count)) - $1"; }
fail() {
	echo "not ok $((++tap_count)) - $1"
	((++tap_failures))
	diag "failed at ${BASH_SOURCE[-1]}:${BASH_LINENO[-2]}"
	return 1
}
ok() {
	local name=$1
	shift
	exits "$name" 0 "$@"
}
exits() {
	local name=$1 want=$2 got=0
	shift 2
	"$@" >"$tmp/.out" 2>&1 || got=$?
	if [ "$got" = "$want" ]; then pass "$name"; return 0; fi
	fail "$name"
	diag "$* : exit $got, want $want"
	diag "$(tail -n 30 "$tmp/.out")"
	return 1
}
is() {
	if [ "$2" = "$3" ]; then pass "$1"; return 0; fi
	fail "$1"
	diag "got  ${2:0:2000}"
	diag "want ${3:0:2000}"
	return 1
}
like() {
	if [[ $2 =~ $3 ]]; then pass "$1"; return 0; fi
	fail "$1"
	diag "got  ${2:0:2000}"
	diag "want $3"
	return 1
}
unlike() {
	if [[ ! $2 =~ $3 ]]; then pass "$1"; return 0; fi
	fail "$1"
	diag "got  ${2:0:2000}"
	diag "must not match $3"
	return 1
}
done_testing() {
	echo "1..$tap_count"
	[ "$tap_failures" = 0 ]
	exit
}
until_ok() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < deadline)) || return 1
		sleep 0.02
	done
}

# --- nodes of ours ----------------------------------------
port_is_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ports() {
	local i lock start=$((RANDOM % 50))
	mkdir -p /tmp/odradek-ports
	for ((i = 0; i < 50; i++)); do
		port=$((22000 + (start + i) % 50 * 200))
		exec {lock}>>"/tmp/odradek-ports/$port"
		if flock -n "$lock" && port_is_free "$port" && port_is_free $((port + 100)); then
			return 0
		fi
		exec {lock}>&-
	done
	diag 'no free ports'
	exit 1
}
lab_up() {
	[ -n "${port:-}" ] || ports
	lab=$tmp/lab
	export ODRADEK_BROKERS=127.0.0.1:$port
	at_exit lab_wreck "$lab"
	lab start -d "$lab" -p "$port" "$@" >"$tmp/lab.out" 2>&1 && return 0
	diag "$(tail -n 30 "$tmp/lab.out" "$lab"/*/logs/*/current 2>/dev/null)"
	return 1
}
lab_down() { lab stop -d "$lab"; }
lab_wreck() { # what is left of the nodes in a directory, also on tmpfs
	local node run
	for node in "$1"/*/env; do
		node=${node%/env}
		"$node/svc/kill" "$node"
		run=$(readlink "$node/run") && rm -rf "$run" && rmdir "${run%/*}" 2>/dev/null
	done
}
broker_up() {
	local option
	[ -n "${port:-}" ] || ports
	broker=127.0.0.1:$port
	export ODRADEK_BROKERS=$broker
	if [ "${AGAINST:-}" = apache ]; then
		local settings=()
		for option; do [ "$option" = -c ] || settings+=("$option"); done
		apache_start "$tmp/apache" "$port" "${settings[@]}"
	else
		lab_up "$@"
	fi
}

# --- Apache Kafka ----------------------------------------
declare -A kafka_class=(
	[kafka-topics]=org.apache.kafka.tools.TopicCommand
	[kafka-configs]=kafka.admin.ConfigCommand
	[kafka-consumer-groups]=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
	[kafka-groups]=org.apache.kafka.tools.GroupsCommand
	[kafka-console-producer]=org.apache.kafka.tools.ConsoleProducer
	[kafka-console-consumer]=org.apache.kafka.tools.consumer.ConsoleConsumer
	[kafka-producer-perf-test]=org.apache.kafka.tools.ProducerPerformance
	[kafka-consumer-perf-test]=org.apache.kafka.tools.ConsumerPerformance
	[kafka-e2e-latency]=org.apache.kafka.tools.EndToEndLatency
	[kafka-verifiable-producer]=org.apache.kafka.tools.VerifiableProducer
	[kafka-verifiable-consumer]=org.apache.kafka.tools.VerifiableConsumer
	[kafka-dump-log]=org.apache.kafka.tools.DumpLogSegments
	[kafka-log-dirs]=org.apache.kafka.tools.LogDirsCommand
	[kafka-acls]=org.apache.kafka.tools.AclCommand
	[kafka-features]=org.apache.kafka.tools.FeatureCommand
	[kafka-get-offsets]=org.apache.kafka.tools.GetOffsetShell
	[kafka-delete-records]=org.apache.kafka.tools.DeleteRecordsCommand
	[kafka-leader-election]=org.apache.kafka.tools.LeaderElectionCommand
	[kafka-reassign-partitions]=org.apache.kafka.tools.reassign.ReassignPartitionsCommand
	[kafka-broker-api-versions]=org.apache.kafka.tools.BrokerApiVersionsCommand
	[kafka-metadata-quorum]=org.apache.kafka.tools.MetadataQuorumCommand
	[kafka-cluster]=org.apache.kafka.tools.ClusterTool
	[kafka-transactions]=org.apache.kafka.tools.TransactionsCommand
	[kafka-storage]=kafka.tools.StorageTool
)
kafka_java() { # kafka_java LIBS|TOOLS LEVEL HEAP CLASS ARGS...
	local libs=$1 level=$2 heap=$3
	shift 3
	${kafka_exec:-} java "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlevel="$level" \
		-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/$libs/*" "$@"
}
kafka_tool() {
	local name=$1
	shift
	kafka_java tools WARN 256M "${kafka_class[$name]:-$name}" "$@"
}
random_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'A_' | cut -c1-22; }
apache_properties() {
	local id=$1 dir=$2 at=$3
	cat <<-P
		process.roles=broker,controller
		node.id=$id
		controller.quorum.voters=$id@127.0.0.1:$((at + 1))
		listeners=PLAINTEXT://127.0.0.1:$at,CONTROLLER://127.0.0.1:$((at + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$at
		controller.listener.names=CONTROLLER
		inter.broker.listener.name=PLAINTEXT
		listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
		log.dirs=$dir/log
		offsets.topic.replication.factor=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
	P
	[ $# -lt 4 ] || printf '%s\n' "${@:4}"
}
apache_start() {
	local dir=$1 at=${2:-${port:-}} id
	[ -n "$at" ] || { ports; at=$port; }
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	id=$(sed -n 's/^node.id=//p' "$dir/log/meta.properties" 2>/dev/null || :)
	id=${id:-1}
	apache_properties "$id" "$dir" "$at" "${@:3}" >"$dir/server.properties"
	if [ ! -e "$dir/log/meta.properties" ] &&
		! kafka_java libs WARN 256M kafka.tools.StorageTool format -t "$(random_id)" \
			-c "$dir/server.properties" >"$dir/out" 2>&1; then
		diag "$(tail -n 20 "$dir/out")"
		return 1
	fi
	at_exit apache_stop "$dir" KILL
	: >"$dir/out" # the words of an earlier run say nothing of this one
	kafka_exec=exec kafka_java libs INFO 512M kafka.Kafka "$dir/server.properties" \
		>"$dir/out" 2>&1 </dev/null &
	echo $! >"$dir/pid"
	until_ok 180 apache_settled "$dir"
	grep -q 'Kafka Server started' "$dir/out" && return 0
	diag "$(tail -n 20 "$dir/out")"
	return 1
}
apache_settled() {
	grep -sq 'Kafka Server started' "$1/out" || ! kill -0 "$(cat "$1/pid")" 2>/dev/null
}
apache_stop() {
	local pid
	pid=$(cat "$1/pid" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	rm -f "$1/pid"
}
