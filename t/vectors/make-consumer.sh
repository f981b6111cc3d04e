#!/bin/bash
# Makes consumer.tsv.gz: what Apache Kafka's group coordinator answers to random lives of consumer
# groups, and hash.tsv.gz: its hashes of metadata. Run by hand, once; the files are kept. Needs the
# Kafka that `make check` downloads.
set -eu
cd "$(dirname "$0")"
kafka=${ODRADEK_KAFKA:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek/kafka-4.4.0}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp=$(printf ':%s' "$kafka"/libs/*.jar)
javac -nowarn -d "$tmp" -cp "${cp#:}" MakeConsumer.java MakeHash.java
java -Dlog4j2.simplelogLevel=OFF -Dlog4j2.level=OFF -cp "$tmp$cp" \
	org.apache.kafka.coordinator.group.MakeConsumer "${LIVES:-150}" >"$tmp/consumer.tsv"
gzip -9n <"$tmp/consumer.tsv" >consumer.tsv.gz
java -cp "$tmp$cp" MakeHash | gzip -9n >hash.tsv.gz
