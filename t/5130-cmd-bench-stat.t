#!/bin/bash
# logbench measures what it did; logstat reads the page and agrees with the broker's answers.
source t/lib.sh
state_end() { topic show bench | awk '{ n += $9 } END { print n }'; }
lab_up || { fail 'a node starts'; done_testing; }
topic make -p 2 bench
is 'produce' "$(logbench -J -n 20000 -c 2 produce bench |
	jq -c '[.mode,.connections,.errors,.records>=20000]')" \
	'["produce",2,0,true]'
n=$(state_end)
is 'consume reads them all' "$(logbench -J -c 2 consume bench | jq .records)" "$n"
is 'tiny: a record a request' \
	"$(logbench -J -n 500 -c 4 -f 3 -a 1 tiny bench |
		jq -c '[.requests==.records,.p50>0,.p50<=.p99,.p99<=.max]')" \
	'[true,true,true,true]'
is 'acks 0 has no times' "$(logbench -J -n 1000 -a 0 produce bench | jq -c '[.p50,.errors]')" \
	'[null,0]'
is 'it ends in time' "$(logbench -t 1 produce bench | cut -f 5 | cut -d . -f 1)" 1
is 'columns' "$(logbench -H -n 1 tiny bench | head -n 1 | cut -f 1-7)" \
	$'MODE\tCONNECTIONS\tREQUESTS\tRECORDS\tSECONDS\tRATE\tMBS'
is 'an open loop keeps its rate: 600 records take 0.6 s or more' \
	"$(logbench -J -n 600 -R 1000 -c 3 -s 40 produce bench |
		jq -c '[.records,.seconds>=0.599,.requests<=.records,.p50>0,.errors]')" \
	'[600,true,true,true,0]'
is 'an open loop of single records' \
	"$(logbench -J -n 50 -R 500 -a 1 tiny bench | jq -c '[.records,.requests]')" '[50,50]'
is 'end to end' "$(logbench -J -n 300 -R 1000 -c 2 -s 100 e2e bench |
	jq -c '[.mode,.records,.errors,.p50>0,.p50<=.max]')" '["e2e",300,0,true,true]'
logbench -J -n 500 -R 500 -s 100 e2e bench >"$tmp/e2e" &
before=$(state_end)
goes_on() { [ "$(state_end)" -gt $((before + 20)) ]; }
until_ok 5 goes_on
lab pause -d "$lab" 1 logappend
sleep 0.4 # the stall itself
lab resume -d "$lab" 1 logappend
wait $!
is 'a stall is charged to the records that wait, not to one' \
	"$(jq -c '[.errors,.max>250000,.p95>100000]' "$tmp/e2e")" '[0,true,true]'
topic make -p 1 -c max.message.bytes=100 narrow
exits 'refused records are an error' 1 logbench -n 1 -s 1000 tiny narrow
exits 'no such topic' 1 logbench consume nothere
exits 'usage' 100 logbench -c 0 produce bench
exits 'no rate without answers' 100 logbench -R 10 -a 0 produce bench
exits 'no rate in consume' 100 logbench -R 10 consume bench
exits 'no room for the time' 100 logbench -s 15 e2e bench
exits 'nobody' 111 logbench -b 127.0.0.1:1 produce bench

state() { logstat "$lab/1" | grep '^bench' | sort; }
is 'start and end as the broker says' "$(state | cut -f 1,2,5,6)" \
	"$(topic show bench | cut -f 1,2,8,9)"
is 'role, flushed, high watermark, last stable' \
	"$(state | awk '{ print $3, $6 - $7, $6 - $8, $6 - $9 }' | sort -u)" 'leader 0 0 0'
is '-J' "$(logstat -J "$lab/1" | jq -c 'select(.topic=="narrow")|[.partition,.role,.end,.rate]')" \
	'[0,"leader",0,null]'
is 'totals' "$(logstat -tJ "$lab/1" | jq .records)" \
	"$(logstat "$lab/1" | awk '{ n += $6 - $5 } END { print n }')"
logbench -t 3 produce bench >/dev/null &
is 'rates' "$(logstat -t -i 1 -c 3 "$lab/1" | awk '$8 > 100 { n++ } END { print n }')" 2
wait $!
lab_down
like 'no node' "$(logstat "$tmp" 2>&1)" '^logstat: fatal: unable to read .*run/state: No such file'
done_testing
