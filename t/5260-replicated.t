#!/bin/bash
# Three nodes, a topic of three replicas, and what dies while an idempotent producer goes on.
source t/lib.sh
lab_up -n 3 -c replica.lag.time.max.ms=3000 -c broker.session.timeout.ms=5000 || fail 'three nodes'
/usr/bin/python3 t/clients/replicated.py "$port" "$lab"
