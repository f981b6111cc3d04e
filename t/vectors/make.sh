#!/bin/bash
# Makes messages.tsv.gz: every message of lib/wire at every version that is served, as bytes written
# by Apache Kafka's own classes. Run by hand, once; the file is kept. Needs the Kafka that `make
# check` downloads, and 3.9's client jar (Maven) for ListOffsets 0, which 4 no longer has.
set -eu
cd "$(dirname "$0")"
kafka=${ODRADEK_KAFKA:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek/kafka-4.4.0}
old=3.9.1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# serve LIST JAR...: LIST is lines "MESSAGE FIRST LAST".
serve() {
	local list=$1 cp
	shift
	cp=$(IFS=:; echo "$*")
	mkdir -p "$tmp/classes"
	javac -nowarn -d "$tmp/classes" -cp "$cp" "${source:-Make.java}"
	java -cp "$tmp/classes:$cp" -Dfile.encoding=UTF-8 Make <"$list"
}
messages() {
	awk '
		function first(v) { sub(/[-+].*/, "", v); return v }
		function last(v) { sub(/.*-/, "", v); return v }
		/^ *[0-9]/ && FILENAME ~ /table.api/ {
			served[$2 "Request"] = served[$2 "Response"] = $3
		}
		/^message/ { list[++n] = $2; all[$2] = $3 }
		END {
			for (i = 1; i <= n; i++) {
				v = list[i] in served ? served[list[i]] : all[list[i]]
				print list[i], first(v), last(v)
			}
		}' ../../lib/wire/*.api
}
messages | sed 's/^\(ListOffsets[^ ]*\) 0 /\1 1 /' >"$tmp/new"
messages | sed -n 's/^\(ListOffsets[^ ]*\) 0 .*/\1 0 0/p' >"$tmp/old"
mvn -q -B dependency:get "-Dartifact=org.apache.kafka:kafka-clients:$old"
sed 's/record\.internal\./record./' Make.java >"$tmp/Make.java"
{
	serve "$tmp/new" "$kafka"/libs/*.jar
	source=$tmp/Make.java serve "$tmp/old" \
		~/.m2/repository/org/apache/kafka/kafka-clients/$old/*.jar "$kafka"/libs/[js]*.jar
} >"$tmp/messages.tsv"
gzip -9n <"$tmp/messages.tsv" >messages.tsv.gz
