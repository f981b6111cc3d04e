# shellcheck shell=bash
# Rows that show how cost grows with what a node has: a metric is measured at several sizes and
# named METRIC@SIZE. What a request costs should not depend on what it does not touch.
node_ticks() { # CPU of the node now, in ticks: processes come and go
	mapfile -t pids < <(node_pids "$system" "$dir")
	cpu_ticks "${pids[@]}"
}
spent() { # spent UNITS TICKS-BEFORE: µs of the node's CPU for each
	per "($(node_ticks) - $2) * 10000 / $1"
}
ms_since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }

# Ten partitions are used of as many as there are.
row grow-partitions alone - 0
row_grow-partitions() {
	local dir n from before
	for n in 1 100 1000 10000; do
		dir=$tmp/grow-$n name=grow
		fresh_node "$dir" file.delete.delay.ms=1000
		before=$(node_ticks) from=${EPOCHREALTIME/./}
		topic -b "$broker" make -p "$n" -r 1 "$name" || exit 1
		first_answers "$n"
		sample "create_ms@$n" "$(ms_since "$from")"
		until_ok 120 all_made "$n" # directories come later: their cost belongs here
		sample "create_cpu_ms@$n" "$(spent 1000 "$before")"
		before=$(node_ticks)
		bench -s 100 -c 10 -p 10 -f 5 -a 1 -n 200000 tiny
		sample "us/request@$n" "$(spent "${columns[2]}" "$before")"
		bench -c 10 -p 10 -F 16384 consume # what is read the first time is opened
		before=$(node_ticks)
		bench -c 10 -p 10 -F 16384 consume
		sample "us/fetch@$n" "$(spent "${columns[2]}" "$before")"
		before=$(node_ticks)
		sleep 5
		sample "idle_cpu_ms/s@$n" "$(spent 5000 "$before")"
		sample_memory "$dir" "MB@$n"
		node_down "$system" "$dir"
		first_ack "$dir" "$name" "start_ms@$n"
		from=${EPOCHREALTIME/./}
		node_down "$system" "$dir"
		sample "stop_ms@$n" "$(ms_since "$from")"
	done
	# Not before: ext4 looks long for inodes that were not deleted a moment ago.
	rm -rf "$tmp"/grow-*
	sync -f "$out"
}
all_made() { [ "$(find "$dir/1/log" -name "$name-*" | wc -l)" -ge "$1" ]; }
first_answers() { # until the last partition takes a record
	until_ok 120 logbench -b "$broker" -n 1 -a 1 tiny "$name" >/dev/null 2>&1 || exit 1
	until_ok 120 eval 'echo x | logput -b "$broker" -p '$(($1 - 1))' "$name" >/dev/null 2>&1' ||
		exit 1
}

# A partition of so many segments: an index that is full after a batch or two makes them.
row grow-segments alone - 1
row_grow-segments() {
	local dir=$tmp/grow n before segments from
	name=grow
	fresh_node "$dir"
	topic -b "$broker" make -p 1 -r 1 -c segment.index.bytes=24 -c index.interval.bytes=0 \
		"$name" || exit 1
	for n in 10 10000; do
		segments=$(count_segments)
		before=$(node_ticks)
		until [ "$(count_segments)" -ge "$n" ]; do
			bench -s 100 -c 1 -f 1 -a 1 -n $((n < 1000 ? 5 : 1000)) tiny
		done
		sample "us/roll@$n" "$(spent "$(($(count_segments) - segments))" "$before")"
		segments=$(count_segments)
		before=$(node_ticks)
		bench -s 1024 -a 1 -R 200 -t 2 e2e # a consumer at the end of a log that rolls
		sample "us/roll_read@$n" "$(spent "$(($(count_segments) - segments))" "$before")"
		before=$(node_ticks)
		bench -F 16384 consume
		sample "us/segment_read@$n" "$(spent "$(count_segments)" "$before")"
		sample_memory "$dir" "MB@$n"
		node_down "$system" "$dir"
		first_ack "$dir" "$name" "start_ms@$n"
		from=${EPOCHREALTIME/./}
		node_down "$system" "$dir"
		sample "stop_ms@$n" "$(ms_since "$from")"
		fresh_node "$dir"
	done
	node_down "$system" "$dir"
	rm -rf "$dir"
	sync -f "$out"
}
count_segments() { find "$dir/1/log/$name-0" -name '*.log' | wc -l; }
