#!/bin/bash
# Members of classic groups: the Java 4.x consumer, eager, cooperative and static.
source t/lib.sh
broker_up -c group.initial.rebalance.delay.ms=300 >&2 || { echo 'Bail out! no broker'; exit 1; }
java -Xmx256M -XX:TieredStopAtLevel=1 -Dlevel=OFF \
	-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/libs/*" \
	t/clients/Members.java "$broker"
