#!/bin/bash
# run.sh [ROW...]: measures this tree's node and Apache Kafka's side by side; see odradek-bench(7).
# PAIRS=5 measurements of each system a row, taking turns. Rows are the functions of rows.sh.
# build/bench/samples.tsv has every number, results.tsv the medians, ROW.svg a plot of each row.
source t/lib.sh
source t/bench/nodes.sh
source t/bench/rows.sh
source t/bench/growth.sh
source t/bench/three.sh
pairs=${PAIRS:-5}
out=$top/build/bench
tools=$top/build/bench/bin
mkdir -p "$out"

# --- equal conditions ---
same_congestion_control() { # bbr, the default of some machines, halves the loopback
	local key=net.ipv4.tcp_congestion_control before
	before=$(sysctl -n $key)
	at_exit sysctl -qw "$key=$before"
	sysctl -qw $key=cubic || exit 111
}
warm_cache() { # the host of a virtual machine gives memory on first use only: take it before
	head -c "${1}M" /dev/zero >"$tmp/warm"
	rm "$tmp/warm"
}
settle() { # what the last measurement left is removed and written before the next begins
	local system=$1 deadline=$((SECONDS + 20))
	[ "$system" = floor ] || topic -b "$broker" rm "$name" || diag "$system: no rm of $name"
	while compgen -G "${log_dir[$system]}/$name-*" >/dev/null && [ $SECONDS -lt $deadline ]; do
		sleep 0.05
	done
	sync -f "$out"
}

# --- one measurement ---
busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat; }
client_ticks() { # of children that have ended
	awk '{ sub(/.*\) /, ""); print $14 + $15 }' "/proc/$BASHPID/stat"
}
sample() { # sample METRIC VALUE
	printf '%s\t%s\t%s\t%s\t%s\n' "$row" "$1" "$system" "$pair" "$2" >>"$out/samples.tsv"
}
forget() { # the numbers of an earlier run of a row
	touch "$out/samples.tsv"
	awk -F'\t' -v r="$1" '$1 != r' "$out/samples.tsv" >"$tmp/samples"
	cp "$tmp/samples" "$out/samples.tsv"
}
cpu_begin() {
	cpu_from=$(cpu_ticks "${pids[@]}") client_from=$(client_ticks) busy_from=$(busy_ticks)
	wall_from=${EPOCHREALTIME/./}
}
cpu_end() { # sets $cpu, seconds of the node; notes what others took, in percent of the machine
	local wall=$((${EPOCHREALTIME/./} - wall_from)) busy=$(($(busy_ticks) - busy_from))
	local node=$(($(cpu_ticks "${pids[@]}") - cpu_from))
	local client=$(($(client_ticks) - client_from))
	# shellcheck disable=SC2034 # the rows use it
	cpu=$(awk "BEGIN { print $node / 100 }")
	[ "$pair" = 0 ] || sample others% "$(awk "BEGIN { n = ($busy - $node - $client) / 100
		print 100 * (n > 0 ? n : 0) / ($wall / 1e6 * $(nproc)) }")"
}
measure() { # measure SYSTEM: the row's function with $system, $broker, $name, $pids set
	system=$1
	broker=${brokers[$system]}
	name=$row-$pair
	[ "$running" = '' ] || mapfile -t pids < <(node_pids "$system" "${node_dir[$system]}")
	"row_$row"
}

# --- the two nodes ---
declare -A brokers log_dir
start_nodes() { # start_nodes default|durable
	local kind=$1 settings
	[ "$running" != "$kind" ] || return 0
	stop_nodes
	running=$kind
	node_dir=([ours]=$tmp/$kind-ours [kafka]=$tmp/$kind-kafka [floor]=$tmp/floor)
	log_dir=([ours]=$tmp/$kind-ours/1/log [kafka]=$tmp/$kind-kafka/log [floor]=/nonexistent)
	[[ $kind != @(three|disk) ]] || count=3 log_dir[kafka]=$tmp/$kind-kafka/1/log
	settings=(odradek.flush=os)
	[[ $kind = @(default|three) ]] || settings=(odradek.flush=sync)
	node_up ours "${node_dir[ours]}" "$port" "${settings[@]}" || exit 1
	settings=(log.segment.delete.delay.ms=1000) # of topics that go: a minute otherwise
	[ "$kind" != durable ] || settings+=(log.flush.interval.messages=1)
	node_up kafka "${node_dir[kafka]}" $((port + 10)) "${settings[@]}" || exit 1
}
stop_nodes() {
	[ -n "$running" ] || return 0
	node_down ours "${node_dir[ours]}"
	node_down kafka "${node_dir[kafka]}"
	# shellcheck disable=SC2034 # of nodes.sh
	running='' count=1
}
floor_up() { # floor_up PARTITIONS
	mkdir -p "$tmp/floor"
	"$tools/floor" $((port + 20)) "$tmp/floor" "$1" &
	echo $! >"$tmp/floor/pid"
	at_exit kill $!
	until_ok 5 eval '! port_is_free $((port + 20))'
}
floor_down() {
	kill "$(cat "$tmp/floor/pid")"
	wait "$(cat "$tmp/floor/pid")" 2>/dev/null
	rm -rf "$tmp/floor"
}
bench_row() { # pair 0 warms the JVM up and is not kept
	local kind floor partitions systems
	row=$1
	read -r kind floor partitions <<<"${setup[$row]}"
	echo "$row" >&2
	if [ "$kind" = own ] || [ "$kind" = alone ]; then
		stop_nodes
	else
		start_nodes "$kind"
	fi
	[ "$floor" = - ] || floor_up "$partitions"
	for ((pair = 0; pair <= pairs; pair++)); do
		[[ $kind$pair != @(own|alone)0 ]] || continue # its nodes are new each time
		systems=(ours kafka)
		((pair % 2)) || systems=(kafka ours)
		[ "$kind" != alone ] || systems=(ours)
		[ "$floor" = - ] || systems+=(floor)
		for system in "${systems[@]}"; do measure "$system"; done
	done
	[ "$floor" = - ] || floor_down
}

running=
[ -n "${port:-}" ] || ports
brokers=([ours]=127.0.0.1:$port [kafka]=127.0.0.1:$((port + 10)) [floor]=127.0.0.1:$((port + 20)))
same_congestion_control
echo "load before: $(uptime)" >&2
[ $# -gt 0 ] || set -- "${rows[@]}"
librdkafka=${XDG_CACHE_HOME:-$HOME/.cache}/odradek/librdkafka-3.6.1
for row; do
	[[ $row != *client-* ]] || t/bench/librdkafka "$librdkafka" || exit 111
	[ -n "${setup[$row]:-}" ] || { diag "no row $row; rows: ${rows[*]}"; exit 100; }
	forget "$row"
	bench_row "$row"
	awk -f t/bench/report.awk "$out/samples.tsv" >"$out/results.tsv"
	grep "^$row	" "$out/results.tsv"
done
stop_nodes
echo "load after: $(uptime)" >&2
t/bench/plot.sh "$out"
