#!/bin/bash
# Apache Kafka's own command-line tools.
source t/lib.sh
ok 'a broker is up' broker_up
b=(--bootstrap-server "$broker")

ok 'kafka-topics --create' kafka_tool kafka-topics "${b[@]}" --create --topic tools \
	--partitions 3 --config retention.ms=100000
is '--list' "$(kafka_tool kafka-topics "${b[@]}" --list | grep tools)" tools
described=$(kafka_tool kafka-topics "${b[@]}" --describe --topic tools)
like '--describe' "$described" 'PartitionCount: 3.*ReplicationFactor: 1.*retention.ms=100000'
like '--describe names leader and in-sync replicas' "$described" 'Partition: 2.*Leader: 1.*Isr: 1'
is '--under-replicated-partitions' \
	"$(kafka_tool kafka-topics "${b[@]}" --describe --under-replicated-partitions)" ''
ok '--alter --partitions' kafka_tool kafka-topics "${b[@]}" --alter --topic tools --partitions 4
exits '--alter to fewer fails' 1 kafka_tool kafka-topics "${b[@]}" --alter --topic tools \
	--partitions 2

ok 'kafka-configs --alter' kafka_tool kafka-configs "${b[@]}" --alter --entity-type topics \
	--entity-name tools --add-config segment.bytes=1048576,cleanup.policy=[compact,delete]
like 'kafka-configs --describe' "$(kafka_tool kafka-configs "${b[@]}" --describe \
	--entity-type topics --entity-name tools)" 'cleanup.policy=compact,delete.*segment.bytes=1048576'
ok 'kafka-configs of a group' kafka_tool kafka-configs "${b[@]}" --alter --entity-type groups \
	--entity-name g --add-config consumer.heartbeat.interval.ms=6000
like 'which has it' "$(kafka_tool kafka-configs "${b[@]}" --describe --entity-type groups \
	--entity-name g)" 'DYNAMIC_GROUP_CONFIG:consumer.heartbeat.interval.ms=6000'
ok 'kafka-configs --delete-config' kafka_tool kafka-configs "${b[@]}" --alter \
	--entity-type topics --entity-name tools --delete-config cleanup.policy,segment.bytes
like 'kafka-configs of the broker' "$(kafka_tool kafka-configs "${b[@]}" --describe --all \
	--entity-type brokers --entity-name 1)" 'num.partitions=1 '

ok 'kafka-producer-perf-test' kafka_tool kafka-producer-perf-test --topic tools \
	--num-records 20000 --record-size 100 --throughput -1 \
	--producer-props "bootstrap.servers=$broker" acks=all
is 'kafka-get-offsets finds every record' "$(kafka_tool kafka-get-offsets "${b[@]}" --topic tools |
	awk -F: '{n += $3} END {print NR, n}')" '4 20000'
seq 100 | ok 'kafka-console-producer' kafka_tool kafka-console-producer "${b[@]}" --topic lines
is 'kafka-console-consumer' "$(kafka_tool kafka-console-consumer "${b[@]}" --topic lines \
	--partition 0 --offset earliest --max-messages 100 2>/dev/null | md5sum)" "$(seq 100 | md5sum)"

echo '{"partitions":[{"topic":"lines","partition":0,"offset":40}],"version":1}' >"$tmp/del.json"
like 'kafka-delete-records' "$(kafka_tool kafka-delete-records "${b[@]}" \
	--offset-json-file "$tmp/del.json")" 'low_watermark: 40'
like 'kafka-log-dirs' "$(kafka_tool kafka-log-dirs "${b[@]}" --describe --topic-list lines)" \
	'"partition":"lines-0","size":[1-9]'
like 'kafka-metadata-quorum' "$(kafka_tool kafka-metadata-quorum "${b[@]}" describe --status)" \
	'LeaderId: +1'
features=$(kafka_tool kafka-features "${b[@]}" describe)
like 'kafka-features' "$features" 'metadata.version'
like 'and group.version' "$features" 'group.version.*FinalizedVersionLevel: 1'
like 'kafka-broker-api-versions' "$(kafka_tool kafka-broker-api-versions "${b[@]}")" \
	'Produce\(0\): 0 to 1[23]'
like 'kafka-cluster cluster-id' "$(kafka_tool kafka-cluster cluster-id "${b[@]}")" \
	'Cluster ID: .{22}'
ok 'kafka-topics --delete' kafka_tool kafka-topics "${b[@]}" --delete --topic tools
is 'and it is gone' "$(kafka_tool kafka-topics "${b[@]}" --list | grep tools)" ''
done_testing
