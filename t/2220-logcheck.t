#!/bin/bash
# logcheck: nothing to say about a sound directory, and a line for each damage.
source t/lib.sh
cd "$tmp" || exit 1
mkdir sound && tar -C sound -xJf "$top/t/vectors/kafka-log.tar.xz"
seq 60000 | logappend -c segment.bytes=150000 -c index.interval.bytes=100 -d sound/small-0
is "Kafka's directory and ours are sound" "$(logcheck sound)" ''
ok 'and the exit code says so' logcheck sound sound/small-0

bend() { # bend FILE POSITION: one byte of it becomes an x, in the text of a command
	echo "printf x | dd of=$1 bs=1 seek=$2 conv=notrunc status=none"
}
damaged() { # damaged NAME REGEX: after the commands on standard input, run in a copy of small-0
	rm -rf bad
	cp -r sound bad
	(cd bad/small-0 && bash -e) || diag 'the damage could not be done'
	local out status=0
	out=$(logcheck bad) || status=$?
	like "$1" "$status $out" "1 .*$2" || :
}
first=00000000000000000000
write="dd of=$first.log bs=1 conv=notrunc status=none"
damaged 'a flipped byte' "$first.log"$'\t0\tbad crc' <<<"printf x | $write seek=100"
damaged 'a batch that is none' 'no whole record batch' <<<"printf '\\7' | $write seek=16"
damaged 'an offset' 'offsets .* was expected' <<<"printf '\\1' | $write seek=4"
damaged 'a leader epoch' 'leader epoch 1' <<<"printf '\\1' | $write seek=15"
damaged 'a lost index' "$first.index"$'\t-\tmissing' <<<"rm $first.index"
damaged 'an index entry' 'no batch begins at' <<<"$(bend $first.index 7)"
damaged 'an index offset' 'the batch ends at' <<<"$(bend $first.index 3)"
damaged 'an index tail' 'not trimmed' <<<"truncate -s +80 $first.index"
damaged 'half an entry' 'cut short' <<<"truncate -s -3 $first.index"
damaged 'a time' 'says time' <<<"$(bend $first.timeindex 7)"
damaged 'a missing last time' 'lacks the largest time' <<<"truncate -s -12 $first.timeindex"
damaged 'a torn tail' 'no whole record batch' <<<'f=$(ls *.log | tail -n 1); truncate -s -1 $f'
damaged 'a lost segment' 'has no segment' <<<"rm $first.log"
damaged 'a foreign file' 'does not belong here' <<<'touch notes.txt'
damaged 'a snapshot' 'wrong version, length or crc' \
	<<<"$(bend '$(ls *.snapshot | tail -n 1)' 3)"
damaged 'epochs' 'leader-epoch-checkpoint.*damaged' <<<'echo x >leader-epoch-checkpoint'
damaged 'a checkpoint' 'replication-offset-checkpoint.*small-0 is at 60001' \
	<<<"printf '0\n1\nsmall 0 60001\n' >../replication-offset-checkpoint"
damaged 'a count' 'log-start-offset-checkpoint.*damaged' \
	<<<"printf '0\n2\nsmall 0 1\n' >../log-start-offset-checkpoint"
damaged 'an abort that is none' 'txnindex.*behind the end of the log' \
	<<<"$(bend ../txn-0/$first.txnindex 25)"
damaged 'a lost meta.properties' 'meta.properties.*missing' <<<'rm ../meta.properties'
before=$(find bad -type f -exec cksum {} + | sort)
logcheck bad >/dev/null
is 'it changes nothing' "$(find bad -type f -exec cksum {} + | sort)" "$before"
exits 'usage' 100 logcheck
exits 'no such directory' 111 logcheck nowhere
done_testing
