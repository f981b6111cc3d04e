#!/usr/bin/env python3
# follower.py PORT
# replicate and logappend follow a leader of ours: two nodes beside metadata logs that are played
# here, programs killed, leaders changed, logs that diverge, are cut, begin anew.
import glob
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
from port import Node, Port, batch, produce_request  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', time.time_ns() % 10**9))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
FLUSH = os.environ.get('FLUSH', 'sync')
tmp = os.path.abspath('build/tmp/5256-follower.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
FIRST = int(sys.argv[1])
A, B = b'\x0a' * 16, b'\x0b' * 16


class Member(Node):
    """logappend, replicate, logserve and gate of a node that is one of two."""
    OTHERS = 'replicate', 'logserve', 'gate'

    def __init__(self, i):
        super().__init__(tmp + '/%d' % i, **{
            'node.id': str(i), 'listeners': 'PLAINTEXT://127.0.0.1:%d' % (FIRST + i - 1),
            'replica.fetch.backoff.ms': '200', 'odradek.flush': FLUSH})
        self.id, self.others = i, {}
        self.elect.add(*(('RegisterBrokerRecord', 3, {
            'BrokerId': b, 'IncarnationId': bytes([b] * 16), 'BrokerEpoch': 5, 'Fenced': False,
            'EndPoints': [{'Name': 'PLAINTEXT', 'Host': '127.0.0.1', 'Port': FIRST + b - 1}]})
            for b in (1, 2)))
        self.start()
        for name in self.OTHERS:
            self.run(name)

    def run(self, name):
        self.others[name] = subprocess.Popen([name], cwd=self.dir, env=self.env, stderr=self.err)

    def end(self, name, sig=signal.SIGKILL):
        self.others[name].send_signal(sig)
        return self.others[name].wait(20)

    def again(self, name):
        self.end(name)
        self.run(name)

    def kill(self):
        super().kill()
        for p in getattr(self, 'others', {}).values():
            p.kill()
            p.wait()

    def slot(self, name='a-0'):
        return self.slots().get(name, {})

    def bytes(self, name='a-0'):
        return b''.join(open(f, 'rb').read()
                        for f in sorted(glob.glob(self.dir + '/log/' + name + '/*.log')))

    def text(self, name, file):
        return open(self.dir + '/log/%s/%s' % (name, file)).read()


one, two = Member(1), Member(2)
both = one, two


def until(fn, seconds=30):
    end = time.time() + seconds
    while not fn() and time.time() < end:
        time.sleep(0.01)
    return fn()


def topic(name, id, partitions=1, leader=1, **configs):
    for m in both:
        m.topic(name, id, partitions, (1, 2), leader, **configs)


def change(id, partition=0, **what):
    for m in both:
        m.change(id, partition, **what)


def settled(name='a-0', leader=one, follower=two):
    a, b = leader.slot(name), follower.slot(name)
    return a and b and a['log_end'] == a['high_watermark'] == b['log_end'] == b['flushed']


def same(what, name='a-0', leader=one, follower=two):
    good = until(lambda: settled(name, leader, follower))
    if not good:
        print('#', leader.slot(name), follower.slot(name), flush=True)
    t.ok(good, what + ': the follower is there')
    t.ok(leader.bytes(name) == follower.bytes(name), what + ': the same bytes')


def put(m, name='a', acks=-1, n=3, partition=0, tag='x', timeout=10000):
    return m.produce(name, batch([b'%s %d' % (tag.encode(), i) for i in range(n)]), acks,
                     partition=partition, timeout=timeout)['ErrorCode']


def copies():
    topic('a', A, 3)
    t.same([put(one, partition=i) for i in range(3)], [0, 0, 0], 'acks=all')
    for i in range(3):
        same('partition %d' % i, 'a-%d' % i)
    for n in 200, 2000, 20000:    # answers of every size
        put(one, n=n)
        same('%d records' % n)
    big = batch([rng.randbytes(600000) for _ in range(5)])
    topic('big', b'\x0d' * 16, max_message_bytes='5000000')
    t.same(one.produce('big', big)['ErrorCode'], 0, 'a batch larger than an answer should be')
    same('it', 'big-0')
    times = []
    for _ in range(50):
        before = time.time()
        put(one)
        times.append(time.time() - before)
    print('# acks=all: median %.2f ms' % (sorted(times)[25] * 1000), flush=True)
    t.ok(sorted(times)[25] < 0.1, 'and nobody waits for a timeout')
    time_of_new = time.time()
    topic('b', B)
    t.same(put(one, 'b'), 0, 'a topic that is made meanwhile')
    print('# new topic: %.0f ms' % ((time.time() - time_of_new) * 1000), flush=True)
    t.same(two.slot()['role'], 2, 'it is a follower')
    t.ok(until(lambda: two.slot()['high_watermark'] == one.slot()['high_watermark']),
         'it is told the high watermark')


def load(seconds, fn):
    """Producers with acks=all meanwhile; every record they were answered for must be there."""
    stop, acked, lock = threading.Event(), [], threading.Lock()

    def produce(k):
        port, n = Port(one.dir + '/run/logappend'), 0
        while not stop.is_set():
            value = b'load %d %d' % (k, n)
            try:
                if one.produce('a', batch([value]), partition=k % 3, port=port)['ErrorCode'] == 0:
                    with lock:
                        acked.append((k % 3, value))
                    n += 1
            except (EOFError, OSError):
                try:
                    port = Port(one.dir + '/run/logappend')
                except OSError:
                    time.sleep(0.01)
    threads = [threading.Thread(target=produce, args=(k,)) for k in range(6)]
    for x in threads:
        x.start()
    fn()
    stop.set()
    for x in threads:
        x.join()
    for i in range(3):
        same('after the load, partition %d' % i, 'a-%d' % i)
    data = [two.bytes('a-%d' % i) for i in range(3)]
    t.ok(all(value in data[i] for i, value in acked), 'all %d records are there' % len(acked))
    return len(acked)


def kills():
    def kill():
        for _ in range(int(os.environ.get('COUNT', 12))):
            time.sleep(rng.random() * 0.3)
            what = rng.choice(['replicate', 'logappend', 'gate', 'logappend of the leader'])
            if what == 'logappend':
                two.kill_one()
            elif what == 'logappend of the leader':
                one.kill_one()
            else:
                (two if what == 'replicate' else one).again(what)
    t.ok(load(5, kill) > 0, 'some were acknowledged')


def kill_one(self):
    self.program.kill()
    self.program.wait()
    self.start()


Member.kill_one = kill_one


def diverges():
    two.end('replicate')
    for i in range(5):
        put(one, acks=1, n=50, tag='lost')
    change(A, Leader=2, Isr=[2])
    one.again('replicate')
    t.same(put(two, acks=1, tag='kept'), 0, 'the other leads')
    same('a log that diverged is cut', 'a-0', two, one)
    t.ok(b'lost' not in one.bytes() and b'kept' in one.bytes(), 'what nobody else had is gone')
    t.same(one.text('a-0', 'leader-epoch-checkpoint'), two.text('a-0', 'leader-epoch-checkpoint'),
           'they have the same epochs')
    one.kill_one()
    same('after kill -9', 'a-0', two, one)
    change(A, Leader=1, Isr=[1, 2])
    two.run('replicate')
    t.same(put(one), 0, 'and back')
    same('back')


def unclean():
    two.end('replicate')
    one.elect.add(('FenceBrokerRecord', 0, {'Id': 2, 'Epoch': 5}))
    change(A, Isr=[1])
    t.same(put(one, n=50, tag='alone'), 0, 'one leads alone')
    life, end = one.program.pid, one.slot()['high_watermark']
    change(A, Leader=2, Isr=[2])
    one.again('replicate')
    t.same(put(two, acks=1, tag='unclean'), 0, 'the other leads, which does not have it')
    same('what was committed is cut', 'a-0', two, one)
    t.ok(b'alone' not in one.bytes() and one.slot()['high_watermark'] < end, 'it is gone')
    t.same((one.program.pid, one.program.poll()), (life, None), 'and logappend goes on')
    one.elect.add(('UnfenceBrokerRecord', 0, {'Id': 2, 'Epoch': 5}))
    change(A, Leader=1, Isr=[1, 2])
    two.run('replicate')
    t.same(put(one), 0, 'and back')


def away():
    two.end('replicate')
    change(B, Isr=[1])
    for i in range(5):
        put(one, 'b', -1, 100)
    end = one.slot('b-0')['log_end']
    one.port.call('DeleteRecords', 2, Topics=[{'Name': 'b', 'Partitions': [
        {'PartitionIndex': 0, 'Offset': end}]}], TimeoutMs=100)
    t.same(one.slot('b-0')['log_start'], end, 'the leader deletes what the other has not')
    put(one, 'b', 1, 10)
    two.run('replicate')
    t.ok(until(lambda: two.slot('b-0')['log_end'] == end + 10), 'it begins anew')
    t.same(two.slot('b-0')['log_start'], end, 'where the leader begins')
    t.ok(until(lambda: two.slot('b-0')['high_watermark'] == end + 10), 'and goes on')
    t.same(put(one, 'b', 1), 0, 'more')
    t.ok(until(lambda: two.slot('b-0')['log_end'] == end + 13), 'comes')


def alone():
    ghost = b'\x0c' * 16
    two.topic('ghost', ghost, 1, (1, 2), 1)
    t.same(put(one), 0, 'a partition that the leader does not know holds up no other')
    one.topic('ghost', ghost, 1, (1, 2), 1)
    t.same(put(one, 'ghost'), 0, 'and is asked for again')
    same('it', 'ghost-0')


def stops():
    t.same(two.end('replicate', signal.SIGTERM), 0, 'replicate leaves at SIGTERM')
    t.same(two.stop(), 0, 'and logappend')
    two.start()
    two.run('replicate')
    t.same(put(one), 0, 'when they are back all goes on')
    same('back')


for f in copies, kills, diverges, unclean, away, alone, stops:
    try:
        f()
    except Exception as e:
        import traceback
        traceback.print_exc()
        t.ok(False, '%s: %r' % (f.__name__, e))
        for m in both:
            print('#', m.said()[-2000:].replace('\n', '\n# '), file=sys.stderr, flush=True)
        break
for m in both:
    m.kill()
if not os.environ.get('KEEP'):
    shutil.rmtree(tmp, ignore_errors=True)
t.done()
