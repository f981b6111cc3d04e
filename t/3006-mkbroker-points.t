#!/bin/bash
# mkbroker is killed before each call that changes files: run again it makes the same node as a run
# that nobody kills, and the node that a first run has completed is refused, as ever.
source t/lib.sh
step=$top/build/crash/step
at_exit lab_wreck "$tmp/n"
make=(mkbroker -p 23590 -c num.partitions=3 "$tmp/n/1")
fresh() {
	[ ! -h "$tmp/n/1/run" ] || rm -rf "$(readlink "$tmp/n/1/run")"
	rm -rf "$tmp/n"
	mkdir "$tmp/n"
}
parts() { # all there is; ids are new each time
	(cd "$tmp/n/1" && find . run/ -printf '%p %y\n' | sort &&
		sed -E 's/^((cluster|directory).id=).{22}$/\1/' log/meta.properties && head env/*)
}
fresh
"$step" 0 "$tmp/count" "${make[@]}" >"$tmp/out" 2>&1
is 'a run without a kill' $? 0
read -r last _ <"$tmp/count"
parts >"$tmp/want"
wrong=
for ((n = 1; n <= last; n++)); do
	fresh
	"$step" "$n" "$tmp/count" mkbroker -c left.by=it -c num.partitions=4 "${make[@]:1}" \
		>/dev/null 2>&1
	[ $? = 137 ] || wrong+="$n: not killed; "
	"${make[@]}" >"$tmp/out" 2>&1 || wrong+="$n ($(cut -d' ' -f2 "$tmp/count")): $(cat "$tmp/out"); "
	parts 2>&1 | cmp -s - "$tmp/want" || wrong+="$n: other parts; "
done
is "killed before each of $last calls" "$wrong" ''
ok 'there are some' test "$last" -gt 30
done_testing
