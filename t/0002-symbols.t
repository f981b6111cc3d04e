#!/bin/bash
# No global name of lib.a is one of skalibs or libowfat: the linker would silently take either.
source t/lib.sh
globals() { nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u; }
globals build/lib.a >"$tmp/ours"
ok 'lib.a has globals' test -s "$tmp/ours"
for library in skarnet owfat; do
	globals "$(gcc -print-file-name=lib$library.a)" >"$tmp/theirs"
	ok "lib$library.a has globals" test -s "$tmp/theirs"
	is "none is in lib$library.a" "$(comm -12 "$tmp/ours" "$tmp/theirs" | tr '\n' ' ')" ''
done
done_testing
