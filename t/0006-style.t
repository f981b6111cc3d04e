#!/bin/bash
# What can be checked about the text of the sources without taste.
source t/lib.sh
mapfile -t sources < <(find cmd lib svc t .ci Makefile -name '*.[ch]' -o -name '*.cc' -o \
	-name '*.sh' -o -name '*.t' -o -path 'svc/*' -type f -o -path '.ci/*' -o -name Makefile -o \
	-path t/need -o -path 't/kafka/*')
ok 'there are sources' test ${#sources[@]} -gt 10

is 'no line is longer than 100 characters' \
	"$(grep -nE '.{101}' "${sources[@]}" | cut -d: -f 1,2 | head -n 20)" ''
is 'no blanks at line ends' "$(grep -nE '[[:blank:]]+$' "${sources[@]}" | head -n 20)" ''
word='TO''DO|FIX''ME|XX''X'
is 'nothing says that it is unfinished' \
	"$(grep -nE "\\b($word)\\b" "${sources[@]}" | head -n 20)" ''

wrong=
for f in "${sources[@]}"; do
	case $f in
	*.c) [ -f "${f%.c}.h" ] || [[ $(head -n 1 "$f") = /\** ]] || wrong+=" $f" ;;
	*.h) [[ $(head -n 1 "$f") = /\** ]] || wrong+=" $f" ;;
	esac
done
is 'every C file, or its header, begins with its purpose' "$wrong" ''

wrong=
while read -r f; do
	gcc -fsyntax-only -x c -std=gnu11 -D_GNU_SOURCE -iquote lib -iquote build/gen \
		-iquote "$(dirname "$f")" -Wall -Wextra -Wno-unused-parameter "$f" 2>>"$tmp/headers" ||
		wrong+=" $f"
done < <(find lib cmd -name '*.h')
is 'every header compiles alone' "$wrong$(grep -m1 -v 'pragma once' "$tmp/headers")" ''

mapfile -t scripts < <(grep -lE '^#!/bin/(ba)?sh' "${sources[@]}")
ok 'shellcheck has no warning' shellcheck -S warning -e SC2154 "${scripts[@]}"
done_testing
