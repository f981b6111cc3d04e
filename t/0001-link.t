#!/bin/bash
# Every binary is linked with one of skalibs and libowfat: with both it would crash, silently built.
source t/lib.sh

archive() { # the file that the linker would take for -lNAME
	gcc -print-file-name="lib$1.a"
}
defined() { nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u; }
defined "$(archive skarnet)" >"$tmp/skarnet"
defined "$(archive owfat)" >"$tmp/owfat"
comm -23 "$tmp/skarnet" "$tmp/owfat" >"$tmp/skarnet-only"
comm -13 "$tmp/skarnet" "$tmp/owfat" >"$tmp/owfat-only"
ok 'the archives were read' test -s "$tmp/skarnet-only" -a -s "$tmp/owfat-only"

uses() { # uses BINARY LIST: its symbols that are in LIST
	{ nm "$1"; nm -D "$1"; } 2>/dev/null | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u |
		comm -12 - "$2"
}
codec='^(ZSTD_|LZ4|snappy_|inflate|deflate)'
for binary in build/bin/*; do
	name=${binary##*/}
	[ "$(head -c 4 "$binary")" = $'\x7fELF' ] || continue
	needed=$(readelf -d "$binary" | grep NEEDED)
	if [ "$name" = gate ]; then
		is "$name: nothing of skalibs" "$(uses "$binary" "$tmp/skarnet-only" | tr '\n' ' ')" ''
		unlike "$name: libskarnet is not needed" "$needed" skarnet
	else
		is "$name: nothing of libowfat" "$(uses "$binary" "$tmp/owfat-only" | tr '\n' ' ')" ''
		unlike "$name: libowfat is not needed" "$needed" owfat
	fi
	case $name in
	gate | dial | logappend | logsync | logserve | logwarm | replicate | metaserve | elect | \
		txncoord | groupcoord)
		unlike "$name: no codec" "$(nm "$binary" | awk '{ print $NF }' | grep -E "$codec")" .
		;;
	esac
done
done_testing
