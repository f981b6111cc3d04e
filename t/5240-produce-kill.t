#!/usr/bin/python3
# The writer's programs are killed under librdkafka's idempotent producer: every record that was
# delivered is read once and in order.
import collections
import os
import random
import shutil
import subprocess
import sys
import time

import confluent_kafka

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
os.environ['PATH'] = os.path.abspath('build/bin') + ':' + os.environ['PATH']
tmp = os.path.abspath('build/tmp/5240-produce-kill.%d' % os.getpid())
os.makedirs(tmp)
lab = tmp + '/lab'
port = subprocess.run(['bash', '-c', 'source t/lib.sh; ports; echo $port'], capture_output=True,
                      text=True).stdout.strip()
broker = '127.0.0.1:' + port
t = Tap()


def run(*words):
    return subprocess.run(words, capture_output=True, text=True)


def wait(*words, seconds=20):
    """Until the command succeeds: a program that was just killed is not there to be killed."""
    end = time.time() + seconds
    while run(*words).returncode:
        if time.time() > end:
            return False
        time.sleep(0.02)
    return True


delivered, failed = collections.defaultdict(dict), []


def on_delivery(error, message):
    if error:
        failed.append(str(error))
    else:
        delivered[message.partition()][message.value()] = message.offset()


def produce():
    producer = confluent_kafka.Producer({
        'bootstrap.servers': broker, 'enable.idempotence': True, 'linger.ms': 1,
        'reconnect.backoff.max.ms': 200, 'retry.backoff.ms': 20, 'log_level': 0})
    n, kills, next_kill = 0, 0, time.time() + 0.3
    while kills < 10:
        for _ in range(50):
            producer.produce('t', b'%d:%d' % (n % 3, n), partition=n % 3, on_delivery=on_delivery)
            n += 1
        producer.poll(0.005)
        if time.time() > next_kill:
            program = rng.choice(['logappend', 'logappend', 'logsync', 'txncoord'])
            if not wait('lab', 'kill', '-d', lab, '1', program):
                t.ok(False, 'kill ' + program)
            kills, next_kill = kills + 1, time.time() + rng.uniform(0.2, 0.8)
    # Answers after the last kill: all programs are there again, so that the stop can be clean.
    for n in range(n, n + 3):
        producer.produce('t', b'%d:%d' % (n % 3, n), partition=n % 3, on_delivery=on_delivery)
    n += 1
    producer.flush(60)
    return n


def consume(n):
    consumer = confluent_kafka.Consumer({
        'bootstrap.servers': broker, 'group.id': 'g', 'enable.auto.commit': False,
        'enable.partition.eof': True, 'auto.offset.reset': 'earliest', 'log_level': 0})
    consumer.assign([confluent_kafka.TopicPartition('t', i, 0) for i in range(3)])
    read, ends, until = collections.defaultdict(list), set(), time.time() + 60
    while len(ends) < 3 and time.time() < until:
        m = consumer.poll(1)
        if m is None:
            continue
        if not m.error():
            read[m.partition()].append((m.value(), m.offset()))
        elif m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
            ends.add(m.partition())
    consumer.close()
    return read


try:
    up = run('lab', 'start', '-d', lab, '-p', port)
    t.ok(up.returncode == 0, 'a node', up.stderr)
    t.ok(run('topic', '-b', broker, 'make', '-p', '3', 't').returncode == 0, 'a topic')
    n = produce()
    t.same(failed[:3], [], 'nothing fails')
    t.same(sum(len(d) for d in delivered.values()), n, 'all %d records are delivered' % n)
    read = consume(n)
    for i in range(3):
        values = [v for v, _ in read[i]]
        t.same(len(values), len(set(values)), 'partition %d: nothing is there twice' % i)
        t.same(values, sorted(values, key=lambda v: int(v.split(b':')[1])), 'in order')
        t.same(dict(read[i]) == delivered[i], True, 'where the answers said')
    t.ok(run('lab', 'stop', '-d', lab).returncode == 0, 'a clean stop')
    t.ok(os.path.exists(lab + '/1/log/.kafka_cleanshutdown'), 'the marker')
finally:
    run('lab', 'kill', '-d', lab, '1')
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
