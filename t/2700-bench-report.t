#!/bin/bash
# make bench: medians, and ratios of what was measured side by side.
source t/lib.sh
tr ' ' '\t' >"$tmp/samples" <<-SAMPLES
	row rate ours 1 30
	row rate kafka 1 10
	row rate floor 1 100
	row rate kafka 2 10
	row rate ours 2 10
	row rate floor 2 300
	row rate ours 3 80
	row rate kafka 3 20
	row rate floor 3 200
	row p99 ours 1 1
	row p99 kafka 1 2
	row p99 kafka 2 4
	row p99 ours 2 3
SAMPLES
awk -f t/bench/report.awk "$tmp/samples" >"$tmp/results"
is 'the header' "$(head -n 1 "$tmp/results")" $'ROW\tMETRIC\tOURS\tKAFKA\tFLOOR\tRATIO\tSPREAD'
is 'the median of three, the ratio of each pair' "$(grep rate "$tmp/results")" \
	$'row\trate\t30\t10\t200\t3\t1-4'
is 'of an even number the mean of the middle two; no floor' "$(grep p99 "$tmp/results")" \
	$'row\tp99\t2\t3\t-\t0.625\t0.5-0.75'
done_testing
