#!/bin/bash
# make install: all of it in one place, and one program that knows the place.
source t/lib.sh
ok 'make install' make install PREFIX="$tmp/usr"
is 'bin holds one program' "$(ls "$tmp/usr/bin")" odradek
is 'lib/odradek holds the others, and svc' "$(ls "$tmp/usr/lib/odradek")" \
	"$({ ls build/bin; echo svc; } | grep -vx odradek | sort)"
PATH=/usr/bin:/bin
odradek=$tmp/usr/bin/odradek
is 'it puts them on PATH' "$("$odradek" sh -c 'command -v lab')" "$tmp/usr/lib/odradek/lab"
exits 'usage' 100 "$odradek"
ports
lab=$tmp/lab
at_exit lab_wreck "$lab"
ok 'a node of the installed programs' "$odradek" lab start -d "$lab" -p "$port"
gate=$("$odradek" lab pids -d "$lab" | awk '$2 == "gate" { print $3 }')
is 'is made of them' "$(readlink "/proc/$gate/exe")" "$tmp/usr/lib/odradek/gate"
ok 'topic' "$odradek" topic make -b "127.0.0.1:$port" installed
is 'answers' "$("$odradek" topic ls -b "127.0.0.1:$port" | cut -f1)" installed
ok 'stop' "$odradek" lab stop -d "$lab"
done_testing
