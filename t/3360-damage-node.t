#!/usr/bin/python3
# logappend on files that were damaged while it was down: no start cuts them or puts a partition
# away, others go on, and it is said which file. logserve: 3361.
import os
import shutil
import sys

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, batch, read_log  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/3360-damage-node.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
STORAGE = 56
n = Node(tmp + '/node')
n.topic('t', bytes(range(16)), 3)
n.start()
for p in range(3):
    for i in range(20):
        n.produce('t', batch([b'%d of %d' % (i, p)]), partition=p)


def path(p, name='%020d.log' % 0):
    return '%s/log/t-%d/%s' % (n.dir, p, name)


def bend(file, at):
    with open(file, 'r+b') as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))


size = len(read_log(path(0))[0]['bytes'])
for clean in (True, False):
    t.same(n.stop() if clean else n.kill(), 0 if clean else None, 'the node stops')
    how = 'after a clean stop' if clean else 'after a kill'
    bend(path(0), 5 * size + 40)
    before = os.path.getsize(path(0))
    n.start()
    t.same(n.slots()['t-0']['log_end'], 20, how + ': nothing is cut')
    t.same(os.path.getsize(path(0)), before, 'no byte of it')
    t.same([n.produce('t', batch([b'x']), partition=p)['ErrorCode'] for p in (1, 2)], [0, 0],
           'other partitions go on')
    bend(path(0), 5 * size + 40)

n.stop()
bend(path(1, 'partition.metadata'), 30)
open(path(2, 'leader-epoch-checkpoint'), 'w').write('garbage')
n.start()
t.same(n.produce('t', batch([b'x']), partition=1)['ErrorCode'], STORAGE,
       'with a bit wrong in its topic id a partition is offline')
t.ok('t-1/partition.metadata' in n.said(), 'which is said', n.said())
t.ok(os.path.exists(path(1)), 'and not put away')
t.same(n.produce('t', batch([b'x']), partition=2)['ErrorCode'], 0,
       'leader epochs are made anew')
t.ok('t-2/leader-epoch-checkpoint at 0: damaged' in n.said(), 'which is said', n.said())
n.kill()
open(path(2, 'partition.metadata'), 'w').close()
n.start()
t.same(n.slots()['t-2']['log_end'] > 20, True, 'an empty partition.metadata loses no record')
t.same(sorted(x for x in os.listdir(n.dir + '/log') if 'stray' in x), [], 'nothing is put away')
n.stop()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
