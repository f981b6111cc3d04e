#!/usr/bin/python3
# Three nodes, each topic on all of them, under clients that check everything: kill -9 of programs,
# of each node, of two, of all; nodes that are stopped for longer than their session; a rolling
# restart. Nothing acknowledged is lost or doubled, order is kept, the minority acknowledges
# nothing, clients that retry see no error, all comes back by itself, and the replicas are the
# same in the end. COUNT, SEED, ONLY=phase; 'programs' and 'rolling' by hand, as 5257, 5260 and 5406
# have them too.
import os
import random
import shutil
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from cluster import Cluster, ClusterLoad  # noqa: E402
from load import PARTITIONS  # noqa: E402
import raw  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
count = int(os.environ.get('COUNT', 1))
only = os.environ.get('ONLY', 'nodes stopped two all').split()
print('# SEED=%d COUNT=%d' % (seed, count), flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/3400-cluster.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
cluster = Cluster(tmp + '/lab', settings=['broker.session.timeout.ms=3000',
                                          'broker.heartbeat.interval.ms=500'])


def phase(name, fn):
    if name not in only or load.wrong:
        return
    begin = time.time()
    said = [fn() for _ in range(count)]
    came = time.time()
    moved, whole = load.moved(60), cluster.whole()
    t.ok(moved and whole and not load.wrong, '%s: %s, %.1f s, all in sync after %.1f' % (
        name, '; '.join(said), came - begin, time.time() - came),
        'moved %s, whole %s' % (moved, whole), dict(load.count), *load.wrong, cluster.said())


def programs():
    """One of each kind, each on a node of its own choice."""
    order = cluster.programs(1)
    rng.shuffle(order)
    for program in order:
        cluster.lab('kill', rng.choice(cluster.nodes), program)
        time.sleep(rng.uniform(0.05, 0.6))
    return '%d programs' % len(order)


def nodes():
    """The active controller's node too; the next one goes when the last is back in sync."""
    order = rng.sample(cluster.nodes, len(cluster.nodes))
    for node in order:
        cluster.lab('kill', node)
        load.moved(60) or load.complain('not moved without node', node)
        cluster.lab('up', node)
        cluster.whole() or load.complain('not whole after node', node)
    return ' '.join(map(str, order))


def stopped():
    active = cluster.quorum_leader()
    other = rng.choice([n for n in cluster.nodes if n != active])
    for node in (active, other):
        cluster.lab('pause', node)
        load.moved(60) or load.complain('not moved while stopped:', node)
        time.sleep(rng.uniform(0, 3))
        cluster.lab('resume', node)
        cluster.whole() or load.complain('not whole after', node)
    return 'node %d that is active, node %d' % (active, other)


def two():
    gone = rng.sample(cluster.nodes, 2)
    left = [n for n in cluster.nodes if n not in gone][0]
    for node in gone:
        cluster.lab('kill', node)
    time.sleep(1)
    before = dict(load.count)
    time.sleep(1)
    for what in ('produce', 'change', 'commit'):     # a thousand ids were had beforehand
        if load.count[what] != before.get(what, 0):
            load.complain('a minority acknowledges', what)
    for node in gone:
        cluster.lab('up', node)
    return 'without all but %d' % left


def everything():
    for node in rng.sample(cluster.nodes, len(cluster.nodes)):
        cluster.lab('kill', node)
    cluster.up(rng.sample(cluster.nodes, len(cluster.nodes)))   # none serves before two are there
    return 'all nodes'


def rolling():
    for node in cluster.nodes:
        cluster.lab('stop', node).returncode and load.complain('no clean stop of', node)
        cluster.lab('start').returncode and load.complain('no start of', node)
        cluster.whole() or load.complain('not whole after node', node)
    return 'stopped and started in turn'


def uncommitted():
    """What an active controller without a majority has done is nothing that others may hear of:
    the second of two answers would say that the topic is not there."""
    wrong = []
    cluster.ask(1, 'CreateTopics', 7, TimeoutMs=30000, Topics=[
        {'Name': 'stays', 'NumPartitions': 1, 'ReplicationFactor': -1}])
    active = cluster.quorum_leader()
    clients = [raw.Client(cluster.port_of(active) + 100) for _ in range(2)]
    others = [n for n in cluster.nodes if n != active]
    for node in others:
        cluster.lab('pause', node)
    for c in clients:
        c.send('DeleteTopics', 6, TimeoutMs=10000, Topics=[
            {'Name': 'stays', 'TopicId': bytes(16)}])
    for c in clients:
        try:
            error = c.receive()['Responses'][0]['ErrorCode']
            if error != 41:
                wrong.append('DeleteTopics says %d' % error)
        except (OSError, EOFError) as e:
            wrong.append(repr(e))
        c.close()
    for node in others:
        cluster.lab('resume', node)
    return wrong


try:
    if t.ok(cluster.started.returncode == 0, 'three nodes', cluster.started.stderr):
        t.same(uncommitted(), [], 'what is not committed is not told')
        t.ok(cluster.whole(), 'all are back')
        load = ClusterLoad(cluster, seed)
        t.ok(load.moved(60) and cluster.whole() and not load.wrong, 'clients are at work',
             *load.wrong)
        phase('programs', programs)
        phase('nodes', nodes)
        phase('stopped', stopped)
        phase('two', two)
        phase('all', everything)
        phase('rolling', rolling)
        load.end()
        t.ok(not load.wrong, 'nothing is lost, doubled, moved or wrong: ' + ' '.join(
            '%s %d' % x for x in sorted(load.count.items())), *load.wrong, cluster.said())
        t.ok(cluster.whole(), 'all replicas are in sync')
        t.same(cluster.lab('stop').returncode, 0, 'a clean stop')
        t.same(cluster.differences(PARTITIONS), [], 'the replicas are the same')
        t.same([n for n in cluster.nodes if cluster.check(n)], [], 'logcheck finds nothing')
finally:
    cluster.wreck()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
