#!/usr/bin/env python3
# bad_leader.py PORT
# replicate and logappend behind a leader that is played here: each answer that is wrong is refused,
# holds up no other partition, and leaves the log as it was.
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from port import Node, batch, read_log  # noqa: E402
from raw import Tap  # noqa: E402

port = int(sys.argv[1])
tmp = os.path.abspath('build/tmp/5258-bad-leader.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
A = b'\x0a' * 16


class Leader:
    """Two partitions of one topic, each a list of batches; `wrong` makes answers into others."""
    def __init__(self):
        self.logs, self.starts, self.hw = [b'', b''], [0, 0], 0
        self.wrong = self.garbage = self.offsets = None
        self.connections, self.fetches, self.lock = 0, 0, threading.Lock()
        s = socket.create_server(('127.0.0.1', port))
        threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def accept(self, s):
        while True:
            c, _ = s.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        def read(n):
            out = b''
            while len(out) < n:
                more = c.recv(n - len(out))
                if not more:
                    raise EOFError
                out += more
            return out
        try:
            while True:
                frame = read(struct.unpack('>i', read(4))[0])
                key, version, correlation, n = struct.unpack('>hhih', frame[:10])
                api = {v: k for k, v in raw.KEYS.items()}[key]
                ask = raw.decode(api + 'Request', version, frame[11 + max(n, 0):])
                out = self.fetch(ask) if api == 'Fetch' else self.list_offsets(ask)
                data = struct.pack('>i', correlation) + b'\0' + raw.encode(
                    api + 'Response', version, out)
                if self.garbage:
                    g, self.garbage = self.garbage, None
                    c.sendall(g(data))
                else:
                    c.sendall(struct.pack('>i', len(data)) + data)
        except (EOFError, OSError):
            c.close()

    def list_offsets(self, ask):
        p = ask['Topics'][0]['Partitions'][0]
        out = {'PartitionIndex': p['PartitionIndex'], **self.offsets(p['Timestamp'])}
        return {'Topics': [{'Name': ask['Topics'][0]['Name'], 'Partitions': [out]}]}

    def records(self, i, offset):
        at, log = 0, self.logs[i]
        while at < len(log):
            base, length = struct.unpack('>qi', log[at:at + 12])
            delta = struct.unpack('>i', log[at + 23:at + 27])[0]
            if base + delta >= offset:
                break
            at += 12 + length
        return log[at:]

    def fetch(self, ask):
        self.fetches += 1
        until = time.time() + min(ask['MaxWaitMs'], 100) / 1000
        while True:
            parts = []
            for topic in ask['Topics']:
                for p in topic['Partitions']:
                    i = p['Partition']
                    out = {'PartitionIndex': i, 'HighWatermark': self.hw, 'LastStableOffset': self.hw,
                           'LogStartOffset': self.starts[i],
                           'Records': self.records(i, p['FetchOffset'])}
                    with self.lock:
                        w = self.wrong and self.wrong(i, p, out)
                    parts.append(w or out)
            if any(p['Records'] or p.get('ErrorCode') for p in parts) or time.time() > until:
                return {'Responses': [{'TopicId': A, 'Partitions': parts}]}
            time.sleep(0.005)


leader = Leader()
node = Node(tmp + '/node', **{'node.id': '2', 'replica.fetch.backoff.ms': '100'})
node.elect.add(('RegisterBrokerRecord', 3, {
    'BrokerId': 1, 'IncarnationId': bytes([1] * 16), 'BrokerEpoch': 5, 'Fenced': False,
    'EndPoints': [{'Name': 'PLAINTEXT', 'Host': '127.0.0.1', 'Port': port}]}))
node.start()
program = subprocess.Popen(['replicate'], cwd=node.dir, env=node.env, stderr=node.err)
node.topic('a', A, 2, (1, 2), 1)


def until(fn, seconds=20):
    end = time.time() + seconds
    while not fn() and time.time() < end:
        time.sleep(0.01)
    return fn()


def end(i):
    return node.slots()['a-%d' % i]['flushed']


def give(i, n=2, epoch=0):
    log = read_bytes(leader.logs[i])
    base = log[-1]['last'] + 1 if log else leader.starts[i]
    leader.logs[i] += batch([b'x %d' % k for k in range(n)], base=base, leader_epoch=epoch)


def read_bytes(data):
    open(tmp + '/records', 'wb').write(data)
    return read_log(tmp + '/records')


def both_follow(what):
    for i in (0, 1):
        give(i)
    want = [read_bytes(leader.logs[i])[-1]['last'] + 1 for i in (0, 1)]
    leader.hw = min(want)
    good = until(lambda: [end(0), end(1)] == want)
    if not good:
        print('#', want, end(0), end(1), leader.connections, leader.fetches, flush=True)
    t.ok(good, what)
    t.ok(program.poll() is None and node.program.poll() is None, 'nobody died')


def wrongly(what, fn):
    """Partition 0 is answered so; partition 1 goes on, 0 does not move, and does when it is over."""
    was = end(0)
    give(0)
    with leader.lock:
        leader.wrong = lambda i, p, out: fn(p, out) if i == 0 else None
    give(1)
    want = read_bytes(leader.logs[1])[-1]['last'] + 1
    t.ok(until(lambda: end(1) == want), what + ': the other partition goes on')
    before = leader.fetches
    time.sleep(0.3)
    t.ok(leader.fetches - before < 100, what + ': it is not asked for again and again',
         '%d times' % (leader.fetches - before))
    t.same(end(0), was, what + ': the log is as it was')
    with leader.lock:
        leader.wrong = None
    both_follow(what + ': over')


def with_records(change):
    def fn(p, out):
        data = bytearray(out['Records'])
        if len(data) > 61:
            change(data, p)
        return {**out, 'Records': bytes(data)}
    return fn


def put(at, fmt, value):
    return with_records(lambda data, p: struct.pack_into(fmt, data, at, value))


def set_byte(data, p):
    data[70] ^= 1


both_follow('at first')
wrongly('a wrong checksum', with_records(set_byte))
wrongly('offsets that are there already', put(0, '>q', 0))
wrongly('an offset at the end of numbers', put(0, '>q', 2**63 - 1))
wrongly('a length that is none', put(8, '>i', -5))
wrongly('a length beyond the answer', put(8, '>i', 2**31 - 1))
wrongly('another magic', put(16, '>b', 1))
wrongly('a later leader epoch', put(12, '>i', 7))
for code in 3, 6, 56, 74, 75, 76, 100, -1:
    wrongly('error %d' % code, lambda p, out: {**out, 'ErrorCode': code, 'Records': b''})
wrongly('a diverging epoch without an end', lambda p, out: {
    **out, 'Records': b'', 'DivergingEpoch': {'Epoch': 0, 'EndOffset': -1}})
leader.offsets = lambda ts: {'Offset': 100 if ts == -2 else 50}
wrongly('bounds that make no sense', lambda p, out: {**out, 'ErrorCode': 1, 'Records': b''})
leader.offsets = lambda ts: {'ErrorCode': 6, 'Offset': -1}
wrongly('bounds that are refused', lambda p, out: {**out, 'ErrorCode': 1, 'Records': b''})
for what, g in (('a length that cannot be', lambda d: struct.pack('>i', 2**31 - 1) + d),
                ('a negative length', lambda d: struct.pack('>i', -1) + d),
                ('another correlation id', lambda d: struct.pack('>i', len(d)) + b'\x7f' + d[1:]),
                ('an answer that is cut short', lambda d: struct.pack('>i', 20) + d[:20]),
                ('nonsense', lambda d: os.urandom(5000))):
    before = leader.connections
    leader.garbage = g
    t.ok(until(lambda: leader.connections > before), what + ': another connection')
    both_follow(what + ': over')
t.same(node.slots()['a-0']['log_start'], 0, 'nothing was begun anew')
program.terminate()
t.same(program.wait(20), 0, 'replicate leaves')
t.same(node.stop(), 0, 'logappend leaves')
if not os.environ.get('KEEP'):
    shutil.rmtree(tmp, ignore_errors=True)
t.done()
