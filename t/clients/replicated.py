#!/usr/bin/python3
"""Three nodes, PORT to PORT+2, in the directory LAB: an idempotent producer with acks=all goes on
while leaders, followers and their programs die; then all that was acknowledged is read, once and in
order, and all replicas are the same. Prints TAP lines. SECONDS is the length of the run."""
import glob
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING  # noqa: E402
from raw import Client, Tap  # noqa: E402

PORT, LAB = int(sys.argv[1]), sys.argv[2]
PARTITIONS = 6
ALL = ','.join('127.0.0.1:%d' % (PORT + i) for i in range(3))
seed = int(os.environ.get('SEED') or random.randrange(1 << 32))
print('# SEED=%d' % seed)
chance = random.Random(seed)
t = Tap()


def until(fn, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if fn():
                return True
        except (OSError, EOFError, KeyError, IndexError, StopIteration):
            pass
        time.sleep(0.05)
    return False


def lab(*words):
    return subprocess.run(['lab', words[0], '-d', LAB, *map(str, words[1:])],
                          stdout=subprocess.DEVNULL).returncode


def metadata(node=None):
    for n in [node] if node else [1, 2, 3]:
        try:
            c = Client(PORT + n - 1, timeout=5)
            got = c.call('Metadata', 12, Topics=[dict(Name='r', TopicId=bytes(16))])['Topics'][0]
            c.close()
            return {p['PartitionIndex']: p for p in got['Partitions']}
        except (OSError, EOFError):
            if node:
                raise


def whole(nodes=3):
    """Every partition has all replicas in sync, in the eyes of each node."""
    return all(len(p['IsrNodes']) == 3 and p['LeaderId'] > 0 for n in range(1, nodes + 1)
               for p in metadata(n).values())


class Load:
    """Numbers, one after the other, to each partition."""
    def __init__(self):
        self.next, self.acked, self.errors = [0] * PARTITIONS, [set() for _ in range(PARTITIONS)], []
        self.going = True
        self.begin()
        self.producer = Producer({
            'bootstrap.servers': ALL, 'enable.idempotence': True, 'acks': 'all', 'linger.ms': 2,
            'message.timeout.ms': 120000, 'retry.backoff.ms': 50,
            'socket.timeout.ms': 4000, 'request.timeout.ms': 4000,
            'topic.metadata.refresh.interval.ms': 5000, 'reconnect.backoff.max.ms': 500,
            'log_level': 0})
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def done(self, error, message):
        if error:
            self.errors.append(str(error))
            return
        self.acked[message.partition()].add(int(message.value()))
        i, now = message.partition(), time.time()
        self.gap[i], self.last[i] = max(self.gap[i], now - self.last[i]), now

    def begin(self):
        self.gap, self.last = [0] * PARTITIONS, [time.time()] * PARTITIONS

    def longest(self):
        return max(max(self.gap), time.time() - min(self.last))

    def run(self):
        while self.going:
            for i in range(PARTITIONS):
                self.producer.produce('r', str(self.next[i]), partition=i, on_delivery=self.done)
                self.next[i] += 1
            self.producer.poll(0.005)

    def stop(self):
        self.going = False
        self.thread.join()
        self.producer.flush(120)

    def total(self):
        return sum(map(len, self.acked))


def read_all():
    c = Consumer({'bootstrap.servers': ALL, 'group.id': 'x', 'enable.auto.commit': False})
    c.assign([TopicPartition('r', i, OFFSET_BEGINNING) for i in range(PARTITIONS)])
    ends = [c.get_watermark_offsets(TopicPartition('r', i), timeout=20)[1]
            for i in range(PARTITIONS)]
    out, at, until_ = [[] for _ in ends], [0] * PARTITIONS, time.time() + 60
    while any(at[i] < ends[i] for i in range(PARTITIONS)) and time.time() < until_:
        for m in c.consume(1000, 1):
            if not m.error():
                out[m.partition()].append(int(m.value()))
                at[m.partition()] = m.offset() + 1
    c.close()
    return out


def logs_same():
    for i in range(PARTITIONS):
        copies = {b''.join(open(f, 'rb').read() for f in sorted(glob.glob(
            '%s/%d/log/r-%d/*.log' % (LAB, n, i)))) for n in (1, 2, 3)}
        if len(copies) != 1:
            return False
    return True


def event(load, name, *steps, then=()):
    """The steps, and those of `then` at once; records are acknowledged again, all are in sync."""
    load.begin()
    for step in steps:
        lab(*step)
    together = [threading.Thread(target=lab, args=step) for step in then]
    for x in together:
        x.start()
    for x in together:
        x.join()
    before = [len(x) for x in load.acked]
    good = until(lambda: all(len(x) > n + 20 for x, n in zip(load.acked, before)))
    gap = load.longest()
    for step in steps:
        if step[0] == 'kill' and len(step) == 2 and not then:
            lab('up', step[1])
        if step[0] == 'pause':
            lab('resume', *step[1:])
    t.ok(good and until(whole), '%s: goes on after %.2f s, and all are in sync again' % (name, gap))


subprocess.run(['topic', '-b', ALL, 'make', '-p', str(PARTITIONS), '-r', '3', 'r'], check=True)
t.ok(until(whole), 'three replicas, all in sync')
load = Load()
t.ok(until(lambda: load.total() > 100 * PARTITIONS), 'acks=all')


def leader():
    return metadata()[chance.randrange(PARTITIONS)]['LeaderId']


for program in ('logappend', 'replicate', 'gate', 'dial', 'elect'):
    event(load, '%s is killed' % program, ('kill', leader(), program))
event(load, 'a node is killed', ('kill', leader()))
event(load, 'logappend of a leader is stopped', ('pause', leader(), 'logappend'))
event(load, 'a node is stopped', ('pause', leader()))
event(load, 'replicate is stopped', ('pause', leader(), 'replicate'))
event(load, 'every logappend is killed', then=[('kill', n, 'logappend') for n in (1, 2, 3)])
event(load, 'every node is killed', *(('kill', n) for n in (1, 2, 3)),
      then=[('up', n) for n in (1, 2, 3)])
load.stop()
t.same(load.errors[:3], [], 'no producer saw an error')
t.ok(until(whole), 'all are in sync')
got = read_all()
lost = [sorted(load.acked[i] - set(got[i]))[:5] for i in range(PARTITIONS)]
t.same(lost, [[]] * PARTITIONS, 'nothing that was acknowledged is lost')
t.same([x == sorted(set(x)) for x in got], [True] * PARTITIONS, 'nothing is doubled, all in order')
t.ok(until(logs_same), 'all replicas have the same bytes')
print('# %d records' % load.total())
t.done()
