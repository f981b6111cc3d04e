#!/bin/bash
# A real node as leader beside a second broker that is played: ISR, acks=all, broker epochs.
source t/lib.sh
lab_up -c replica.lag.time.max.ms=1500 -c broker.session.timeout.ms=3000 || fail "lab start"
python3 t/clients/second_broker.py "$port" 1500
