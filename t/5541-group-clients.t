#!/bin/bash
# Members that are written in C, Python and Java, and logget: alone, and all in one group.
source t/lib.sh
ok 'a broker is up' broker_up -c group.initial.rebalance.delay.ms=0

declare -A pids
member() { # member CLIENT GROUP TOPIC [SETTING...]: in the background, its values in $tmp/CLIENT
	local client=$1
	case $client in
	kcat) exec kcat -b "$broker" -G "$2" -q -u -X auto.offset.reset=earliest \
		-X session.timeout.ms=6000 -X heartbeat.interval.ms=300 \
		-X auto.commit.interval.ms=200 "$3" ;;
	logget) exec logget -g "$2" "$3" ;;
	java) kafka_exec='exec' kafka_java libs OFF 128M t/clients/Member.java "$broker" "${@:2}" \
		heartbeat.interval.ms=300 session.timeout.ms=6000 ;;
	*) exec /usr/bin/python3 t/clients/member.py "$client" "$broker" "${@:2}" ;;
	esac >>"$tmp/$client" 2>"$tmp/$client.err" &
	pids[$client]=$!
}
end() { # end CLIENT...
	local client
	for client; do kill "${pids[$client]}"; done
	for client; do wait "${pids[$client]}" 2>/dev/null; done
}
shared_by() { # shared_by GROUP MEMBERS PARTITIONS: each member has some, together they have all
	local parts
	parts=$(group show "$1" 2>/dev/null | cut -f 12)
	[ "$(grep -c : <<<"$parts")" = "$2" ] &&
		[ "$(sed -n 's/.*://p' <<<"$parts" | tr ',' '\n' | grep -c .)" = "$3" ]
}
lines() { cat "${@:2}" 2>/dev/null | wc -l | grep -qx "$1"; }
sorted() { sort -n "$@" | md5sum; }
keyed() { sed 's/.*/&:&/' | logput -K : "$1"; }

topic make -p 3 alone
seq 300 | keyed alone
for client in kcat confluent kafka logget java; do
	member "$client" "alone-$client" alone
	ok "$client: a group of one" until_ok 30 shared_by "alone-$client" 1 3
	ok "$client: reads all" until_ok 30 lines 300 "$tmp/$client"
	end "$client"
	ok "$client: and leaves" until_ok 30 shared_by "alone-$client" 0 0
	is "$client: having committed it" \
		"$(group lag "alone-$client" | awk '{ n += $4 } END { print n }')" 300
	rm -f "$tmp/$client"
done

topic make -p 10 mixed
all=(kcat confluent kafka logget java)
for client in "${all[@]}"; do member "$client" mixed mixed; done
ok 'five kinds of members in one group' until_ok 60 shared_by mixed 5 10
seq 5000 | keyed mixed
cd "$tmp" || exit
ok 'they read all' until_ok 30 lines 5000 "${all[@]}"
is 'once' "$(sorted "${all[@]}")" "$(seq 5000 | md5sum)"
cd "$top" || exit
left=5
for client in kafka java; do
	kill -9 "${pids[$client]}"
	wait "${pids[$client]}" 2>/dev/null
	ok "$client is killed: the others have its partitions" until_ok 30 shared_by mixed $((--left)) 10
done
seq 5001 6000 | keyed mixed
ok 'and read on' until_ok 30 eval 'sort -n "$tmp"/{kcat,confluent,kafka,logget,java} | uniq |
	cmp -s - <(seq 6000)'
end kcat confluent logget
ok 'the rest leave' until_ok 30 shared_by mixed 0 0
done_testing
