#!/bin/bash
# Requests about committed offsets, good and bad, in all versions, have the answers of Apache Kafka
# 4.4. AGAINST=apache asks a real one and keeps what it says in t/vectors/groups-offsets.txt.gz.
. "$(dirname "$0")/lib.sh"
answers=t/vectors/groups-offsets.txt.gz

ask() { python3 t/offsets.py "$port" >"$tmp/answers"; }
same() { diff <(zcat "$answers") "$tmp/answers"; }

ok 'a broker' broker_up
ok 'it answers' ask && [ "${AGAINST:-}" = apache ] &&
	gzip -n9 <"$tmp/answers" >"$answers"
ok 'with the answers of Apache Kafka' same
done_testing
