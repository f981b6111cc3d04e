#!/bin/bash
# The commands work on Apache Kafka as they do on a node of ours; and what only it can do yet.
source t/lib.sh
source t/commands.sh
ports
apache_start "$tmp/apache" "$port" group.initial.rebalance.delay.ms=0 ||
	{ fail 'Apache Kafka starts'; done_testing; }
export ODRADEK_BROKERS=127.0.0.1:$port
topic_suite
conf_suite
node_suite
put_get_suite
group_suite
member_suite

topic make -p 1 txn
/usr/bin/python3 - <<'P' >"$tmp/python" 2>&1 || diag "$(cat "$tmp/python")"
import os
from confluent_kafka import Producer
def producer(name):
    p = Producer({"bootstrap.servers": os.environ["ODRADEK_BROKERS"], "transactional.id": name})
    p.init_transactions()
    return p
def put(p, *values):
    p.begin_transaction()
    for v in values:
        p.produce("txn", v)
    p.flush()
a, b = producer("a"), producer("b")
put(a, "a1", "a2")
put(b, "b1")
a.abort_transaction()
b.commit_transaction()
put(a, "a3")
put(b, "b2")
b.abort_transaction()
a.commit_transaction()
put(b, "b3")
b.commit_transaction()
P
is 'all records' "$(logget -e txn | paste -sd,)" a1,a2,b1,a3,b2,b3
is 'committed records' "$(logget -e -C txn | paste -sd,)" b1,a3,b3
is 'from the middle' "$(logget -e -C -o 3 txn | paste -sd,)" a3,b3
done_testing
