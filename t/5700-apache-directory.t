#!/bin/bash
# A data directory moves between Apache Kafka and us, and back, with every record and config.
source t/lib.sh
shopt -s extglob
ports
b=127.0.0.1:$port

# fill PREFIX: topics of every codec, idempotent and compacted data, through whoever listens
seq -f 'record %06g of a text that packs' 3000 >"$tmp/lines"
fill() {
	local codec
	for codec in none gzip snappy lz4 zstd; do
		kcat -q -P -b "$b" -t "$1-$codec" -z "$codec" -K' ' -l "$tmp/lines" || return 1
	done
	kcat -q -P -b "$b" -t "$1-idem" -X enable.idempotence=true -l "$tmp/lines" || return 1
	kcat -q -P -b "$b" -t "$1-idem" -H a=b -X enable.idempotence=true -l "$tmp/lines"
}
# seen: all that clients see of the topics
seen() {
	local topic
	export ODRADEK_BROKERS=$b
	for topic in $(kcat -b "$b" -L -J | jq -r '.topics[].topic' | grep -v '^__' | sort); do
		echo "$topic $(kcat -q -C -e -b "$b" -t "$topic" -o beginning -X check.crcs=true \
			-f '%p|%o|%T|%k|%s|%h\n' | sort | md5sum)"
	done
	kafka_tool kafka-topics --bootstrap-server "$b" --describe | grep -v '__' |
		sed 's/Elr:.*//; s/[[:space:]]*$//' | sort
}
same_as() { diff "$1" <(seen); }
dump() { # dump OPTION FILE...
	local f option=$1 files=
	shift
	for f; do [ ! -s "$f" ] || files+=,$f; done
	kafka_tool kafka-dump-log "$option" --files "${files#,}" 2>&1 || echo "exit $?"
}
dump_is_clean() {
	{
		dump --cluster-metadata-decoder "$1"/__cluster_metadata-0/*.log
		dump --deep-iteration "$1"/!(__cluster_metadata-0)/*.log
		dump --index-sanity-check "$1"/*/*.index "$1"/*/*.timeindex "$1"/*/*.snapshot
	} >"$tmp/dump"
	grep -q offset: "$tmp/dump" &&
		! grep -m 5 -E -i 'mismatch|exception|isvalid: false|corrupt|^exit ' "$tmp/dump"
}

ok 'Apache Kafka starts' apache_start "$tmp/ak" "$port" log.cleaner.backoff.ms=100
at=$tmp/ak/log
kafka_tool kafka-topics --bootstrap-server "$b" --create --topic squeezed --partitions 2 \
	--config cleanup.policy=compact --config segment.ms=100 --config min.cleanable.dirty.ratio=0.01 \
	>/dev/null 2>&1
for round in 1 2 3; do
	for ((i = 0; i < 50; i++)); do echo "key$i value $round"; done |
		kcat -q -P -b "$b" -t squeezed -K' '
	sleep 0.15 # the age that makes Apache Kafka roll a segment
done
ok 'it is filled' fill ak
cleaned() { [ "$(kcat -q -C -e -b "$b" -t squeezed -o beginning | wc -l)" -lt 150 ]; }
ok 'and has compacted' until_ok 30 cleaned
kafka_tool kafka-configs --bootstrap-server "$b" --alter \
	--entity-type topics --entity-name ak-none \
	--add-config retention.ms=900000 >/dev/null 2>&1
kafka_tool kafka-configs --bootstrap-server "$b" --alter \
	--entity-type topics --entity-name squeezed \
	--add-config min.compaction.lag.ms=86400000 >/dev/null 2>&1 # it stays as it is now
seen >"$tmp/seen"
apache_stop "$tmp/ak"

mkdir -p "$tmp/lab/1"
mv "$at" "$tmp/lab/1/log"
ok 'our node starts on its directory' lab_up
ok 'with every record, topic and config' same_as "$tmp/seen"
ok 'it is filled with ours' fill our
is 'offsets go on' "$(echo next | kcat -q -P -b "$b" -t ak-lz4 -K: -Z; kcat -q -C -e -b "$b" \
	-t ak-lz4 -o -1 -f '%o')" 3000
seen >"$tmp/seen"
ok 'it stops' lab_down
ok 'kafka-dump-log finds nothing wrong' dump_is_clean "$tmp/lab/1/log"

mv "$tmp/lab/1/log" "$at"
ok 'Apache Kafka starts on ours after a clean stop' apache_start "$tmp/ak" "$port"
ok 'with every record, topic and config' same_as "$tmp/seen"
kcat -q -P -b "$b" -t ak-none -l "$tmp/lines"
seen >"$tmp/seen"
apache_stop "$tmp/ak" KILL

mv "$at" "$tmp/lab/1/log"
ok 'our node starts after a kill -9 of Apache Kafka' lab start -d "$lab" -p "$port"
ok 'with every record, topic and config' same_as "$tmp/seen"
fill ours
seen >"$tmp/seen"
ok 'our node is killed' lab kill -d "$lab" 1
mv "$tmp/lab/1/log" "$at"
ok 'Apache Kafka starts on ours after kill -9' apache_start "$tmp/ak" "$port"
ok 'with every record, topic and config' same_as "$tmp/seen"
apache_stop "$tmp/ak"

# a directory that only we have written
rm -rf "$tmp/lab" "$tmp/ak"
ok 'a node of our own' lab start -d "$lab" -p "$port"
fill own
seen >"$tmp/seen"
ok 'is killed' lab kill -d "$lab" 1
mkdir -p "$tmp/ak"
mv "$tmp/lab/1/log" "$at"
ok 'Apache Kafka starts on it' apache_start "$tmp/ak" "$port"
ok 'with every record, topic and config' same_as "$tmp/seen"
done_testing
