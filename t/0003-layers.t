#!/bin/bash
# A file under lib/ includes its own directory and lower layers only, neither skalibs nor libowfat.
source t/lib.sh
declare -A layer=([base]=0 [wire]=1 [log]=2 [port]=2 [page]=2 [meta]=3 [fetch]=3 [replica]=3 [net]=3
	[coord]=4 [cli]=4)

for directory in lib/*/; do
	name=$(basename "$directory")
	[ -n "${layer[$name]:-}" ] || { fail "lib/$name is not a layer"; continue; }
	wrong=
	while IFS=: read -r file header; do
		other=${header%%/*}
		[ "$other" = "$name" ] && continue
		[ -n "${layer[$other]:-}" ] && [ "${layer[$other]}" -lt "${layer[$name]}" ] ||
			wrong+=" $file:$header"
	done < <(grep -oHE '^#[ ]*include "[^"]*"' "$directory"*.[ch] |
		sed -E 's/#[ ]*include "//; s/"$//')
	is "lib/$name includes lower layers only" "$wrong" ''
done

theirs=$(dpkg -L skalibs-dev libowfat-dev | sed -nE 's|^/usr/include/(x86_64-linux-gnu/)?||p' |
	grep '\.h$' | sort)
theirs_included=$(grep -ohE '^#[ ]*include <[^>]*>' lib/*/*.[ch] |
	sed -E 's/.*<(.*)>/\1/' | sort -u |
	comm -12 - <(echo "$theirs"))
is 'lib/ includes no header of skalibs or libowfat' "$theirs_included" ''
done_testing
