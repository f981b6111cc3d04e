#!/bin/bash
# Every program has a page: clean, complete, with its options, and pages refer only to what exists.
source t/lib.sh
shopt -s nullglob
for program in build/bin/*; do
	name=${program##*/}
	pages=(man/"$name".[18])
	is "$name has one page" "${#pages[@]}" 1
	ok "$name is in the index of odradek(7)" grep -q "^\.It Xr $name [18]" man/odradek.7
done

is 'mandoc has no warning' "$(mandoc -T lint -W warning man/*.[1-8] 2>&1 | head -n 20)" ''

for page in man/*.[18]; do
	lacks=
	for section in NAME SYNOPSIS DESCRIPTION OPTIONS ENVIRONMENT FILES 'EXIT STATUS' EXAMPLES \
		'SEE ALSO'; do
		grep -qx "\.Sh $section" "$page" || lacks+=" $section"
	done
	is "$page has all sections" "$lacks" ''
done

lost=
while IFS=: read -r page reference; do
	read -r name section _ <<<"$reference"
	case $name.$section in
	*.2 | *.3 | unix.7 | s6* | execline* | kcat* | mandoc* | strace*) continue ;;
	esac
	[ -f "man/$name.$section" ] || lost+=" $page:$name($section)"
done < <(grep -oE '^\.Xr [^ ]+ [0-9]' man/*.[1-8] | sed 's/:\.Xr /:/')
is 'cross references lead somewhere' "$lost" ''

# An option letter is known by the option string given to subgetopt, getopt or getopts.
for source in cmd/*.c cmd/*/ cmd/*.sh; do
	name=$(basename "${source%.*}")
	page=$(echo man/"$name".[18])
	[ -f "$page" ] || continue
	letters=$(grep -rhoE '(subgetopt_r|getopt)\([^"]*"[^"]*"|getopts +[":a-zA-Z0-9]+|letters=[^ ]+' \
		"$source" | sed -E 's/^subgetopt_r\([^"]*|^getopt\([^"]*|^getopts +|^letters=//' |
		tr -cd 'a-zA-Z0-9' | fold -w1 | sort -u)
	undocumented=
	for letter in $letters; do
		grep -qE "^\.It Fl $letter( |$)" "$page" || undocumented+=" -$letter"
	done
	is "$name: every option is documented" "$undocumented" ''
done
done_testing
