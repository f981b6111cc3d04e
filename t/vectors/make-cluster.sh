#!/bin/bash
# Makes cluster.tsv.gz: what Apache Kafka's controller makes of random lives of brokers and
# partitions. Run by hand, once; the file is kept. Needs the Kafka that `make check` downloads.
set -eu
cd "$(dirname "$0")"
kafka=${ODRADEK_KAFKA:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek/kafka-4.4.0}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp=$(printf ':%s' "$kafka"/libs/*.jar)
javac -nowarn -d "$tmp" -cp "${cp#:}" MakeCluster.java
java -Dlog4j2.simplelogLevel=OFF -Dlog4j2.level=OFF -cp "$tmp$cp" \
	org.apache.kafka.controller.MakeCluster "${LIVES:-150}" >"$tmp/cluster.tsv"
gzip -9n <"$tmp/cluster.tsv" >cluster.tsv.gz
