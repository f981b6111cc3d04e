# shellcheck shell=bash
# The nodes that are measured: ours, and Apache Kafka's with the settings of its own start script.
#
#   node_up ours|kafka DIR PORT [KEY=VALUE...]    node_down ours|kafka DIR
#                                                 $count nodes, 1 or 3, on PORT and the next ones
#   node_pids ours|kafka DIR                      every process of it, with its children
#   cpu_ticks PID...                              user and system time, ticks of 10 ms
#   pss_kb PID...                                 memory, shared pages counted in parts
declare -A node_dir
count=1

kafka_java() { # in place of the tests' small one
	local libs=$1 level=$2
	shift 3
	${kafka_exec:-} java -server -Xms1G -Xmx1G -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
		-XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent \
		-Djava.awt.headless=true -Dlevel="$level" \
		-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/$libs/*" "$@"
}
kafka_format() { # kafka_format DIR PORT
	mkdir -p "$1"
	apache_properties 1 "$1" "$2" >"$1/server.properties"
	kafka_java libs WARN 0 kafka.tools.StorageTool format -t "$(random_id)" \
		-c "$1/server.properties" >"$1/out" 2>&1
}
node_up() {
	local system=$1 dir=$2 at=$3 setting options=()
	shift 3
	if [ "$system$count" = kafka3 ]; then
		kafka_three "$dir" "$at" "$@"
	elif [ "$system" = kafka ]; then
		apache_start "$dir" "$at" "$@" || return
	else
		for setting; do options+=(-c "$setting"); done
		[ ! -d "$dir/1" ] || options=()
		at_exit lab_wreck "$dir"
		[ "$count" = 1 ] || [ -d "$dir/1" ] || options+=(-n "$count")
		[ -d "$dir/2" ] || options+=(-p "$at")
		lab start -d "$dir" "${options[@]}" >"$dir.out" 2>&1 || {
			diag "$(tail -n 20 "$dir.out")"
			return 1
		}
	fi
}
node_down() {
	case $1 in
	kafka)
		[ "$count" = 1 ] || { three_stop "$2"; return; }
		apache_stop "$2"
		;;
	ours) lab stop -d "$2" >/dev/null ;;
	esac
}
three_properties() { # three_properties NODE DIR PORT VOTERS [KEY=VALUE...]
	local host=127.0.0.1 at=$(($3 + $1 - 1))
	apache_properties "$1" "$2/$1" "$at" |
		grep -v '^controller.quorum.voters\|^.*listeners=\|replication.factor\|min.isr'
	printf '%s\n' "listeners=PLAINTEXT://$host:$at,CONTROLLER://$host:$((at + 100))" \
		"advertised.listeners=PLAINTEXT://$host:$at" "controller.quorum.voters=$4" \
		min.insync.replicas=2 default.replication.factor=3 "${@:5}"
}
three_format() { # three_format DIR PORT [KEY=VALUE...]
	local dir=$1 at=$2 n cluster voters
	cluster=$(random_id)
	voters=1@127.0.0.1:$((at + 100)),2@127.0.0.1:$((at + 101)),3@127.0.0.1:$((at + 102))
	for n in 1 2 3; do
		mkdir -p "$dir/$n"
		three_properties "$n" "$dir" "$at" "$voters" "${@:3}" >"$dir/$n/server.properties"
		kafka_java libs WARN 0 kafka.tools.StorageTool format -t "$cluster" \
			-c "$dir/$n/server.properties" >"$dir/$n/out" 2>&1 || return
	done
}
kafka_three() { # kafka_three DIR PORT [KEY=VALUE...]: three that know each other
	local n
	[ -d "$1/1" ] || three_format "$@" || return
	for n in 1 2 3; do
		at_exit apache_stop "$1/$n" KILL
		kafka_again "$1/$n"
	done
	for n in 1 2 3; do
		until_ok 180 apache_settled "$1/$n"
		grep -q 'Kafka Server started' "$1/$n/out" || {
			diag "$(tail -n 20 "$1/$n/out")"
			return 1
		}
	done
}
kafka_again() { # kafka_again DIR: a node that was formatted; it is not waited for
	: >"$1/out"
	kafka_exec=exec kafka_java libs INFO 0 kafka.Kafka "$1/server.properties" >"$1/out" 2>&1 \
		</dev/null &
	echo $! >"$1/pid"
}
three_stop() {
	local n
	for n in 1 2 3; do kill "$(cat "$1/$n/pid")" 2>/dev/null; done
	for n in 1 2 3; do apache_stop "$1/$n"; done
}
node_pids() {
	local n
	case $1 in
	kafka) cat "$2/pid" "$2"/[123]/pid 2>/dev/null ;;
	ours) for n in 1 2 3; do [ ! -d "$2/$n" ] || "$2/1/svc/pids" "$2/$n" | cut -f 2; done ;;
	floor) cat "$2/pid" ;;
	esac
}
cpu_ticks() {
	local pid
	for pid; do cat "/proc/$pid/stat" 2>/dev/null; done |
		awk '{ sub(/.*\) /, ""); n += $12 + $13 } END { print n + 0 }'
}
pss_kb() {
	local pid
	for pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done |
		awk '/^Pss:/ { n += $2 } END { print n + 0 }'
}
