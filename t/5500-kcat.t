#!/bin/bash
# kcat 1.7.1 (librdkafka 2.0.2): the same bytes come back, in order, once.
source t/lib.sh

ok 'a broker is up' broker_up -c num.partitions=1 -c message.max.bytes=2097152
K=(kcat -b "$broker" -q)
C=(-C -e -o beginning -X check.crcs=true)

end_is() { [ "$("${K[@]}" -C -e -o -1 -c 1 -f '%o' -t "$1")" = $(($2 - 1)) ]; }

seq -f 'record %08g of some text that packs well' 20000 >"$tmp/lines"
for codec in none gzip snappy lz4 zstd; do
	for acks in 0 1 all; do
		topic=t-$codec-$acks
		ok "$codec, acks=$acks: produced" "${K[@]}" -P -t "$topic" -z "$codec" \
			-X "acks=$acks" -X linger.ms=5 -l "$tmp/lines"
		[ "$acks" != 0 ] || until_ok 10 end_is "$topic" 20000
		"${K[@]}" "${C[@]}" -t "$topic" >"$tmp/got"
		ok "$codec, acks=$acks: the same lines come back" cmp "$tmp/lines" "$tmp/got"
	done
done 2>/dev/null

ok 'idempotent producer' "${K[@]}" -P -t idem -X enable.idempotence=true -l "$tmp/lines"
"${K[@]}" "${C[@]}" -t idem >"$tmp/got"
ok 'and every line is there once' cmp "$tmp/lines" "$tmp/got"

printf 'k1:v1\nk2:\n:v3\nk4:v4\n' |
	ok 'keys, nulls and headers are produced' "${K[@]}" -P -t kv -K: -Z -H a=1 -H b=x -H empty=
is 'keys, null values and headers come back' \
	"$("${K[@]}" "${C[@]}" -t kv -f '%o|%k|%K|%s|%S|%h\n' | tr '\n' ';')" \
	"$(printf '%s|a=1,b=x,empty=;' '0|k1|2|v1|2' '1|k2|2||-1' '2||-1|v3|2' '3|k4|2|v4|2')"

head -c 1048000 /dev/urandom | base64 -w0 | head -c 1048000 >"$tmp/big"
ok 'a record of 1 MiB' "${K[@]}" -P -t big -X message.max.bytes=2000000 "$tmp/big"
"${K[@]}" "${C[@]}" -t big -D '' -X fetch.message.max.bytes=100 >"$tmp/got"
ok 'comes back whole though the reader asked for 100 bytes' cmp "$tmp/big" "$tmp/got"

is 'the last three records' "$("${K[@]}" -C -e -t t-none-1 -o -3 | cut -d' ' -f2 | tr '\n' ' ')" \
	'00019998 00019999 00020000 '
is 'from an offset in the middle of a batch' \
	"$("${K[@]}" -C -e -t t-gzip-1 -o 12345 -c 1 -f '%o %s\n' | cut -d' ' -f1-3)" \
	'12345 record 00012346'

echo early | "${K[@]}" -P -t times
sleep 0.05
now=$(date +%s%3N)
sleep 0.05
echo late | "${K[@]}" -P -t times
is 'from a time' "$("${K[@]}" -C -e -t times -o "s@$now")" late
is 'until a time' "$("${K[@]}" -C -e -t times -o beginning -o "e@$now")" early

is 'metadata names the broker and the topic' \
	"$(kcat -b "$broker" -L -J -t kv |
		jq -c '[(.brokers|length), .topics[0].topic, (.topics[0].partitions|length)]')" '[1,"kv",1]'
is 'offsets by time' "$(kcat -b "$broker" -Q -t "times:0:$now")" 'times [0] offset 1'

# a reader at the end is woken by a produce, not by its poll interval
"${K[@]}" -C -u -c 1 -t times -o end -X fetch.wait.max.ms=30000 >"$tmp/tail" 2>/dev/null &
reader=$!
at_exit kill "$reader"
( for ((i = 0; i < 200; i++)); do
	echo "tail $i" | "${K[@]}" -P -t times
	[ ! -s "$tmp/tail" ] || break
	sleep 0.05
done )
ok 'a waiting reader is woken' until_ok 5 grep -q tail "$tmp/tail"

done_testing
