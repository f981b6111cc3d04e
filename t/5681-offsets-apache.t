#!/bin/bash
# __consumer_offsets as records: Apache Kafka's tools decode ours, its node carries on with our
# groups, and we with its.
source t/lib.sh
ports
b=127.0.0.1:$port
export ODRADEK_BROKERS=$b

members() { # a group of members that reads: GROUP COUNT
	timeout 60 kcat -b "$b" -G "$1" -c "$2" -X auto.offset.reset=earliest -q orders >/dev/null 2>&1
}
commit() { # a consumer that only commits: GROUP PARTITION OFFSET...
	/usr/bin/python3 - "$b" "$@" <<-'P'
		import sys
		from confluent_kafka import Consumer, TopicPartition
		b, group, *rest = sys.argv[1:]
		c = Consumer({'bootstrap.servers': b, 'group.id': group, 'enable.auto.commit': False,
		              'log_level': 0})
		c.commit(offsets=[TopicPartition('orders', int(p), int(o))
		                  for p, o in zip(rest[::2], rest[1::2])], asynchronous=False)
	P
}
seen() { # what Apache Kafka's tool says of all groups
	kafka_tool kafka-consumer-groups --bootstrap-server "$b" --describe --all-groups 2>/dev/null |
		awk '$2 == "orders" { print $1, $3, $4, $5, $6 }' | sort
}
same_as() { diff "$1" <(seen); }
decoded() { # kafka-dump-log's words for each offset and group
	local files
	files=$(find "$1" -path '*__consumer_offsets-*.log' -size +0 | paste -sd,)
	kafka_tool kafka-dump-log --offsets-decoder --files "$files" 2>/dev/null
}

ok 'our node' lab_up -c num.partitions=3 -c offsets.topic.num.partitions=5 \
	-c group.initial.rebalance.delay.ms=0
seq 300 | kcat -q -P -b "$b" -t orders -X acks=all
ok 'a group with members' members billing 120
ok 'a consumer that commits' commit simple 0 7 2 9
ok 'and again' commit simple 0 8
ok 'kafka-consumer-groups sets an offset' eval 'kafka_tool kafka-consumer-groups \
	--bootstrap-server "$b" --group assigned --topic orders:0 --reset-offsets --to-offset 10 \
	--execute >"$tmp/assigned" 2>&1'
ok 'a group of the consumer protocol' eval 'kafka_tool kafka-console-consumer \
	--bootstrap-server "$b" --topic orders --from-beginning --group modern --max-messages 300 \
	--consumer-property group.protocol=consumer >"$tmp/modern" 2>&1'
kafka_tool kafka-console-consumer --bootstrap-server "$b" --topic __consumer_offsets \
	--from-beginning --timeout-ms 5000 --group looks --formatter \
	org.apache.kafka.tools.consumer.OffsetsMessageFormatter 2>/dev/null >"$tmp/formatted"
like 'the offsets formatter reads them' "$(grep '"simple"' "$tmp/formatted")" \
	'"partition":0.*"offset":8'
seen >"$tmp/seen"
like 'kafka-consumer-groups sees them' "$(cat "$tmp/seen")" \
	'assigned 0 10 .*modern 0 [0-9]+ [0-9]+ 0.*simple 0 8 [0-9]+ [0-9]+'
ok 'it stops' lab_down
decoded "$tmp/lab/1/log" >"$tmp/decoded"
like 'kafka-dump-log decodes offsets' "$(cat "$tmp/decoded")" \
	'"group":"simple","topic":"orders","partition":2.*"offset":9'
like 'and classic groups' "$(cat "$tmp/decoded")" '"group":"billing".*"protocolType":"consumer"'
like 'and consumer groups' "$(cat "$tmp/decoded")" '"groupId":"modern"'

mkdir "$tmp/ak"
mv "$tmp/lab/1/log" "$tmp/ak/log"
ok 'Apache Kafka starts on our directory' apache_start "$tmp/ak" "$port" \
	offsets.topic.num.partitions=5 group.initial.rebalance.delay.ms=0 \
	offsets.topic.compression.codec=1
ok 'it has the same groups and offsets' until_ok 30 same_as "$tmp/seen"
ok 'a group goes on there' members billing 60
ok 'a consumer commits there' commit simple 1 5
ok 'a new one too' commit other 1 1
kafka_tool kafka-consumer-groups --bootstrap-server "$b" --delete --group modern >/dev/null 2>&1
seen >"$tmp/seen"
apache_stop "$tmp/ak"

mv "$tmp/ak/log" "$tmp/lab/1/log"
ok 'our node starts on its directory' lab start -d "$lab"
ok 'with the same groups and offsets' until_ok 30 same_as "$tmp/seen"
unlike 'the deleted group is gone' "$(cat "$tmp/seen")" modern
ok 'a group goes on here' members billing 30
ok 'our own command agrees' eval \
	'[ "$(group lag simple | cut -f3,4 | paste -sd" ")" = "$(printf "0\t8 1\t5 2\t9")" ]'
lab_down
done_testing
