# results.tsv to the table of man/odradek-bench.7 (RESULTS).
BEGIN { FS = "\t" }
NR == 1 {
	print ".Bl -column durable-100 connections_MB odradek 00000 0000 0.0000 0.00000-0.0000"
	$0 = "row\tmetric\todradek\tKafka\tfloor\tratio\tspread"
}
{ printf ".It %s", $1 == last ? "\\&" : $1; for (i = 2; i <= 7; i++) printf " Ta %s", $i; print "" }
{ last = $1 }
END { print ".El" }
