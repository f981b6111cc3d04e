#!/usr/bin/python3
# Groups commit without a pause while groupcoord, logappend, logserve and the whole node are killed:
# the committed offset that a reader sees is never behind one that was acknowledged, and never one
# that nobody committed. COUNT=N kills instead of 10, SEED=N the same ones again.
import os
import random
import shutil
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from raw import Tap  # noqa: E402

GROUPS, PARTITIONS = 6, 3
seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
kills = int(os.environ.get('COUNT', 10))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
os.environ['PATH'] = os.path.abspath('build/bin') + ':' + os.environ['PATH']
tmp = os.path.abspath('build/tmp/5680-offsets-kill.%d' % os.getpid())
os.makedirs(tmp)
lab = tmp + '/lab'
port = subprocess.run(['bash', '-c', 'source t/lib.sh; ports; echo $port'], capture_output=True,
                      text=True).stdout.strip()
broker = '127.0.0.1:' + port
t = Tap()
stop = threading.Event()
wrong = []


def run(*words):
    return subprocess.run(words, capture_output=True, text=True)


def client(group):
    return Consumer({
        'bootstrap.servers': broker, 'group.id': group, 'enable.auto.commit': False,
        'reconnect.backoff.max.ms': 200, 'retry.backoff.ms': 20, 'log_level': 0})


class Group(threading.Thread):
    """Commits rising offsets, several partitions at once, and says what it knows of them."""
    def __init__(self, n):
        super().__init__(daemon=True)
        self.name = 'group-%d' % n
        self.tried = [0] * PARTITIONS
        self.sure = [0] * PARTITIONS
        self.commits = self.errors = 0

    def run(self):
        c = client(self.name)
        offset = 0
        while not stop.is_set():
            offset += 1
            parts = [p for p in range(PARTITIONS) if (offset + p) % 2]
            for p in parts:
                self.tried[p] = offset
            try:
                c.commit(offsets=[TopicPartition('t', p, offset) for p in parts],
                         asynchronous=False)
            except KafkaException:
                self.errors += 1
                continue
            self.commits += 1
            for p in parts:
                self.sure[p] = offset
        c.close()


class Reader(threading.Thread):
    """Reads what is committed. An offset that was sure before is the least that may come back, one
    that was tried after it is the most."""
    def __init__(self, groups):
        super().__init__(daemon=True)
        self.groups, self.reads = groups, 0

    def look(self, c, g):
        least = list(g.sure)
        try:
            got = c.committed([TopicPartition('t', p) for p in range(PARTITIONS)], timeout=10)
        except KafkaException:
            return False
        if any(x.error for x in got):
            return False
        most = list(g.tried)
        for x in got:
            if not least[x.partition] <= max(x.offset, 0) <= most[x.partition]:
                wrong.append((g.name, x.partition, least[x.partition], x.offset))
        self.reads += 1
        return True

    def run(self):
        clients = [client(g.name) for g in self.groups]
        while not stop.is_set():
            for c, g in zip(clients, self.groups):
                self.look(c, g)
        for c in clients:
            c.close()


def kill():
    program = rng.choice(['groupcoord', 'groupcoord', 'logappend', 'logappend', 'logserve', None])
    run('lab', 'kill', '-d', lab, '1', *([program] if program else []))
    r = run('lab', 'up', '-d', lab, '1')
    if r.returncode:
        t.ok(False, 'up after %s' % (program or 'the node'), r.stderr)


def main():
    r = run('lab', 'start', '-d', lab, '-p', port, '-c', 'offsets.topic.num.partitions=4')
    t.ok(r.returncode == 0, 'a node', r.stderr)
    admin = AdminClient({'bootstrap.servers': broker, 'log_level': 0})
    admin.create_topics([NewTopic('t', PARTITIONS, 1)])['t'].result(20)
    groups = [Group(n) for n in range(GROUPS)]
    reader = Reader(groups)
    for x in groups + [reader]:
        x.start()
    for _ in range(kills):
        before, until = [g.commits for g in groups], time.time() + 60
        while any(g.commits < b + 5 for g, b in zip(groups, before)) and time.time() < until:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        kill()
    before, until = [g.commits for g in groups], time.time() + 60
    while any(g.commits < b + 5 for g, b in zip(groups, before)) and time.time() < until:
        time.sleep(0.01)
    t.ok(all(g.commits >= b + 5 for g, b in zip(groups, before)), 'all groups commit to the end')
    stop.set()
    for x in groups + [reader]:
        x.join(60)
    print('# %d commits, %d with an error, %d reads' % (
        sum(g.commits for g in groups), sum(g.errors for g in groups), reader.reads), flush=True)
    t.ok(reader.reads > 10, 'a reader looked meanwhile')
    run('lab', 'stop', '-d', lab)
    run('lab', 'start', '-d', lab)
    last = sum(reader.look(client(g.name), g) for g in groups)
    t.same(last, GROUPS, 'and once more after a restart')
    t.same(wrong, [], 'no commit was lost or made up')


try:
    main()
finally:
    run('lab', 'stop', '-d', lab)
    run('bash', '-c', 'source t/lib.sh; lab_wreck "$1"', 'x', lab)
if not t.failures:
    shutil.rmtree(tmp, ignore_errors=True)
t.done()
