#!/bin/bash
# A directory that Apache Kafka left: what recovery makes of its .log files alone is, byte for byte,
# what Kafka had made: indexes, aborted transactions, producer snapshots.
source t/lib.sh
cd "$tmp" || exit 1
mkdir kafka && tar -C kafka -xJf "$top/t/vectors/kafka-log.tar.xz"
for dir in kafka/*-[0-9]; do
	name=${dir#kafka/}
	[ "$name" != __cluster_metadata-0 ] || continue
	cp -r "$dir" "$name"
	logappend -c index.interval.bytes=1000 -d "$name" </dev/null
	ok "$name: opening changes nothing" diff -r "$dir" "$name"
	rm -f "$name"/*.index "$name"/*.timeindex "$name"/*.txnindex "$name"/*.snapshot
	logappend -c index.interval.bytes=1000 -d "$name" </dev/null
	ok "$name: made anew from .log" diff -r "$dir" "$name"
	rm -rf "$name"
	logappend -f -c index.interval.bytes=1000 -d "$name" <"$dir/00000000000000000000.log"
	cp "$dir/partition.metadata" "$name"
	ok "$name: copied batch by batch" diff -r "$dir" "$name"
done
done_testing
