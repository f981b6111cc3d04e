# shellcheck shell=bash
# The nodes that are measured: ours, and Apache Kafka's with the settings of its own start script.
#
#   node_up ours|kafka DIR PORT [KEY=VALUE...]    node_down ours|kafka DIR
#   node_pids ours|kafka DIR                      every process of it, with its children
#   cpu_ticks PID...                              user and system time, ticks of 10 ms
#   pss_kb PID...                                 memory, shared pages counted in parts
declare -A node_dir

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
	if [ "$system" = kafka ]; then
		apache_start "$dir" "$at" "$@" || return
	else
		for setting; do options+=(-c "$setting"); done
		[ ! -d "$dir/1" ] || options=()
		at_exit lab_wreck "$dir"
		lab start -d "$dir" -p "$at" "${options[@]}" >"$dir.out" 2>&1 || {
			diag "$(tail -n 20 "$dir.out")"
			return 1
		}
	fi
}
node_down() {
	case $1 in
	kafka) apache_stop "$2" ;;
	ours) lab stop -d "$2" >/dev/null ;;
	esac
}
node_pids() {
	case $1 in
	kafka) cat "$2/pid" ;;
	ours) "$2/1/svc/pids" "$2/1" | cut -f 2 ;;
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
