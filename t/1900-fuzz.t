#!/bin/bash
# The decoders against bytes that nobody meant, under ASan and UBSan: each target for FUZZ_SECONDS,
# two at a time. What they find lies in build/fuzz/found; build/fuzz/corpus grows from run to run.
# A target may put inputs to begin with into the directory $SEEDS before it starts.
source t/lib.sh
seconds=${FUZZ_SECONDS:-30}
mkdir -p build/fuzz/found

fuzz() { # fuzz NAME
	local corpus=build/fuzz/corpus/$1 seeds=()
	if [ ! -d "$corpus" ]; then
		mkdir -p "$corpus"
		SEEDS=$corpus "build/fuzz/$1" -runs=0 >"$tmp/$1" 2>&1 || :
	fi
	[ ! -d "t/fuzz/$1" ] || seeds=("t/fuzz/$1")
	"build/fuzz/$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/found/$1-" "$corpus" "${seeds[@]}" >"$tmp/$1" 2>&1
	echo $? >"$tmp/$1.exit"
}
targets=(t/fuzz/*.c)
for ((i = 0; i < ${#targets[@]}; i++)); do
	[ "$i" -lt 2 ] || wait -n
	fuzz "$(basename "${targets[i]}" .c)" &
done
wait
for target in "${targets[@]}"; do
	name=$(basename "$target" .c)
	is "$name ran $seconds s" "$(cat "$tmp/$name.exit")" 0 || diag "$(tail -n 40 "$tmp/$name")"
	diag "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$name") inputs"
done
done_testing
