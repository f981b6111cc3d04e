#!/bin/bash
# Two thousand partitions: made, written, stopped, killed; limits that catch what grows with the
# square of their number.
source t/lib.sh
ulimit -Sn 1024 # what most machines begin with: the programs raise it themselves
lab_up
count() { timeout 30 logget -e many | sort -u | wc -l; }
all_there() { [ "$(count)" = 5000 ]; }
# make, whose answer waits for logappend, is over within the lease
ok 'make' timeout 3 topic make -p 2000 many
unlike 'the node was not fenced' "$(cat "$lab/1/logs/elect/current")" 'silent'
seq 5000 | awk '{ print "k" $1 ":" $1 }' | ok 'produce to all' timeout 60 logput -i -K : many
is 'all records' "$(count)" 5000
ok 'clean stop' timeout 20 lab stop -d "$lab"
ok 'the marker is there' test -e "$lab/1/log/.kafka_cleanshutdown"
is 'every partition is' "$(find "$lab/1/log" -maxdepth 1 -name 'many-*' | wc -l)" 2000
ok 'start' timeout 30 lab start -d "$lab" -p "$port"
is 'all records' "$(count)" 5000
lab kill -d "$lab" 1 logappend
ok 'after kill -9 too' until_ok 30 all_there
done_testing
