#!/usr/bin/python3
"""through.py BROKERS TOPIC PARTITIONS: an idempotent producer with acks=all that goes on until its
standard input ends; then a reader that counts what came. One line of findings; exit 0 when every
record was acknowledged and is there once and in order. SLOW=n: milliseconds between records."""
import os
import select
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

brokers, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
slow = float(os.environ.get('SLOW', '1')) / 1000
errors, acknowledged, longest, last = [], 0, 0, time.monotonic()


def delivered(error, message):
    global acknowledged, longest, last
    now = time.monotonic()
    if error:
        errors.append(str(error))
        return
    acknowledged += 1
    longest, last = max(longest, now - last), now


p = Producer({'bootstrap.servers': brokers, 'enable.idempotence': True, 'acks': 'all',
              'linger.ms': 5, 'log_level': 0})
sent = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    p.produce(topic, b'%d' % sent, partition=sent % partitions, callback=delivered)
    sent += 1
    p.poll(slow)
p.flush(60)

c = Consumer({'bootstrap.servers': brokers, 'group.id': 'through', 'enable.auto.commit': False,
              'auto.offset.reset': 'earliest', 'log_level': 0})
c.assign([TopicPartition(topic, i, 0) for i in range(partitions)])
came, n, end = [[] for _ in range(partitions)], 0, time.monotonic() + 30
while n < sent and time.monotonic() < end:
    m = c.poll(0.5)
    if m and not m.error():
        came[m.partition()].append(int(m.value()))
        n += 1
want = [list(range(i, sent, partitions)) for i in range(partitions)]
print('sent %d acknowledged %d came %d longest gap %.0f ms errors %s'
      % (sent, acknowledged, n, longest * 1000, errors[:3]))
sys.exit(bool(errors) or acknowledged != sent or came != want)
