# shellcheck shell=bash
# The rows. Each is a function that measures $system once, at $broker, on topic $name, and tells
# sample() what it saw. setup: which nodes (default: answers from the page cache; durable: after a
# sync; own: the row starts them; alone: the same, and there is none of Apache Kafka; three, disk:
# three nodes, ours with answers from the page cache, after a sync), whether the floor runs too,
# partitions.
declare -A setup=()
row() { # row NAME NODES FLOOR PARTITIONS
	setup[$1]="$2 $3 $4"
}
bench_topic() {
	local partitions
	read -r _ _ partitions <<<"${setup[$row]}"
	[ "$system" != floor ] || return 0
	topic -b "$broker" make -p "$partitions" -r "$count" -c file.delete.delay.ms=1000 "$name" || exit 1
	# Kafka answers before the broker has learned what its controller made.
	until_ok 120 logbench -b "$broker" -n "$partitions" -c "$partitions" -f 1 -s 1 tiny "$name" \
		>"$tmp/first" 2>&1 || { diag "$(cat "$tmp/first")"; exit 1; }
}
bench() { # bench ARGS...: logbench's columns into $columns
	IFS=$'\t' read -ra columns < <(logbench -b "$broker" "$@" "$name")
	[ ${#columns[@]} -ge 13 ] || { diag "$row, $system: logbench failed"; exit 1; }
}
kept() { [ "$pair" != 0 ]; } # pair 0 is warming up
per() { awk "BEGIN { printf \"%.6g\", $1 }"; }

# Throughput of big batches: a number of records, MB/s and CPU seconds for a GB of values.
throughput() { # throughput RECORDS BYTES ARGS...
	local records=$1 bytes=$2
	shift 2
	bench_topic
	warm_cache $((records * bytes / 1000000 + 200))
	cpu_begin
	bench -n "$records" -s "$bytes" "$@" produce
	cpu_end
	settle "$system"
	kept || return 0
	sample MB/s "${columns[6]}"
	sample s/GB "$(per "$cpu / (${columns[3]} * $bytes / 1e9)")"
	sample p99_us "${columns[9]}"
}
row produce default floor 8
row_produce() { throughput 2000000 1024 -B 65000 -c 8 -a 1; }

# One record a request: k/s, µs of CPU for each, p99.
small() { # small CONNECTIONS ARGS...
	local connections=$1
	shift
	bench_topic
	cpu_begin
	bench -s 100 -c "$connections" -f 5 -t 2 "$@" tiny
	cpu_end
	settle "$system"
	kept || return 0
	sample k/s "$(per "${columns[3]} / ${columns[4]} / 1000")"
	sample us/request "$(per "$cpu * 1e6 / ${columns[3]}")"
	sample p99_us "${columns[9]}"
}
row small-1 default floor 1
row_small-1() { small 1 -a 1; }
row small-10 default floor 10
row_small-10() { small 10 -a 1; }
row small-100 default floor 100
row_small-100() { small 100 -a 1; }
row durable-1 durable - 1
row_durable-1() { small 1 -a all; }
row durable-100 durable - 100
row_durable-100() { small 100 -a all; }

# Reading what lies in the page cache, five times over.
cached() { # cached BYTES-A-FETCH
	local i records=0 seconds=0 mb=0
	name=$row-$pair
	bench_topic
	warm_cache 1800
	bench -n 1200000 -s 1024 -B 65000 -c 12 -a 1 produce
	sync -f "$out"
	cpu_begin
	for ((i = 0; i < 5; i++)); do
		bench -c 12 -F "$1" consume
		seconds=$(per "$seconds + ${columns[4]}")
		mb=$(per "$mb + ${columns[4]} * ${columns[6]}")
	done
	cpu_end
	settle "$system"
	kept || return 0
	sample MB/s "$(per "$mb / $seconds")"
	sample s/GB "$(per "$cpu / ($mb / 1000)")"
}
row fetch-1M default - 12
row_fetch-1M() { cached 1048576; }
row fetch-64K default - 12
row_fetch-64K() { cached 65536; }

# From end to end, 1 KB at a rate; and the time to the acknowledgement over a hundred partitions.
paced() { # paced MODE ARGS...
	local mode=$1
	shift
	bench_topic
	cpu_begin
	bench -s 1024 -t 2 "$@" "$mode"
	cpu_end
	settle "$system"
	kept || return 0
	sample p50_us "${columns[7]}"
	sample p99_us "${columns[9]}"
	sample p999_us "${columns[10]}"
	sample cpu% "$(per "$cpu * 100 / ${columns[4]}")"
}
row e2e-1k default - 1
row_e2e-1k() { paced e2e -a 1 -R 1000; }
row e2e-10k default - 1
row_e2e-10k() { paced e2e -a 1 -R 10000; }
row e2e-50k default - 1
row_e2e-50k() { paced e2e -a 1 -R 50000; }
row durable-paced durable - 100
row_durable-paced() { paced produce -a all -c 100 -R 1000; }

# The client that people have: librdkafka, its time and its CPU included in what it reaches.
client() { # client RECORDS BYTES ARGS...
	local records=$1 bytes=$2 mb
	shift 2
	bench_topic
	warm_cache $((records * bytes / 1000000 + 200))
	cpu_begin
	"$librdkafka/rdkafka_performance" -P -q -b "$broker" -t "$name" -c "$records" -s "$bytes" \
		-X linger.ms=5 "$@" >"$tmp/client" 2>&1
	cpu_end
	settle "$system"
	mb=$(sed -n 's/.* 0 failed) in .* and \([0-9.]*\) MB\/s, .*/\1/p' "$tmp/client")
	[ -n "$mb" ] || { diag "$row, $system: $(tail -n 3 "$tmp/client")"; exit 1; }
	kept || return 0
	sample MB/s "$mb"
	sample s/GB "$(per "$cpu / ($records * $bytes / 1e9)")"
}
row client-1K default - 12
row_client-1K() { client 1000000 1024 -a 1 -X batch.size=65536; }
row client-1K-all default - 12
row_client-1K-all() { client 1000000 1024 -a -1 -X batch.size=1048576; }
row client-64K default - 12
row_client-64K() { client 20000 65536 -a 1; }
row client-100 default - 12
row_client-100() { client 4000000 100 -a 1; }
row durable-client-1 durable - 1
row_durable-client-1() { client 300000 1024 -a -1; }
row durable-client-100 durable - 100
row_durable-client-100() { client 300000 1024 -a -1; }

# connect, ApiVersions, Metadata, close, 8 at a time.
row connect default - 1
row_connect() {
	local rate
	cpu_begin
	rate=$("$tools/connections" "${broker#*:}" churn 20000)
	cpu_end
	kept || return 0
	sample k/s "$(per "$rate / 1000")"
	sample us/connection "$(per "$cpu * 1e6 / 20000")"
}

# Committed offsets, one a request, five in flight on each of ten connections.
row commits default - 1
row_commits() {
	bench_topic
	cpu_begin
	IFS=$'\t' read -ra columns < <("$tools/commits" "${broker#*:}" "$name" 10 5 2)
	cpu_end
	[ ${#columns[@]} = 3 ] || { diag "$row, $system: commits failed"; exit 1; }
	settle "$system"
	kept || return 0
	sample k/s "$(per "${columns[0]} / ${columns[1]} / 1000")"
	sample us/request "$(per "$cpu * 1e6 / ${columns[0]}")"
	sample p99_us "${columns[2]}"
}

# Memory: all processes of a new node; with a thousand partitions; with 5000 idle connections too.
row memory own - 1000
row_memory() {
	local dir=$tmp/memory-$system
	fresh_node "$dir"
	sample_memory "$dir" idle_MB
	bench_topic
	sample_memory "$dir" partitions_MB
	coproc "$tools/connections" "${broker#*:}" hold 5000
	read -r _ <&"${COPROC[0]}"
	sample_memory "$dir" connections_MB
	kill "$COPROC_PID"
	wait "$COPROC_PID" 2>/dev/null
	node_down "$system" "$dir"
	rm -rf "$dir"
}
sample_memory() {
	mapfile -t pids < <(node_pids "$system" "$1")
	sample "$2" "$(per "$(pss_kb "${pids[@]}") / 1024")"
}
fresh_node() { # fresh_node DIR [KEY=VALUE...]: a node that answers from the page cache
	local settings=("${@:2}")
	[ "$system" = kafka ] || settings+=(odradek.flush=os)
	node_up "$system" "$1" "${broker#*:}" "${settings[@]}" || exit 1
}

# From the start of the programs to the first acknowledged record: an empty directory, a thousand
# partitions after a clean stop, the same after kill -9 with 2 GB of records in eight of them.
# Kafka's directory is formatted before; making ours is in the time.
row start own - 1000
row_start() {
	local dir=$tmp/start-$system
	[ "$system" = ours ] || kafka_format "$dir" "${broker#*:}"
	first_ack "$dir" first empty_ms
	bench_topic
	node_down "$system" "$dir"
	first_ack "$dir" "$name" clean_ms
	bench -n 2000000 -s 1024 -B 65000 -c 8 -a 1 produce
	crash "$dir"
	first_ack "$dir" "$name" killed_ms
	crash "$dir"
	rm -rf "$dir"
	sync -f "$out"
}
first_ack() { # first_ack DIR TOPIC METRIC
	local from=${EPOCHREALTIME/./} poller
	{
		until logbench -b "$broker" -n 1 -a all tiny "$2" >/dev/null 2>&1; do sleep 0.01; done
		echo "${EPOCHREALTIME/./}" >"$tmp/acked"
	} &
	poller=$!
	fresh_node "$1"
	wait "$poller"
	sample "$3" $((($(<"$tmp/acked") - from) / 1000))
}
crash() {
	case $system in
	kafka) apache_stop "$1" KILL ;;
	ours) "$1/1/svc/kill" "$1/1" ;;
	esac
}

# Members that do nothing but belong to a group: all join at once, then one dies. The classic
# protocol waits for more members twice, as long as group.initial.rebalance.delay.ms says: that is
# not counted.
belong() { # belong PROTOCOL MEMBERS: sets $columns, what groups prints
	local dir=$tmp/group-$system partitions
	read -r _ _ partitions <<<"${setup[$row]}"
	fresh_node "$dir" group.initial.rebalance.delay.ms=500 \
		group.consumer.session.timeout.ms=6000 group.consumer.min.session.timeout.ms=6000 \
		group.consumer.heartbeat.interval.ms=1000 group.consumer.min.heartbeat.interval.ms=1000 \
		group.consumer.max.size=5000
	bench_topic
	mapfile -t pids < <(node_pids "$system" "$dir")
	cpu_begin
	IFS=$'\t' read -ra columns < <("$tools/groups" "$broker" members "$1" "$name" "$partitions" \
		"$2" 6000)
	cpu_end
	[ ${#columns[@]} = 4 ] || { diag "$row, $system: groups failed"; exit 1; }
	node_down "$system" "$dir"
	rm -rf "$dir"
}
row group-classic own - 100
row_group-classic() {
	belong classic 20
	sample join_ms $((columns[0] - 1000))
	sample death_ms "${columns[2]}"
}
row group-consumer own - 100
row_group-consumer() {
	belong consumer 20
	sample join_ms "${columns[1]}"
	sample death_ms "${columns[2]}"
	sample taken "${columns[3]}"
}
row group-2000 own - 2000
row_group-2000() {
	belong classic 2000
	sample join_ms $((columns[0] - 1000))
	sample death_ms "${columns[2]}"
	sample cpu_s "$cpu"
}

# Ten thousand groups with an offset each. Memory is that of the program that has them, and so is
# the restart: Apache Kafka has no such program.
row group-10000 own - 1
row_group-10000() {
	local dir=$tmp/group-$system pid before after
	fresh_node "$dir"
	bench_topic
	"$tools/groups" "$broker" commit warm "$name" 1 >/dev/null || exit 1
	[ "$system" = kafka ] || {
		pid=$("$dir/1/svc/pids" "$dir/1" | awk '$1 == "groupcoord" { print $2 }')
		before=$(pss_kb "$pid")
	}
	sample commit_ms "$("$tools/groups" "$broker" commit many "$name" 10000)"
	if [ "$system" = ours ]; then
		after=$(pss_kb "$pid")
		sample bytes/group $(((after - before) * 1024 / 10000))
		kill -9 "$pid"
		sample load_ms "$("$tools/groups" "$broker" fetch many "$name" 10000)"
	fi
	node_down "$system" "$dir"
	rm -rf "$dir"
}

# A node kind at a time, the most telling first.
rows=(produce small-1 small-10 small-100 fetch-1M fetch-64K e2e-1k e2e-10k e2e-50k connect commits
	client-1K client-1K-all client-64K client-100 durable-1 durable-100 durable-paced durable-client-1
	durable-client-100 start memory group-classic group-consumer group-2000 group-10000
	grow-partitions grow-segments three-client three-e2e-1k three-e2e-10k three-client-disk
	three-e2e-1k-disk three-e2e-10k-disk three-start three-faults three-1000)
