# samples.tsv (row, metric, system, pair, value) to results.tsv: row, metric, the medians of ours,
# Kafka and the floor, the median of the pairs' ratios ours/Kafka, and the least and most of them.
function median(list, a, n, i, j, v) {
	n = split(list, a, " ")
	for (i = 2; i <= n; i++) {
		v = a[i] + 0
		for (j = i - 1; j > 0 && a[j] + 0 > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
	least = a[1]; most = a[n]
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
function digits(v) { return sprintf(v >= 1000 ? "%.0f" : "%.3g", v) }
function show(list) { return list == "" ? "-" : digits(median(list)) }
BEGIN { FS = OFS = "\t"; print "ROW", "METRIC", "OURS", "KAFKA", "FLOOR", "RATIO", "SPREAD" }
{
	k = $1 FS $2
	if (!(k in seen)) { seen[k] = 1; keys[++n] = k }
	all[k, $3] = all[k, $3] " " $5
	at[k, $3, $4] = $5
	pairs[k] = $4 > pairs[k] ? $4 : pairs[k]
}
END {
	for (i = 1; i <= n; i++) {
		k = keys[i]
		ratios = ""
		for (p = 1; p <= pairs[k] && k !~ /others%$/; p++)
			if ((k, "ours", p) in at && at[k, "kafka", p] + 0 > 0)
				ratios = ratios " " at[k, "ours", p] / at[k, "kafka", p]
		ratio = show(ratios)
		spread = ratio == "-" ? "-" : digits(least) "-" digits(most)
		print k, show(all[k, "ours"]), show(all[k, "kafka"]), show(all[k, "floor"]), ratio, spread
	}
}
