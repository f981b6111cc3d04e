#!/bin/bash
# logappend -d: a log without any broker, which Apache Kafka's dump tool reads.
source t/lib.sh
cd "$tmp" || exit 1
mkdir kafka && tar -C kafka -xJf "$top/t/vectors/kafka-log.tar.xz"
values() { logdump "$1" | cut -f6; }

is 'a million lines, no word' "$(seq 1000000 | logappend -d numbers-0 2>&1)" ''
is 'they are in' "$(values numbers-0 | cksum)" "$(seq 1000000 | cksum)"
for _ in 1 2 3; do
	seq 100000 | logappend -c segment.bytes=300000 -c index.interval.bytes=100 -d small-0
done
is 'appended to, in segments' "$(values small-0 | cksum)" \
	"$(for _ in 1 2 3; do seq 100000; done | cksum)"
ok 'several segments' test "$(ls small-0/*.log | wc -l)" -gt 5
printf 'a=1\nb\n=\nc==d\nlast' | logappend -k = -d keys-0
is 'keys' "$(logdump keys-0 | cut -f2,5,6)" $'0\ta\t1\n1\t-\tb\n2\t-\t-\n3\tc\t=d\n4\t-\tlast'
printf 'two\nlines\0one' | logappend -0 -d nul-0
is 'NUL ends a record' "$(logdump nul-0 | cut -f6)" $'two\\nlines\none'
logappend -d empty-0 </dev/null
is 'an empty log' "$(logdump empty-0)" ''
head -c 300000 /dev/zero | tr '\0' x | logappend -d long-0
is 'a long line' "$(logdump long-0 | cut -f3)" 300000

cat small-0/*.log | logappend -f -c segment.bytes=100000 -d copy-0
ok 'a copy is the same' cmp <(cat small-0/*.log) <(cat copy-0/*.log)
tail -c +1 "$(ls small-0/*.log | tail -n 1)" | logappend -f -d tail-0
is 'a copy begins where it begins' "$(logdump tail-0 | head -n 1 | cut -f2)" \
	"$(basename "$(ls small-0/*.log | tail -n 1)" .log | sed 's/^0*//')"
exits 'offsets do not go back' 1 logappend -f -d copy-0 <small-0/00000000000000000000.log
exits 'no batches' 1 logappend -f -d junk-0 < <(head -c 1000 /dev/zero)
exits 'cut short' 1 logappend -f -d short-0 < <(head -c 100000 small-0/00000000000000000000.log)
is 'what was whole is in' "$(logcheck short-0)" ''
logappend -f -c index.interval.bytes=1000 -d txn-0 <kafka/txn-0/00000000000000000000.log
ok 'a txnindex as Kafka writes it' cmp txn-0/00000000000000000000.txnindex \
	kafka/txn-0/00000000000000000000.txnindex

exits 'usage' 100 logappend -x
exits 'a config that is none' 100 logappend -c retention.ms=1 -d x-0
exits 'no directory above' 111 logappend -d no/where-0 </dev/null

# locks
mkfifo pipe
logappend -d locked-0 <pipe &
writer=$!
exec 5>pipe
echo first >&5
until_ok 10 test -s locked-0/00000000000000000000.log
exits 'a second writer is refused' 111 logappend -d locked-0 </dev/null
exec 5>&-
wait "$writer"
is 'the first is whole' "$(values locked-0)" first
mkdir broker
python3 -c 'import fcntl, sys, time
f = open("broker/.lock", "w")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()' <pipe >locked.out &
holder=$!
exec 5>pipe
until_ok 10 grep -q locked locked.out
exits 'under a broker nothing is written' 111 logappend -d broker/x-0 </dev/null
exec 5>&-
wait "$holder"
ok 'when it is gone it is' logappend -d broker/x-0 </dev/null

# kill -9
segments() { [ "$(find killed-0 -name '*.log' 2>/dev/null | wc -l)" -ge "$1" ]; }
for round in 1 2 3; do
	logappend -c segment.bytes=200000 -d killed-0 < <(exec seq 100000000) &
	writer=$!
	until_ok 20 segments $((round * 10))
	kill -9 "$writer"
	wait "$writer" 2>"$tmp/wait"
	logappend -c segment.bytes=200000 -d killed-0 </dev/null
	is "killed, round $round: no damage" "$(logcheck killed-0)" ''
done
is 'killed: each round is whole from 1 up' "$(values killed-0 |
	awk '$1 != 1 && $1 != last + 1 { bad++ } { last = $1 } END { print bad + 0 }')" 0

# the judge
files=(numbers-0/* small-0/* copy-0/* txn-0/* keys-0/* killed-0/*)
mapfile -t logs < <(printf '%s\n' "${files[@]}" |
	grep -E '\.(log|index|timeindex|txnindex|snapshot)$')
mapfile -t indexes < <(printf '%s\n' "${files[@]}" | grep -E '\.(index|timeindex)$')
list() { local IFS=,; echo "$*"; }
kafka_tool kafka-dump-log --deep-iteration --print-data-log --files "$(list "${logs[@]}")" \
	>dump 2>dump.err
# it takes the first offset of any segment but the first for a gap after -1
is 'the dump tool has nothing to say' \
	"$(grep -vE 'Non-consecutive|  -1 is followed by' dump.err)" ''
is 'it finds all records' "$(grep -c 'payload: ' dump)" \
	"$(cat <(logdump numbers-0) <(logdump small-0) <(logdump copy-0) <(logdump keys-0) \
		<(logdump killed-0) <(logdump txn-0 | grep -v coordinatorEpoch) | wc -l)"
unlike 'no batch is invalid' "$(grep -o 'isvalid: [a-z]*' dump | sort -u)" false
for check in --index-sanity-check --verify-index-only; do
	kafka_tool kafka-dump-log $check --files "$(list "${indexes[@]}")" >dump 2>dump.err
	is "$check" "$(cat dump.err; grep -viE 'passed sanity check|is empty\.$|^Dumping' dump)" ''
done
done_testing
