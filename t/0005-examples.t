#!/bin/bash
# Every literal block under EXAMPLES of every page runs as it is written: by bash -e, in an empty
# directory but for `lab`, the directory of a running node, which ODRADEK_BROKERS names; it has a
# topic `orders` of two partitions with a hundred records. So does the tour in README.
source t/lib.sh
shopt -s nullglob

blocks() { # blocks PAGE: its literal blocks under EXAMPLES as $tmp/block.N
	rm -f "$tmp"/block.*
	[ "$1" != README ] || sed -n '/^FIVE MINUTES/,/^WHERE/s/^    //p' README >"$tmp/block.tour"
	awk -v out="$tmp/block." '
		/^\.Sh / { inside = $0 == ".Sh EXAMPLES" }
		inside && /^\.Ed/ { literal = 0 }
		literal { print > (out n) }
		inside && /^\.Bd -literal/ { literal = 1; n++ }' "$1"
	local block
	for block in "$tmp"/block.*; do sed -i -e 's/\\&//g' -e 's/\\-/-/g' -e 's/\\e/\\/g' "$block"; done
}

if ! lab_up -c num.partitions=2; then fail 'a node starts'; done_testing; fi
seq 100 | sed 's/.*/customer-&:{"order":&}/' |
	kcat -b "$ODRADEK_BROKERS" -P -t orders -K : -X acks=all 2>"$tmp/kcat" ||
	diag "$(cat "$tmp/kcat")"
for page in man/*.[1-8] README; do
	blocks "$page"
	for block in "$tmp"/block.*; do
		scratch=$tmp/scratch
		mkdir "$scratch"
		ln -s "$lab" "$scratch/lab"
		run_block() { (cd "$scratch" && timeout 60 bash -e -o pipefail "$block" </dev/null); }
		ok "$page, block ${block##*.}" run_block || diag "$(cat "$block")"
		for other in "$scratch"/*/1/env; do
			other=${other%/1/env}
			[ -L "$other" ] || lab_wreck "$other"
		done
		rm -rf "$scratch"
		lab start -d "$lab" >/dev/null 2>&1 || fail "the node lives after $page"
	done
done
done_testing
