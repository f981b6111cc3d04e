#!/bin/bash
# Makes t/vectors/kafka-log.tar.xz anew, the log directory of a stopped Apache Kafka node: records
# with every codec, headers, nulls, idempotent and transactional ones, aborted transactions,
# log-append time, a compacted topic. Tests hold it against what our programs make of it.
# shellcheck source=t/lib.sh
source "$(dirname "$0")/../lib.sh"
ports
apache_start "$tmp/node" "$port" log.segment.bytes=1048576 log.index.interval.bytes=1000 \
	offsets.topic.num.partitions=2 transaction.state.log.num.partitions=2 || exit 1
python3 - "127.0.0.1:$port" <<'P' || exit 1
import sys
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = {'bootstrap.servers': sys.argv[1]}
codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
configs = {'appendtime': {'message.timestamp.type': 'LogAppendTime'},
           'compacted': {'cleanup.policy': 'compact'}}
topics = codecs + ['txn', 'appendtime', 'compacted']
for f in AdminClient(servers).create_topics(
        [NewTopic(t, 1, 1, config=configs.get(t, {})) for t in topics]).values():
    f.result()
for t in topics:
    if t == 'txn':
        continue
    p = Producer({**servers, 'compression.type': t if t in codecs else 'none', 'linger.ms': 5,
                  'enable.idempotence': True, 'batch.num.messages': 40})
    for i in range(300):
        p.produce(t, key='k%d' % (i % 17), value=('value %d of %s ' % (i, t)) * (1 + i % 5),
                  headers=[('h', b'x%d' % i), ('n', None)] if i % 3 == 0 else None)
        if i % 40 == 0:
            p.flush()
    p.flush()
for n in range(6):
    p = Producer({**servers, 'transactional.id': 't%d' % (n % 2), 'linger.ms': 0})
    p.init_transactions()
    p.begin_transaction()
    for i in range(5):
        p.produce('txn', value='txn %d %d' % (n, i))
        p.flush()
    p.abort_transaction() if n % 3 == 1 else p.commit_transaction()
P
apache_stop "$tmp/node"
tar -C "$tmp/node/log" --exclude=.lock --sort=name --owner=0 --group=0 \
	-cJf t/vectors/kafka-log.tar.xz .
