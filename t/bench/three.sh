# shellcheck shell=bash
# Rows of three nodes, replication factor 3, min.insync.replicas 2, acks all. In the rows -disk ours
# answers when a majority has it on disk, Apache Kafka as ever from the page cache.
for kind in three disk; do
	suffix=${kind/three/} suffix=${suffix:+-$suffix}
	row "three-client$suffix" "$kind" - 12
	row "three-e2e-1k$suffix" "$kind" - 1
	row "three-e2e-10k$suffix" "$kind" - 1
done
row_three-client() { client 300000 1024 -a -1; }
row_three-client-disk() { row_three-client; }
row_three-e2e-1k() { paced e2e -a all -R 1000; }
row_three-e2e-1k-disk() { row_three-e2e-1k; }
row_three-e2e-10k() { paced e2e -a all -R 10000; }
row_three-e2e-10k-disk() { row_three-e2e-10k; }

# shellcheck disable=SC2034 # nodes.sh uses $count
three_up() { # a new cluster in $dir; sets $at, its ports
	local settings=()
	count=3
	[ "$system" = kafka ] || settings=(odradek.flush=sync)
	node_up "$system" "$dir" "${broker#*:}" "${settings[@]}" || exit 1
	at=${broker#*:} at=$at,$((at + 1)),$((at + 2))
}
# shellcheck disable=SC2034
three_down() {
	node_down "$system" "$dir"
	count=1
	rm -rf "$dir"
	sync -f "$out"
}
one_pids() { # one_pids NODE
	case $system in
	kafka) cat "$dir/$1/pid" ;;
	ours) "$dir/1/svc/pids" "$dir/$1" | cut -f 2 ;;
	esac
}
one_back() { # one_back NODE, after a kill -9
	case $system in
	kafka) wait "$(cat "$dir/$1/pid")" 2>/dev/null; kafka_again "$dir/$1" ;;
	ours) lab up -d "$dir" "$1" >/dev/null || exit 1 ;;
	esac
}
gap() { "$top/t/bench/gap.py" "$at" "$name" "$@"; }
controller() { "$top/t/bench/gap.py" "$at" - 0 controller; }
other() { # a node that is not the active controller
	local c
	c=$(controller)
	echo $((c % 3 + 1))
}
whole() { # until every node is in every ISR
	local n
	for n in 1 2 3; do gap "$1" joined "$n" true >/dev/null || exit 1; done
}
measured() { # measured METRIC CMD...: a sample of what CMD prints
	local ms
	ms=$("${@:2}") || { diag "$row, $system: $1"; exit 1; }
	sample "$1" "$ms"
}
hurt() { # hurt METRIC SIGNAL NODE: ms to the next acknowledgement on every partition
	local pids
	mapfile -t pids < <(one_pids "$3")
	measured "$1" gap 12 acks kill "-$2" "${pids[@]}"
	if [ "$2" = STOP ]; then
		kill -CONT "${pids[@]}"
	else
		one_back "$3"
	fi
	whole 12
}

# From nothing to the first acknowledged record, and the memory of all after some load. Formatting
# is not in the time of Apache Kafka's nodes.
row three-start own - 12
row_three-start() {
	local dir=$tmp/three-$system at from
	name=first
	[ "$system" = ours ] || three_format "$dir" "${broker#*:}" || exit 1
	from=${EPOCHREALTIME/./}
	three_up
	until_ok 120 eval 'logbench -b "$broker" -n 1 -a all tiny first >/dev/null 2>&1' || exit 1
	sample ready_ms $(((${EPOCHREALTIME/./} - from) / 1000))
	name=load
	bench_topic
	bench -n 500000 -s 1024 -B 65000 -c 12 -a all produce
	sample_memory "$dir" load_MB
	three_down
}

# What a client sees of each fault: see gap.py.
row three-faults own - 12
row_three-faults() {
	local dir=$tmp/three-$system at pids
	three_up
	bench_topic
	whole 12
	hurt kill_node_ms KILL "$(other)"
	hurt kill_controller_ms KILL "$(controller)"
	if [ "$system" = ours ]; then
		mapfile -t pids < <("$dir/1/svc/pids" "$dir/1" | awk '$1 == "logappend" { print $2 }')
		measured kill_logappend_ms gap 12 acks kill -KILL "${pids[@]}"
		whole 12
	fi
	hurt stop_node_ms STOP "$(other)"
	hurt stop_controller_ms STOP "$(controller)"
	mapfile -t pids < <(one_pids "$(coordinator)")
	measured commit_gap_ms gap 12 commits kill -KILL "${pids[@]}"
	three_down
}
coordinator() { "$top/t/bench/gap.py" "$at" - 0 coordinator; }

# A thousand partitions: leaders of a killed node have moved; it is back in every ISR.
row three-1000 own - 1000
row_three-1000() {
	local dir=$tmp/three-$system at pids node
	three_up
	bench_topic
	whole 1000
	node=$(other)
	mapfile -t pids < <(one_pids "$node")
	measured moved_ms gap 1000 moved "$node" kill -KILL "${pids[@]}"
	one_back "$node" &
	measured joined_ms gap 1000 joined "$node" true
	wait $!
	three_down
}
