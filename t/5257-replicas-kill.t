#!/bin/bash
# Three nodes, replication factor 3: each program of each node is killed while producers write.
source t/lib.sh
lab_up -n 3 >&2 || { echo 'Bail out! no nodes'; exit 1; }
nodes=$ODRADEK_BROKERS
for i in 1 2; do nodes+=,127.0.0.1:$((port + i)); done
/usr/bin/python3 t/replicas_kill.py "$lab" "$nodes"
