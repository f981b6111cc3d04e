#!/bin/bash
# python3-kafka 2.0.2, a pure Python codec with old, fixed versions.
source t/lib.sh
broker_up >&2 || { echo 'Bail out! no broker'; exit 1; }
/usr/bin/python3 t/clients/python_kafka.py "$broker"
