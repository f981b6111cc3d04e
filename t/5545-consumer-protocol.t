#!/bin/bash
# The Java 4.x consumer with group.protocol=consumer: assignors, expressions, static members, the
# death of the coordinator, and groups that change their protocol while members live in them.
source t/lib.sh
broker_up -c group.consumer.min.heartbeat.interval.ms=500 \
	-c group.consumer.heartbeat.interval.ms=1000 \
	-c group.initial.rebalance.delay.ms=500 >&2 || { echo 'Bail out! no broker'; exit 1; }
kill=true
[ "${AGAINST:-}" = apache ] || kill="lab kill -d '$lab' 1 groupcoord"
java -Xmx384M -XX:TieredStopAtLevel=1 -Dlevel=ERROR \
	-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/libs/*" \
	t/clients/ConsumerProtocol.java "$broker" "$kill"
