#!/bin/bash
# plot.sh DIRECTORY: an SVG for each row of DIRECTORY/results.tsv, a panel for each metric: ours,
# Apache Kafka's, the floor.
cd "$1" || exit 111
for row in $(tail -n +2 results.tsv | cut -f 1 | uniq); do
	mapfile -t metrics < <(awk -F'\t' -v r="$row" \
		'$1 == r && $2 != "others%" { print $2 }' results.tsv)
	{
		echo "set terminal svg size $((300 * ${#metrics[@]})),300; set output '$row.svg'"
		echo "set multiplot layout 1,${#metrics[@]} title '$row'"
		echo 'unset key; set style fill solid 0.6; set boxwidth 0.7; set yrange [0:*]'
		echo 'set xrange [-0.6:2.6]; set grid y'
		for metric in "${metrics[@]}"; do
			echo "set title '$metric' noenhanced"
			echo '$data << EOD'
			awk -F'\t' -v r="$row" -v m="$metric" '$1 == r && $2 == m {
				print 0, "odradek", $3; print 1, "kafka", $4
				if ($5 != "-") print 2, "floor", $5 }' results.tsv
			echo EOD
			echo 'plot $data using 1:3:xtic(2) with boxes lc rgb "#3060a0"'
		done
		echo 'unset multiplot'
	} | gnuplot
done
