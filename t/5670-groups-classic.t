#!/bin/bash
# Members of classic groups: librdkafka through confluent_kafka and kcat -G, and kafka-python.
source t/lib.sh
broker_up -c group.initial.rebalance.delay.ms=300 >&2 || { echo 'Bail out! no broker'; exit 1; }
LAB=${lab:-} /usr/bin/python3 t/clients/members.py "$broker" "$@"
