#!/bin/bash
# The Java consumer: every record once and in order, over incremental fetch sessions
source t/lib.sh
ports
lab_up || exit 1

ok 'a topic' topic make -p 3 java
for i in 0 1 2; do
	seq "$i" 3 29999 | kcat -P -b "$ODRADEK_BROKERS" -t java -p "$i" -X batch.num.messages=50 || exit 1
done

# Records and the client's words share standard output.
consume() {
	kafka_java tools DEBUG 256M org.apache.kafka.tools.consumer.ConsoleConsumer \
		--bootstrap-server "$ODRADEK_BROKERS" --topic java "$@" >"$tmp/records" 2>"$tmp/log"
}
for i in 0 1 2; do
	consume --partition "$i" --offset earliest --max-messages 10000 --timeout-ms 30000 \
		--consumer-property max.partition.fetch.bytes=5000
	is "partition $i: every record, in order" "$(grep -xE '[0-9]+' "$tmp/records" | md5sum)" \
		"$(seq "$i" 3 29999 | md5sum)"
done
like 'fetches were incremental' "$(cat "$tmp/log" "$tmp/records")" 'incremental fetch response'
unlike 'no session was refused' "$(cat "$tmp/log")" 'FETCH_SESSION|INVALID_FETCH'
is 'offsets by time, through the Java Admin' \
	"$(kafka_tool kafka-get-offsets --bootstrap-server "$ODRADEK_BROKERS" --topic java --time -1)" \
	$'java:0:10000\njava:1:10000\njava:2:10000'
like 'log directories, through the Java Admin' \
	"$(kafka_tool kafka-log-dirs --bootstrap-server "$ODRADEK_BROKERS" --describe)" \
	'"partition":"java-0","size":[1-9]'
done_testing
