#!/bin/bash
# The Java 4.x producer, consumer (assign) and Admin.
source t/lib.sh
broker_up >&2 || { echo 'Bail out! no broker'; exit 1; }
java -Xmx256M -XX:TieredStopAtLevel=1 -Dlevel=ERROR \
	-Dlog4j2.configurationFile="$top/t/kafka/log4j2.yaml" -cp "$kafka/libs/*" \
	t/clients/Clients.java "$broker"
