#!/bin/bash
# The metadata log goes from elect to Apache Kafka and back: after a clean stop, after kill -9, with
# snapshots, over static voters and over voters in the log. Kafka's dump tool is clean on every
# file.
. "$(dirname "$0")/lib.sh"
ports
driver=$top/build/t/5610-elect-crash.t

# elect on DIR makes topics crash.0 .. crash.N-1, is killed KILLS times, and ends by kill -9 (or
# STOP=1).
elect_on() {
	local dir=$1
	shift
	env "$@" ELECT_DIR="$dir" PORT="$port" "$driver"
}
dump_is_clean() {
	local files
	files=$(printf '%s,' "$1"/log/__cluster_metadata-0/*.{log,checkpoint})
	kafka_tool kafka-dump-log --cluster-metadata-decoder --skip-record-metadata \
		--files "${files%,}" >"$tmp/dump" 2>&1 || return 1
	! grep -iE 'isvalid: false|exception|mismatch|could not|skipping' "$tmp/dump"
}
topics() { kafka_tool kafka-topics --bootstrap-server "127.0.0.1:$port" --list | sort; }
crash_topics() { seq -f 'crash.%g' 0 $(($1 - 1)) | sort; }

# --- ours first
ok 'elect makes topics and is killed' elect_on "$tmp/a" TOPICS=20 KILLS=4
ok 'the dump tool reads all of it' dump_is_clean "$tmp/a"
ok 'Apache Kafka starts after kill -9' apache_start "$tmp/a" "$port"
is 'and has the topics' "$(topics)" "$(crash_topics 20)"
ok 'it makes one more' kafka_tool kafka-topics --bootstrap-server "127.0.0.1:$port" --create \
	--topic theirs --partitions 3 --config retention.ms=12345
apache_stop "$tmp/a"
ok 'elect goes on, making snapshots' elect_on "$tmp/a" TOPICS=40 KILLS=4 STOP=1 \
	metadata.log.max.record.bytes.between.snapshots=2000
like 'there is a snapshot' "$(ls "$tmp/a/log/__cluster_metadata-0")" \
	'0000000000000[1-9]|000000000000000[0-9]*[1-9][0-9]*-'
ok 'the dump tool reads all of it' dump_is_clean "$tmp/a"
ok 'Apache Kafka starts after a clean stop' apache_start "$tmp/a" "$port"
is 'and has all topics' "$(topics)" "$( (crash_topics 40; echo theirs) | sort)"
like 'with their configs' "$(kafka_tool kafka-configs --bootstrap-server "127.0.0.1:$port" \
	--describe --topic theirs)" 'retention.ms=12345'
apache_stop "$tmp/a"

# --- theirs first: static voters, its features, metadata partly in the first snapshot
ok 'Apache Kafka makes a directory' apache_start "$tmp/b" "$port"
ok 'a topic' kafka_tool kafka-topics --bootstrap-server "127.0.0.1:$port" --create \
	--topic theirs --partitions 2 --config retention.ms=777 --config cleanup.policy=compact,delete
ok 'a quota' kafka_tool kafka-configs --bootstrap-server "127.0.0.1:$port" --alter \
	--add-config producer_byte_rate=1048576 --entity-type clients --entity-name c1
apache_stop "$tmp/b"
ok 'elect starts on it' elect_on "$tmp/b" TOPICS=20 KILLS=3 \
	metadata.log.max.record.bytes.between.snapshots=2000
ok 'the dump tool reads all of it' dump_is_clean "$tmp/b"
ok 'Apache Kafka starts on it again' apache_start "$tmp/b" "$port"
is 'with all topics' "$(topics)" "$( (crash_topics 20; echo theirs) | sort)"
like 'their configs' "$(kafka_tool kafka-configs --bootstrap-server "127.0.0.1:$port" \
	--describe --topic theirs)" 'retention.ms=777'
like 'and the quota, which nothing of ours looks at' "$(kafka_tool kafka-configs \
	--bootstrap-server "127.0.0.1:$port" --describe --entity-type clients --entity-name c1)" \
	'producer_byte_rate=1048576'
apache_stop "$tmp/b"

# --- only formatted: by Kafka 4.3 (bootstrap.checkpoint), and with the voter in the first snapshot
formatted() { # formatted LIBS|TOOLS DIR VOTERS [OPTION]
	mkdir -p "$2"
	{
		apache_properties 1 "$2" "$port" | grep -v '^controller.quorum'
		echo "$3"
	} >"$2/server.properties"
	kafka_java "$1" WARN 256M kafka.tools.StorageTool format -t "$(random_id)" \
		-c "$2/server.properties" "${@:4}"
}
ok 'Kafka 4.3 formats' formatted tools "$tmp/c" "controller.quorum.voters=1@127.0.0.1:$((port + 1))"
ok 'bootstrap.checkpoint is there' test -f "$tmp/c/log/bootstrap.checkpoint"
ok 'elect starts on it' elect_on "$tmp/c" TOPICS=5 KILLS=1
ok 'Kafka 4.4 formats with its voter' formatted libs "$tmp/d" \
	"controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))" --standalone
ok 'elect starts on it' elect_on "$tmp/d" TOPICS=5 KILLS=1
ok 'the dump tool reads all of it' dump_is_clean "$tmp/d"
done_testing
