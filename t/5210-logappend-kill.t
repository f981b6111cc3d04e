#!/usr/bin/env python3
# logappend and its flusher are killed again and again under idempotent producers with acks=all:
# what was acknowledged is there once, in order, where the answer said; what a reader saw stays.
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, Port, batch, produce_request, read_log  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/5210-logappend-kill.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
KILLS, PRODUCERS, PARTITIONS, DEEP = 12, 4, 2, 5
node = Node(tmp + '/node')
# Small segments, so that some kills meet a roll; the least that Kafka allows is 1 MiB.
node.topic('k', b'k' * 16, PARTITIONS, segment_bytes='1048576', segment_index_bytes='65536')
node.start()
stopping = threading.Event()
wrong = []


def complain(*words):
    wrong.append(' '.join(map(str, words)))


class Producer(threading.Thread):
    """Sends numbered records; after a lost connection sends what is not acknowledged again."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.partition = pid, pid % PARTITIONS
        self.acked, self.seq, self.pending, self.port = {}, 0, [], None
        self.filler = random.Random(seed + pid).randbytes(3000)

    def value(self, seq):
        return b'%d:%d:' % (self.pid, seq) + self.filler[:seq * 7919 % 3000]

    def send(self, seq):
        records = batch([self.value(seq)], pid=self.pid, epoch=0, seq=seq)
        tag = self.port.send('Produce', 9, **produce_request(
            'k', records, partition=self.partition))
        self.pending.append((seq, tag))

    def connect(self):
        again = [seq for seq, _ in self.pending]
        self.pending = []
        for _ in range(2000):
            try:
                self.port = Port(node.dir + '/run/logappend')
                for seq in again:
                    self.send(seq)
                return
            except (OSError, EOFError):
                time.sleep(0.01)
        complain('no connection')

    def one(self):
        while len(self.pending) < DEEP and not stopping.is_set():
            self.send(self.seq)
            self.seq += 1
        if not self.pending:
            return
        seq, tag = self.pending[0]
        got = self.port.receive(tag)['Responses'][0]['PartitionResponses'][0]
        if got['ErrorCode']:
            complain('producer', self.pid, 'sequence', seq, 'error', got['ErrorCode'])
            stopping.set()
        self.acked[seq] = got['BaseOffset']
        self.pending.pop(0)

    def run(self):
        while not wrong and not (stopping.is_set() and not self.pending):
            try:
                if not self.port:
                    self.connect()
                self.one()
            except (OSError, EOFError):
                self.port = None


class Reader(threading.Thread):
    """High watermarks never fall, and what lies below them stays as it was."""

    def __init__(self):
        super().__init__()
        self.seen, self.rounds = {}, 0

    def partition(self, name, slot):
        hw, before = slot['high_watermark'], self.seen.get(name, {})
        if hw < before.get('hw', 0):
            complain(name, 'high watermark fell from', before['hw'], 'to', hw)
        now = {b['base']: b['bytes'] for b in records(name) if b['last'] < hw}
        if hw and max(now) != hw - 1:
            complain(name, 'high watermark', hw, 'but the files end at', max(now))
        for base, data in before.get('batches', {}).items():
            if now.get(base) != data:
                complain(name, 'the batch at', base, 'has changed')
        self.seen[name] = {'hw': hw, 'batches': now}

    def run(self):
        while not stopping.is_set():
            for name, slot in node.slots().items():
                if slot['role'] != 3:
                    self.partition(name, slot)
            self.rounds += 1
            time.sleep(0.05)


def records(name):
    out, d = [], node.dir + '/log/' + name
    for f in sorted(os.listdir(d)):
        if f.endswith('.log'):
            out += read_log(d + '/' + f)
    return out


def children(name):
    return [int(x) for x in subprocess.run(['pgrep', '-P', str(node.program.pid), '-x', name],
                                           capture_output=True, text=True).stdout.split()]


producers = [Producer(i + 1) for i in range(PRODUCERS)]
reader = Reader()
for x in producers + [reader]:
    x.start()
for kill in range(KILLS):
    time.sleep(rng.uniform(0.05, 0.5))
    if wrong:
        break
    if rng.random() < 0.25:
        for pid in children('logsync'):
            os.kill(pid, signal.SIGKILL)
        if node.program.wait(10) != 111:
            complain('logsync was killed: exit code', node.program.returncode)
        node.program = None
    else:
        node.kill()
    node.start()
stopping.set()
for x in producers + [reader]:
    x.join(30)
t.ok(not any(p.is_alive() for p in producers), 'every producer got its last answer')
t.same(node.stop(), 0, 'a clean stop at the end')
for i in range(PARTITIONS):
    at = {}
    for b in records('k-%d' % i):
        if (b['pid'], b['seq']) in at:
            complain('producer', b['pid'], 'sequence', b['seq'], 'is there twice')
        at[b['pid'], b['seq']] = b['base']
    for p in producers:
        if p.partition != i:
            continue
        lost = [s for s, base in p.acked.items() if at.get((p.pid, s)) != base]
        if lost:
            complain('producer', p.pid, 'lost', lost[:5])
        offsets = [at[p.pid, s] for s in range(p.seq) if (p.pid, s) in at]
        if offsets != sorted(offsets):
            complain('producer', p.pid, 'is out of order')
total = sum(len(p.acked) for p in producers)
t.ok(total > 500, '%d records were acknowledged' % total)
t.ok(reader.rounds > 20, 'the reader looked %d times' % reader.rounds)
t.ok(not wrong, 'nothing acknowledged is lost, doubled, moved or out of order', *wrong[:10],
     node.said()[-1000:])
out = subprocess.run(
    ['bash', '-c', 'source t/lib.sh; kafka_tool kafka-dump-log --deep-iteration '
     '--index-sanity-check --files "$1"', '5210',
     ','.join(d + '/' + f for d, _, fs in os.walk(node.dir + '/log') for f in fs
              if f.rsplit('.')[-1] in ('log', 'index', 'timeindex', 'snapshot'))],
    capture_output=True, text=True)
t.ok(out.returncode == 0 and 'isvalid: false' not in out.stdout
     and 'ismatch' not in out.stdout + out.stderr and 'rror' not in out.stderr,
     "Kafka's dump tool is content", out.stdout[-500:], out.stderr[-1000:])
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
