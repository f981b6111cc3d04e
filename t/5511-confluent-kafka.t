#!/bin/bash
# python3-confluent-kafka over librdkafka: idempotent by codec, the admin client, times, watermarks.
source t/lib.sh
broker_up >&2 || { echo 'Bail out! no broker'; exit 1; }
/usr/bin/python3 t/clients/confluent.py "$broker"
