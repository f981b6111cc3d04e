#!/bin/bash
# What clients of classic groups ask, good and bad, in all versions, has the answers of Apache Kafka
# 4.4. AGAINST=apache asks a real one and keeps what it says in t/vectors/groups-classic.txt.gz.
. "$(dirname "$0")/lib.sh"
answers=t/vectors/groups-classic.txt.gz

ask() { python3 t/classic.py "$port" >"$tmp/answers"; }
same() { diff <(zcat "$answers") "$tmp/answers"; }

ok 'a broker' broker_up -c group.initial.rebalance.delay.ms=0
ok 'it answers' ask && [ "${AGAINST:-}" = apache ] &&
	gzip -n9 <"$tmp/answers" >"$answers"
ok 'with the answers of Apache Kafka' same
done_testing
