#!/bin/bash
# Makes assign.tsv.gz: what Apache Kafka's server-side assignors answer. Run by hand, once; the file
# is kept. Needs the Kafka that `make check` downloads.
set -eu
cd "$(dirname "$0")"
kafka=${ODRADEK_KAFKA:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek/kafka-4.4.0}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp=$(printf ':%s' "$kafka"/libs/*.jar)
javac -nowarn -d "$tmp" -cp "${cp#:}" MakeAssign.java
java -cp "$tmp$cp" MakeAssign >"$tmp/assign.tsv"
gzip -9n <"$tmp/assign.tsv" >assign.tsv.gz
