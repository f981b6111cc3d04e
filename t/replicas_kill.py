#!/usr/bin/env python3
# replicas_kill.py LABDIR BROKERS
# Three nodes, replication factor 3: each program of each node is killed while idempotent producers
# write with acks=all. What was acknowledged is there once, in order, and all replicas are the same.
import collections
import glob
import os
import random
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from raw import Tap  # noqa: E402

lab, brokers = sys.argv[1:3]
seed = int(os.environ.get('SEED', time.time_ns() % 10**9))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
ROUNDS = int(os.environ.get('COUNT', 1))
PARTITIONS, PRODUCERS = 3, 3
t = Tap()


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True)


def pids():
    out = {}
    for line in run('lab', 'pids', '-d', lab).stdout.splitlines():
        node, name, pid = line.split('\t')[:3]
        if not name.startswith('s6-'):
            out.setdefault(name, {})[node] = int(pid)
    return out


acked, lock, stop = collections.defaultdict(list), threading.Lock(), threading.Event()
gaps = [0.0]
last = [time.time()]


def delivered(k):
    def note(error, m):
        with lock:
            if error:
                print('# not delivered:', error, flush=True)
                return
            now = time.time()
            gaps.append(now - last[0])
            last[0] = now
            acked[m.partition(), k].append((m.offset(), int(m.value().split()[1])))
    return note


def produce(k):
    p = Producer({'bootstrap.servers': brokers, 'enable.idempotence': True, 'linger.ms': 1,
                  'message.timeout.ms': 120000, 'retry.backoff.ms': 20,
                  'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 100})
    note, n = delivered(k), 0
    while not stop.is_set():
        for part in range(PARTITIONS):
            p.produce('kept', b'%d %d' % (k, n), partition=part, on_delivery=note)
        n += 1
        p.poll(0.005)
    p.flush(120)


t.same(run('topic', '-b', brokers, 'make', '-p', str(PARTITIONS), '-r', '3', 'kept').returncode, 0,
       'a topic')
threads = [threading.Thread(target=produce, args=(k,)) for k in range(PRODUCERS)]
for x in threads:
    x.start()
victims = [(name, node) for name, nodes in pids().items() for node in nodes] * ROUNDS
rng.shuffle(victims)
for name, node in victims:
    pid = pids().get(name, {}).get(node)
    if pid:
        os.kill(pid, 9)
    time.sleep(0.05 + rng.random() * 0.25)
    worst, gaps[:] = max(gaps), [0.0]
    if worst > 1:
        print('# %.2f s without an answer about when %s of %s died' % (worst, name, node), flush=True)
stop.set()
for x in threads:
    x.join()
t.ok(len(victims) >= 27, '%d programs were killed' % len(victims))


def ends():
    out = run('topic', '-b', brokers, 'show', 'kept').stdout
    return [int(line.split('\t')[8]) for line in out.splitlines()]


def read_all(part, end):
    c = Consumer({'bootstrap.servers': brokers, 'group.id': 'reader', 'enable.auto.commit': False})
    c.assign([TopicPartition('kept', part, 0)])
    out, until = [], time.time() + 60
    while (not out or out[-1][0] < end - 1) and time.time() < until:
        out += [(m.offset(), m.value().decode()) for m in c.consume(10000, 0.5) if not m.error()]
    c.close()
    return out


def settled():
    out = run('topic', '-b', brokers, 'show', 'kept').stdout
    return all(len(line.split('\t')[5].split(',')) == 3 for line in out.splitlines())


until = time.time() + 60
while not settled() and time.time() < until:
    time.sleep(0.1)
t.ok(settled(), 'all are in sync again')
for part, end in enumerate(ends()):
    got = read_all(part, end)
    there = {v for _, v in got}
    want = {'%d %d' % (k, n) for k in range(PRODUCERS) for _, n in acked[part, k]}
    t.ok(want <= there, 'partition %d: all %d that were acknowledged are there' %
         (part, len(want)), '%d are not: %s' % (len(want - there), sorted(want - there)[:5]))
    for k in range(PRODUCERS):
        mine = [int(v.split()[1]) for _, v in got if v.startswith('%d ' % k)]
        t.ok(mine == sorted(set(mine)), 'partition %d, producer %d: once, and in order' % (part, k))


def logs(part):
    return [b''.join(open(f, 'rb').read()
                     for f in sorted(glob.glob('%s/%d/log/kept-%d/*.log' % (lab, node, part))))
            for node in (1, 2, 3)]


for part in range(PARTITIONS):
    a, b, c = logs(part)
    t.ok(a == b == c, 'partition %d: three times the same bytes' % part)
t.done()
