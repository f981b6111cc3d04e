#!/usr/bin/env python3
# logappend as a daemon, with its flusher, is killed before system calls that change files, while
# it makes topics, appends, rolls, begins an epoch, writes checkpoints, deletes records and a topic,
# and stops: what was acknowledged is there, what was deleted stays so, a producer may send again
# what it has no answer for, and a second recovery changes nothing. POINTS=n kills (25), spread over
# all calls; POINTS=0 is at every call. SEED by hand.
import hashlib
import os
import random
import shutil
import subprocess
import sys

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, batch, read_log  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
points = int(os.environ.get('POINTS', 25))
print('# SEED=%d' % seed, flush=True)
rng = random.Random(seed)
tmp = '/dev/shm/odradek-daemon-points.%d' % os.getpid()
os.makedirs(tmp)
t = Tap()
STEP, COUNT, JUMP = os.path.abspath('build/crash/step'), tmp + '/count', tmp + '/jump'
KEPT, GONE = b'k' * 16, b'g' * 16


class Work:
    """What is done to a node, and what was acknowledged of it."""

    def __init__(self, n):
        self.n = n
        node = self.node = Node('%s/%d' % (tmp, n))
        node.env.update({'LD_PRELOAD': os.path.abspath('build/crash/shim-clock.so'),
                         'CLOCK_JUMP': JUMP})
        node.under = [STEP, str(n), COUNT]
        self.acked, self.sent, self.start, self.gone = {}, 0, 0, False
        self.ended = ''

    def put(self, size=900):
        records = batch([b'%d:' % self.sent + b'x' * size], pid=7, epoch=0, seq=self.sent)
        self.sent += 1
        got = self.node.produce('kept', records)
        if got['ErrorCode'] or got['BaseOffset'] != self.sent - 1:
            raise AssertionError(got)
        self.acked[got['BaseOffset']] = records[61:]

    def delete(self, offset):
        got = self.node.port.call('DeleteRecords', 2, TimeoutMs=5000, Topics=[
            {'Name': 'kept', 'Partitions': [{'PartitionIndex': 0, 'Offset': offset}]}])
        p = got['Topics'][0]['Partitions'][0]
        if p['ErrorCode']:
            raise AssertionError(p)
        self.start = offset

    def all(self):
        self.node.start()
        self.node.topic('kept', KEPT, segment_bytes='3000', index_interval_bytes='0',
                        file_delete_delay_ms='0')
        self.node.topic('gone', GONE, 2, file_delete_delay_ms='0')
        for i in range(7):
            self.put()
        self.node.produce('gone', batch([b'g']), partition=1)
        self.node.change(KEPT, Leader=1)
        self.delete(4)
        for i in range(3):
            self.put()
        open(JUMP, 'w').close()     # checkpoints are due: a minute has gone
        self.put()
        self.put()
        self.node.remove(GONE)
        self.gone = True
        self.delete(9)
        self.put()
        return self.node.stop()

    def run(self):
        """The exit code; None: it was killed, or its flusher was."""
        try:
            return self.all()
        except (OSError, EOFError, TimeoutError) as e:
            self.ended = repr(e)
            try:
                self.node.program.wait(20)    # step has the report to write
            except (AttributeError, subprocess.TimeoutExpired):
                pass    # nothing was started, or it was a child that was killed
            return None
        finally:
            if os.path.exists(JUMP):
                os.unlink(JUMP)
            self.node.kill()


def logs(node):
    d = node.dir + '/log/kept-0/'
    return [b for f in sorted(os.listdir(d)) if f.endswith('.log') for b in read_log(d + f)]


def sums(node):
    """All files but those that wait to be removed."""
    out = {}
    for d, _, fs in os.walk(node.dir + '/log'):
        for f in fs:
            if not d.endswith('-delete') and not f.endswith('.deleted'):
                with open(d + '/' + f, 'rb') as x:
                    out[d + '/' + f] = hashlib.sha1(x.read()).hexdigest()
    return out


def checked(w, page):
    """What is wrong after the kill."""
    node = w.node
    node.under = []
    if not page and os.path.exists(node.dir + '/run/state'):
        os.unlink(node.dir + '/run/state')
    node.start()
    slots = node.slots()
    if w.gone and 'gone-0' in slots:
        return 'a topic that was deleted is there'
    if not w.acked:
        return ''
    s = slots['kept-0']
    if s['log_start'] < w.start:
        return 'the log starts at %d, not %d' % (s['log_start'], w.start)
    there = {b['base']: b['bytes'][61:] for b in logs(node)}
    for offset, records in w.acked.items():
        if offset >= s['log_start'] and there.get(offset) != records:
            return 'offset %d was acknowledged and is lost' % offset
    if w.sent > len(w.acked):     # no answer came for the last
        w.sent -= 1
    node.kill()
    once = sums(node)
    node.start()
    node.kill()
    changed = [f for f in set(once) | set(sums(node)) if once.get(f) != sums(node).get(f)]
    if changed:
        return 'the second recovery changed ' + ' '.join(changed)
    node.start()
    w.put()
    w.put()
    if node.stop():
        return 'no clean stop'
    got = subprocess.run(['build/bin/logcheck', node.dir + '/log/kept-0'], capture_output=True,
                         text=True)
    return got.stdout + got.stderr if got.returncode else ''


def calls():
    with open(COUNT) as f:
        n, name = f.read().split()
    return int(n), name


whole = Work(0)
code = whole.run()
if not t.ok(code == 0, 'a run without a kill', code, whole.ended, whole.node.said()):
    t.done()
last = calls()[0]
by = max(1, last // points) if points else 1
killed, wrong = 0, []
for n in range(1 + rng.randrange(by), last, by):
    w = Work(n)
    w.run()
    if calls()[0] < n:
        continue
    killed += 1
    try:
        said = checked(w, page=rng.random() < 0.5)
    except (OSError, EOFError, TimeoutError, AssertionError) as e:
        said = repr(e)
    w.node.kill()
    if said:
        wrong.append('call %d of %d (%s): %s' % (n, last, calls()[1], said))
        print('#', w.node.said()[-500:])
    else:
        shutil.rmtree(w.node.dir)
t.ok(killed > 5 and not wrong, 'killed at %d of %d calls' % (killed, last), *wrong)
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
