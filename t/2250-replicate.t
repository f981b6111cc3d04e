#!/bin/bash
# replicate TOPIC PARTITION | logappend -f -d DIR: a copy that is the same byte for byte, from a
# node of ours and from Apache Kafka: compressed, in transactions, with gaps, resumed, followed.
source t/lib.sh
log=$tmp/copy
mkdir "$log"
copy() { # copy TOPIC [OPTION...]
	local topic=$1
	shift
	replicate "$@" -r "$log/$topic-0" "$topic" 0 | logappend -f -d "$log/$topic-0"
	[ "${PIPESTATUS[*]}" = '0 0' ]
}
batches() { cat "$1"/*.log; }
offsets() { logdump "$1" | cut -f2; }

produce() { # every codec, then transactions that commit and abort
	/usr/bin/python3 - "$1" "$2" <<-'P'
		import sys
		from confluent_kafka import Producer
		broker, topic = sys.argv[1:]
		for codec in 'none', 'gzip', 'snappy', 'lz4', 'zstd':
		    p = Producer({'bootstrap.servers': broker, 'compression.codec': codec,
		                  'enable.idempotence': True})
		    for i in range(300):
		        p.produce(topic, b'%d ' % i * 20, codec.encode(), 0)
		    p.flush()
	P
}
transactions() {
	/usr/bin/python3 - "$1" "$2" <<-'P'
		import sys
		from confluent_kafka import Producer
		broker, topic = sys.argv[1:]
		p = Producer({'bootstrap.servers': broker, 'transactional.id': 'copied'})
		p.init_transactions(60)
		for n in range(6):
		    p.begin_transaction()
		    for i in range(20):
		        p.produce(topic, b'%d' % i, b'%d' % n, 0)
		    p.flush()
		    p.abort_transaction(60) if n % 3 == 1 else p.commit_transaction(60)
	P
}

# --- a node of ours ----------------------------------------
lab_up || { fail 'a node'; done_testing; }
original=$lab/1/log
ok 'topics' topic make -p 1 -c segment.bytes=1048576 plain empty gaps
produce "$ODRADEK_BROKERS" plain
ok 'a copy' copy plain
ok 'the same bytes' cmp <(batches "$original/plain-0") <(batches "$log/plain-0")
is 'no damage' "$(logcheck "$log/plain-0")" ''
ok 'the same epochs' cmp {"$original","$log"}/plain-0/leader-epoch-checkpoint
cp -r "$log/plain-0" "$tmp/before"
ok 'once more' copy plain
ok 'nothing to do, nothing done' diff -r -x '*.snapshot' -x '*index' "$log/plain-0" "$tmp/before"
seq 1000 | logput plain
ok 'resumed' copy plain
ok 'the same bytes again' cmp <(batches "$original/plain-0") <(batches "$log/plain-0")
ok 'nothing in it' copy empty
is 'an empty copy' "$(logdump "$log/empty-0")" ''

replicate -o 1700 plain 0 >"$tmp/00000000000000000000.log"
first=$(offsets "$tmp/00000000000000000000.log" | head -n 1)
ok 'from an offset: its batch is the first' test "$first" -le 1700 -a "$first" -ge 1500

# the leader's log loses its front
topic trim -x plain 0 1000 >"$tmp/trim"
exits 'a copy that was away too long goes on where the log begins' 0 \
	bash -c "replicate -o 5 plain 0 2>'$tmp/words' | logappend -f -d '$log/late-0'"
like 'and it is said' "$(cat "$tmp/words")" 'offset 5 is gone: going on at 1000'
is 'the copy begins there' "$(offsets "$log/late-0" | awk '$1 >= 1000' | head -n 1)" 1000
replicate plain 0 | logappend -f -d "$log/trimmed-0"
is 'a copy of a trimmed log' "$(offsets "$log/trimmed-0" | awk '$1 >= 1000' | cksum)" \
	"$(seq 1000 2499 | cksum)"

# a log with gaps, as compaction leaves them
seq 3000 | logput -B 500 gaps
lab stop -d "$lab"
/usr/bin/python3 - "$original/gaps-0" <<-'P'
	import glob, struct, sys
	out = b''
	for name in sorted(glob.glob(sys.argv[1] + '/*.log')):
	    data = open(name, 'rb').read()
	    while data:
	        n = 12 + struct.unpack('>i', data[8:12])[0]
	        if struct.unpack('>q', data[:8])[0] % 3:
	            out += data[:n]
	        data = data[n:]
	open(sys.argv[1] + '.gaps', 'wb').write(out)
P
find "$original/gaps-0" -name '0*' -delete
logappend -f -d "$original/gaps-0" <"$original/gaps-0.gaps"
rm "$original/gaps-0.gaps"
lab start -d "$lab" >"$tmp/lab.out" 2>&1
ok 'gaps' copy gaps
ok 'are where they were' cmp <(batches "$original/gaps-0") <(batches "$log/gaps-0")
ok 'there are some' test "$(offsets "$log/gaps-0" | wc -l)" -lt 3000

# following
replicate -f plain 0 >"$tmp/followed" &
follower=$!
size() { stat -c %s "$1"; }
whole() { [ "$(size "$tmp/followed")" = "$(replicate plain 0 | wc -c)" ]; }
ok 'follows to the end' until_ok 20 whole
seq 10 | logput plain
ok 'and what comes' until_ok 20 whole
lab kill -d "$lab" 1 logappend
seq 10 | logput plain
ok 'when the writer was killed' until_ok 20 whole
kill "$follower"
wait "$follower" 2>"$tmp/wait"
is 'until it is told to stop' $? 143

# kill -9 of either end
seq 200000 | logput -B 16384 plain
slowly() {
	python3 -c 'import sys, time
while data := sys.stdin.buffer.read1(100000):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    time.sleep(0.1)' 2>"$tmp/words3"
}
for round in 1 2 3 4; do
	rm -rf "$log/killed-0"
	mkfifo "$tmp/in$round" "$tmp/out$round"
	replicate plain 0 >"$tmp/in$round" 2>"$tmp/words" &
	source=$!
	slowly <"$tmp/in$round" >"$tmp/out$round" &
	between=$!
	logappend -f -c segment.bytes=300000 -d "$log/killed-0" <"$tmp/out$round" 2>"$tmp/words2" &
	sink=$!
	started() { [ "$(find "$log/killed-0" -name '*.log' 2>/dev/null | wc -l)" -gt 1 ]; }
	until_ok 20 started
	if ((round % 2)); then kill -9 "$source"; else kill -9 "$sink"; fi
	wait "$source" "$between" "$sink" 2>"$tmp/wait"
	ok "kill -9, round $round: not all was there" test "$(batches "$log/killed-0" | wc -c)" -lt \
		"$(replicate plain 0 | wc -c)"
	replicate -r "$log/killed-0" plain 0 |
		logappend -f -c segment.bytes=300000 -d "$log/killed-0"
	ok "kill -9, round $round: the copy is whole" cmp <(replicate plain 0) \
		<(batches "$log/killed-0")
done

exits 'no such topic' 1 replicate nothere 0
exits 'no such partition' 1 replicate plain 7
exits 'an offset beyond the end' 1 replicate -o 99999999 plain 0
exits 'usage' 100 replicate plain
exits 'usage: two places' 100 replicate -o 1 -r x plain 0
exits 'nobody there' 111 replicate -b 127.0.0.1:1 plain 0
logappend -f -d "$log/other-0" < <(seq 500000 | logappend -d "$tmp/x-0"; batches "$tmp/x-0")
exits 'a copy of something else' 1 replicate -r "$log/other-0" plain 0
lab_down

# --- Apache Kafka ----------------------------------------
ports
apache_start "$tmp/apache" "$port" || { fail 'Apache Kafka'; done_testing; }
export ODRADEK_BROKERS=127.0.0.1:$port
original=$tmp/apache/log
ok 'a topic' topic make -p 1 theirs
produce "$ODRADEK_BROKERS" theirs
transactions "$ODRADEK_BROKERS" theirs
ok 'a copy of a partition of Apache Kafka' copy theirs
ok 'the same bytes' cmp <(batches "$original/theirs-0") <(batches "$log/theirs-0")
ok 'the same aborted transactions' cmp {"$original","$log"}/theirs-0/00000000000000000000.txnindex
is 'no damage' "$(logcheck "$log/theirs-0")" ''
apache_stop "$tmp/apache"
dumped() {
	kafka_tool kafka-dump-log --deep-iteration --print-data-log --files "$1/00000000000000000000.log" \
		2>&1 | grep -v '^Dumping\|^Log starting'
}
is 'its dump tool sees the same' "$(dumped "$log/theirs-0" | cksum)" \
	"$(dumped "$original/theirs-0" | cksum)"
done_testing
