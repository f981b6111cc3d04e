#!/usr/bin/env python3
# txncoord: producer ids are never given twice, whoever is killed; what it refuses, how it waits.
import os
import shutil
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, Port  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/5230-txncoord.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()


class Coordinator(Node):
    PROGRAM, SOCKET = 'txncoord', 'run/txncoord'


node = Coordinator(tmp + '/node')
node.start()


def ask(version=4, port=None, **k):
    got = (port or node.port).call('InitProducerId', version, **{
        'TransactionalId': None, 'TransactionTimeoutMs': 1000, **k})
    return got['ErrorCode'], got['ProducerId'], got['ProducerEpoch']


t.same(ask(), (0, 0, 0), 'the first id, epoch 0')
t.same([ask(v)[:2] for v in range(6)], [(0, i) for i in range(1, 7)], 'every version')
t.same(ask(TransactionalId='t'), (15, -1, -1), 'transactional: COORDINATOR_NOT_AVAILABLE')
t.same(ask(TransactionalId=''), (42, -1, -1), 'an empty transactional id: INVALID_REQUEST')
t.same(ask(ProducerId=5)[0], 42, 'a producer id without an epoch')
t.same(ask(ProducerEpoch=5)[0], 42, 'an epoch without a producer id')
t.same(ask(ProducerId=5, ProducerEpoch=1), (0, 7, 0), 'both: a new id, as from Kafka')
tags = [node.port.send('InitProducerId', 4, TransactionalId=None) for _ in range(5000)]
ids = [node.port.receive(x)['ProducerId'] for x in tags]
t.same(len(set(ids) - set(range(8))), 5000, '5000 at once, from several blocks')
node.kill()
node.start()
more = [ask()[1] for _ in range(10)]
t.ok(min(more) > max(ids), 'after a kill a new block is begun', more, max(ids))
end = time.monotonic() + 10
while node.elect.block < (max(more) // 1000 + 2) * 1000 and time.monotonic() < end:
    time.sleep(0.01)    # until the block ahead was asked for
node.elect.allocating = False
got = [ask() for _ in range(1993)]
t.ok(set(g[0] for g in got[:1900]) == {0}, 'two blocks last while the controller gives none')
while got[-1][0] == 0:
    got.append(ask())
t.same(got[-1][0], 14, 'then COORDINATOR_LOAD_IN_PROGRESS, after a while')
tag = node.port.send('InitProducerId', 4, TransactionalId=None)
node.elect.allocating = True
t.same(node.port.receive(tag)['ErrorCode'], 0, 'who waits gets an id as soon as there is a block')
p = Port(node.dir + '/run/txncoord')
p.send('Metadata', 9, Topics=None)
t.same(p.receive(p.tag), 'close', 'another API closes the connection')
t.same(node.stop(), 0, 'SIGTERM: exit 0')
t.same(subprocess.run(['build/bin/txncoord', 'x'], capture_output=True).returncode, 100, 'usage')
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
