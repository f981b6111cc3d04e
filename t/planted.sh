#!/bin/bash
# Builds a copy of the tree with one bug of lib/base/planted.h after the other and shows whether the
# test named there finds it: make plant, or make plant PLANT='NAME...'. Bugs of the group
# coordinator are in t/plant.sh.
source t/lib.sh
copy=$top/build/plant
plants() { sed -nE 's|^\t([A-Z_]+), */\* ([^: ]+).*|\1 \2|p' lib/base/planted.h; }
rm -rf "$copy"
mkdir -p "$copy/build"
cp -Rp Makefile README LICENSE cmd lib man svc t "$copy"
for d in build/*; do
	case $d in build/plant | build/tmp | build/bench) ;; *) cp -Rp "$d" "$copy/build" ;; esac
done
names=" $* "
plants | while read -r name number; do
	[ $# = 0 ] || [[ $names = *" $name "* ]] || continue
	(cd "$copy" && grep -rlw PLANTED lib cmd | xargs touch)
	test=t/$number.t
	targets=(all build/crash/step build/crash/drive build/crash/shim-fault.so)
	[ ! -f "t/$number.c" ] || targets=(build/t/"$number".t) test=${targets[0]}
	make -C "$copy" --no-print-directory "${targets[@]}" "CPPFLAGS=-DPLANT=$name" \
		>"$tmp/make" 2>&1 || {
		fail "$name: does not build"
		diag "$(tail "$tmp/make")"
		continue
	}
	if (cd "$copy" && timeout -k 9 200 prove "$test" >"$tmp/out" 2>&1); then
		fail "$name: not found by $number"
	else
		pass "$name: found by $number"
	fi
done
rm -rf "$copy"
done_testing
