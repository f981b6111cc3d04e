#!/bin/bash
# Java's Admin and groups, and members that subscribe by a pattern.
source t/lib.sh
broker_up -c group.initial.rebalance.delay.ms=0 >&2 || { echo 'Bail out! no broker'; exit 1; }
java -Xmx256M -XX:TieredStopAtLevel=1 -Dlevel=OFF \
	-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/libs/*" \
	t/clients/AdminGroups.java "$broker"
