#!/bin/bash
# replica, and what broker and topic say, on a node of ours beside two brokers that are played.
# shellcheck disable=SC2016
source t/lib.sh
source t/commands.sh
lab_up -c broker.session.timeout.ms=3000 -c replica.lag.time.max.ms=2000 ||
	{ fail 'a node starts'; done_testing; }

topic make -p 4 -r 1 moved
topic make -p 1 -r 1 -c min.insync.replicas=2 three
play() { # play ID...; sets $player
	python3 t/clients/players.py "$port" "$@" 2>>"$tmp/players" &
	player=$!
	at_exit kill -9 "$player"
}
serving() { [ "$(broker ls | grep -c serving)" = "$1" ]; }
leads() { [ "$(topic show "$1" | cut -f 3)" = "$2" ]; }
is_well() { [ -z "$(topic show -u "$1")" ]; }
replicas() { topic show "$1" | cut -f 5 | paste -sd' '; }
in_sync() { [ "$(topic show "$1" | cut -f 6)" = "$2" ]; }
apply_later() { # begins, and is interrupted
	timeout 2 replica apply "$1" >/dev/null 2>&1
	[ $? = 124 ]
}

is 'with one broker there is nothing to plan' "$(replica plan)" ''
is 'nor under way' "$(replica ls)" ''
play 2 3
ok 'three brokers' until_ok 20 serving 3

# plan, apply
replica plan moved >"$tmp/plan"
is 'a plan moves as few as it must' "$(wc -l <"$tmp/plan")" 3
is 'its columns' "$(cut -f 1,3 "$tmp/plan" | sort -u)" $'moved\t1'
is 'apply -n says the same' "$(replica apply -n "$tmp/plan" | cut -f 1-3)" \
	"$(cut -f 1,2,4 "$tmp/plan")"
is 'and does nothing' "$(replicas moved)" '1 1 1 1'
ok 'apply' timeout 60 replica apply "$tmp/plan"
is 'every broker has some' "$(topic show moved | cut -f 5 | sort -u | paste -sd' ')" '1 2 3'
is 'apply again: nothing is left' "$(replica apply -n "$tmp/plan")" ''
is 'nor planned' "$(replica plan moved)" ''
ok 'more replicas' timeout 60 replica plan -x -r 3 three
is 'which are all in sync' "$(topic show three | cut -f 6 | tr , '\n' | sort | paste -sd,)" 1,2,3
is 'and nothing is wrong with it' "$(topic show -u three)" ''
says 'not more than there are brokers' 1 '^replica: plan: there are not enough brokers for' \
	replica plan -r 4 three
says 'no such topic' 1 '^replica: plan: a topic of these is not there' replica plan nothere

# elections
printf 'three\t0\t-\t2,1,3\n' >"$tmp/order"
like 'another order, with progress on a terminal' \
	"$(script -qec "timeout 60 replica apply $tmp/order" /dev/null | tr '\r' '\n')" \
	'1 of 1 partitions are where they should be'
is 'the leader stays' "$(topic show three | cut -f 3)" 1
is 'until the first is elected' "$(replica elect three)" $'three\t0'
ok 'it leads' until_ok 10 leads three 2
is 'once' "$(replica elect three 0)" ''
is 'nobody needs an unclean leader' "$(replica elect -u three)" ''
says 'no such topic' 1 '^replica: elect nothere 0: UNKNOWN_TOPIC_OR_PARTITION' \
	replica elect nothere

# interrupted, resumed, cancelled: nobody follows while the players sleep
printf 'three\t0\t-\t1,2,3\n' | replica apply && replica elect three >/dev/null
printf 'moved\t%s\t1\t1,2\n' "$(topic show moved | awk '$5 == 1 { print $2; exit }')" >"$tmp/two"
kill -STOP "$player"
ok 'it waits, and is interrupted' apply_later "$tmp/two"
is 'it is under way' "$(replica ls | cut -f 1,3-5)" $'moved\t1,2\t2\t-'
kill -CONT "$player"
ok 'the same plan again' timeout 60 replica apply "$tmp/two"
is 'nothing is under way' "$(replica ls)" ''
ok 'the players are back' until_ok 20 serving 3
kill -STOP "$player"
sed 's/1,2$/1,3/' "$tmp/two" >"$tmp/three"
ok 'another begins' apply_later "$tmp/three"
ok 'and is cancelled' replica cancel moved
is 'it is not under way' "$(replica ls)" ''
is 'all is as it was' "$(topic show moved | awk '$5 ~ /^1,/ { print $5 }')" 1,2
ok 'the silent are out of the ISR' until_ok 20 in_sync three 1
is 'topic show -u' "$(topic show -u three | cut -f 1,6,10)" $'three\t1\tbelow-min'
kill -CONT "$player"
ok 'they come back' until_ok 20 serving 3
ok 'and are in sync' until_ok 20 is_well three

# a broker leaves
says 'three replicas need three brokers' 1 'not enough brokers' broker drain 3
topic rm three
broker drain 3 >"$tmp/drain"
is 'drain tells what is to leave' "$(cut -f 3 "$tmp/drain" | grep -c 3)" "$(wc -l <"$tmp/drain")"
is 'and where to' "$(cut -f 4 "$tmp/drain" | grep -c '[12]')" "$(wc -l <"$tmp/drain")"
ok 'drain -x' timeout 60 broker drain -x 3
is 'nothing is left on it' "$(topic show | awk '$5 ~ /3/' | wc -l)" 0
says 'no such broker' 1 '^broker: unregister 9: BROKER_ID_NOT_REGISTERED' broker unregister 9
kill -9 "$player"
wait "$player" 2>/dev/null
play 2
ok 'it is gone' until_ok 20 serving 2
ok 'unregister' broker unregister 3
is 'two are left' "$(broker ls | cut -f 1 | paste -sd,)" 1,2

says 'usage' 100 '^replica: usage: ' replica move
says 'a bad plan' 1 '^replica: apply: line 1 is not' replica apply <(echo nonsense)
done_testing
