#!/bin/bash
# Three nodes, three replicas, two of them in sync at least: each node is stopped and started, then
# killed and started, while an idempotent producer with acks=all goes on. It sees no error; every
# record is there once and in order.
source t/lib.sh
ports
lab=$tmp/lab
at_exit lab_wreck "$lab"
lab start -n 3 -d "$lab" -p "$port" >/dev/null || { fail 'three nodes start'; done_testing; }
nodes=127.0.0.1:$port,127.0.0.1:$((port + 1)),127.0.0.1:$((port + 2))

in_sync() { # every partition has three replicas in sync, in the eyes of node 1
	[ "$(topic -b "$nodes" show "$1" 2>/dev/null | awk '{ print split($6, a, ",") }' | sort -u)" = 3 ]
}
roll() { # roll NAME TOPIC COMMAND: COMMAND on each node in turn, up again, all in sync
	local n producer status
	topic -b "$nodes" make -p 6 -r 3 "$2" >/dev/null
	mkfifo "$tmp/$2"
	t/clients/through.py "$nodes" "$2" 6 <"$tmp/$2" >"$tmp/$2.out" 2>"$tmp/$2.err" &
	producer=$!
	exec {go}>"$tmp/$2"
	for n in 1 2 3; do
		lab "$3" -d "$lab" "$n" >/dev/null || fail "$1: node $n"
		lab up -d "$lab" "$n" >/dev/null || fail "$1: node $n is up"
		until_ok 20 in_sync "$2" || fail "$1: all are in sync after node $n"
	done
	echo end >&"$go"
	exec {go}>&-
	wait "$producer"
	status=$?
	diag "$1: $(cat "$tmp/$2.out")"
	is "$1: all acknowledged, all there once, in order" "$status" 0 || diag "$(cat "$tmp/$2.err")"
}
roll 'stopped' stopped stop
roll 'killed' killed kill
ok 'stop' lab stop -d "$lab"
for n in 1 2 3; do
	ok "node $n: no file is damaged" logcheck "$lab/$n/log"/stopped-* "$lab/$n/log"/killed-*
done
differ=
for partition in stopped-{0..5} killed-{0..5}; do
	for n in 1 2 3; do logdump "$lab/$n/log/$partition" | md5sum; done | sort -u | wc -l |
		grep -qx 1 || differ+=" $partition"
done
is 'replicas hold the same' "$differ" ''
done_testing
