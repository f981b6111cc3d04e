#!/usr/bin/env python3
# logappend as the leader of partitions with several replicas. The followers, the controller and the
# metadata log are played here.
import glob
import os
import shutil
import signal
import sys
import threading
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, Port, batch, produce_request, read_log  # noqa: E402
from raw import Tap  # noqa: E402

LAG_MS = 1500
tmp = os.path.abspath('build/tmp/5250-leader.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
ids = (bytes([i] * 16) for i in range(1, 99))
node = Node(tmp + '/node', **{'replica.lag.time.max.ms': str(LAG_MS)})
node.elect.add(node.broker(3))
node.start()


def until(fn, seconds=20):
    end = time.time() + seconds
    while not fn() and time.time() < end:
        time.sleep(0.01)
    return fn()


def slot(name):
    return node.slots()[name]


def part(answer):
    return answer['Responses'][0]['PartitionResponses'][0]


def read_bytes(data):
    path = tmp + '/records'
    open(path, 'wb').write(data or b'')
    return read_log(path)


class Controller:
    """Answers AlterPartition as it is told, and notes what it was asked."""
    def __init__(self):
        self.asked, self.errors, self.silent = [], [], False
        self.lock = threading.Lock()
        node.elect.alter = self.alter

    def alter(self, request):
        with self.lock:
            self.asked.append(request)
            error = self.errors.pop(0) if self.errors else 0
        if error is None:
            return None
        return {'Topics': [{'TopicId': x['TopicId'], 'Partitions': [self.one(p, error)
                           for p in x['Partitions']]} for x in request['Topics']]}

    def one(self, p, error):
        if error:
            return {'PartitionIndex': p['PartitionIndex'], 'ErrorCode': error}
        isr = [b['BrokerId'] for b in p['NewIsrWithEpochs']]
        return {'PartitionIndex': p['PartitionIndex'], 'LeaderId': 1,
                'LeaderEpoch': p['LeaderEpoch'], 'Isr': isr,
                'PartitionEpoch': p['PartitionEpoch'] + 1}

    def last(self):
        p = self.asked[-1]['Topics'][0]['Partitions'][0]
        return ([(b['BrokerId'], b['BrokerEpoch']) for b in p['NewIsrWithEpochs']],
                p['LeaderEpoch'], p['PartitionEpoch'])


class Follower:
    """One replica's connection; what it fetches are all partitions of one topic."""
    def __init__(self, id, topic_id, n=1, epoch=0, broker_epoch=5, of=node):
        self.port, self.id, self.topic_id = Port(of.dir + '/run/logappend'), id, topic_id
        self.broker_epoch, self.session, self.session_epoch = broker_epoch, 0, 0
        self.at = {i: dict(Partition=i, CurrentLeaderEpoch=epoch, FetchOffset=0, LogStartOffset=0,
                           PartitionMaxBytes=1 << 20) for i in range(n)}
        self.named = set(self.at)

    def to(self, offset, partition=0, **k):
        self.at[partition].update(FetchOffset=offset, **k)
        self.named.add(partition)

    def send(self, wait=0, forget=(), **k):
        topics = [{'TopicId': self.topic_id, 'Partitions': [self.at[i]
                  for i in sorted(self.named)]}] if self.named else []
        gone = [{'TopicId': self.topic_id, 'Partitions': list(forget)}] if forget else []
        self.named = set()
        ask = dict(ReplicaState=dict(ReplicaId=self.id, ReplicaEpoch=self.broker_epoch),
                   MaxWaitMs=wait, MinBytes=1, MaxBytes=10 << 20, SessionId=self.session,
                   SessionEpoch=self.session_epoch, Topics=topics, ForgottenTopicsData=gone)
        return self.port.send('Fetch', 15, **{**ask, **k})

    def take(self, tag):
        """(error, what each partition of the answer says)."""
        got = self.port.receive(tag)
        if got['SessionId'] and not got['ErrorCode']:
            self.session, self.session_epoch = got['SessionId'], self.session_epoch + 1
        return got['ErrorCode'], {p['PartitionIndex']: p for x in got['Responses']
                                  for p in x['Partitions']}

    def fetch(self, **k):
        error, parts = self.take(self.send(**k))
        return parts if not error else error

    def one(self, offset, **k):
        """A fetch of partition 0 by itself, without a session."""
        self.named = {0}
        was = self.at[0]
        self.at[0] = {**was, 'FetchOffset': offset, **k}
        got = self.port.receive(self.send(SessionId=0, SessionEpoch=-1))
        self.at[0] = was
        return got['Responses'][0]['Partitions'][0]


controller = Controller()


def waiting():
    """A fetch with nothing to read is answered by the append."""
    a = next(ids)
    node.topic('a', a, 3, replicas=(1, 2))
    f = Follower(2, a, 3)
    start = time.time()
    got = f.fetch(wait=100)
    t.same((sorted(got), time.time() - start > 0.09), ([0, 1, 2], True), 'nothing: it waits')
    tag = f.send(wait=30000)
    t.same(node.produce('a', batch([b'x']), acks=1, partition=1)['BaseOffset'], 0, 'an append')
    error, got = f.take(tag)
    t.same((error, sorted(got), len(read_bytes(got[1]['Records']))), (0, [1], 1),
           'answers it, with that partition only')
    tag = f.send(wait=200)
    error, got = f.take(tag)
    t.same((sorted(got), len(read_bytes(got[1]['Records']))), ([1], 1),
           'who does not say that it has the records gets them again')
    f.to(1, 1)
    tag = f.send(wait=30000)
    t.ok(until(lambda: slot('a-1')['high_watermark'] == 1), 'on both disks: committed')
    first = node.port.send('Produce', 9, **produce_request('a', batch([b'y']), partition=1))
    error, got = f.take(tag)
    t.same(got[1]['HighWatermark'], 1, 'the next answer says so')
    f.to(2, 1)
    tag = f.send(wait=300)
    t.same(part(node.port.receive(first))['ErrorCode'], 0, 'acks=all: when the follower has it')
    error, got = f.take(tag)
    t.same((sorted(got), got[1]['HighWatermark']), ([1], 2),
           'a new high watermark is told, but not waited for')
    t.same(f.fetch(wait=50), {}, 'once')
    got = f.fetch(SessionEpoch=77)
    t.same(got, 71, 'INVALID_FETCH_SESSION_EPOCH')
    t.same(f.fetch(SessionId=4711), 70, 'FETCH_SESSION_ID_NOT_FOUND')
    node.produce('a', batch([b'z']), acks=1, partition=1)
    t.same(f.fetch(wait=50, forget=(1,)), {}, 'a partition that is forgotten')
    many = [f.port.send('Fetch', 15, ReplicaState=dict(ReplicaId=2, ReplicaEpoch=5), MaxWaitMs=100,
                        MinBytes=1, SessionId=f.session, SessionEpoch=f.session_epoch + i)
            for i in range(2)]
    t.same([f.port.receive(x)['ErrorCode'] for x in many], [0, 0],
           'a request that is followed by another is answered')
    f.session_epoch += 2
    f.send(wait=30000)
    f.port.close()
    t.same(node.produce('a', batch([b'z']), acks=1)['ErrorCode'], 0, 'one that hung up')


def checks():
    b = next(ids)
    node.topic('b', b, replicas=(1, 2))
    f = Follower(2, b)
    for i in range(3):
        node.produce('b', batch([b'%d' % i]), acks=1)
    node.change(b, Leader=1)
    node.produce('b', batch([b'3']), acks=1)
    s = slot('b-0')
    t.same((s['epoch'], s['epoch_start'], s['log_end']), (1, 3, 4), 'leader again: a new epoch')
    t.ok('0 0\n1 3\n' in open(node.dir + '/log/b-0/leader-epoch-checkpoint').read(), 'on disk')
    t.same([f.one(0, CurrentLeaderEpoch=e)['ErrorCode'] for e in (0, 1, 2, -1)], [74, 0, 75, 0],
           'FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH')
    t.same(Follower(3, b).one(0, CurrentLeaderEpoch=1)['ErrorCode'], 75, 'no replica')
    t.same(Follower(2, b, broker_epoch=4).one(0, CurrentLeaderEpoch=1)['ErrorCode'], 6,
           'an earlier life of the broker')
    t.same(slot('b-0')['high_watermark'], 0, 'nobody has anything yet')

    def last(epoch, offset):
        got = f.one(offset, CurrentLeaderEpoch=1, LastFetchedEpoch=epoch)
        return (got['ErrorCode'], got['DivergingEpoch']['Epoch'],
                got['DivergingEpoch']['EndOffset'], len(read_bytes(got['Records'])))
    t.same(last(0, 4), (0, 0, 3, 0), 'it has more of epoch 0 than there is: where that ends')
    t.same(slot('b-0')['high_watermark'], 0, 'and that is no progress')
    until(lambda: slot('b-0')['flushed'] == 4)
    t.same(last(0, 3), (0, -1, -1, 1), 'it has what there is')
    t.same(slot('b-0')['high_watermark'], 3, 'that is')
    t.same(last(1, 4), (0, -1, -1, 0), 'and all')
    t.same((last(0, 9)[1:3], last(5, 4)[0]), ((0, 3), 1), 'further, or of an epoch yet to come')


def grows():
    c = next(ids)
    node.topic('c', c, replicas=(1, 2, 3), min_insync_replicas='2')
    node.change(c, Isr=[1])
    f = Follower(2, c)
    t.same(node.produce('c', batch([b'0']))['ErrorCode'], 19, 'NOT_ENOUGH_REPLICAS')
    node.produce('c', batch([b'0']), acks=1)
    until(lambda: slot('c-0')['flushed'] == 1)
    t.same(slot('c-0')['high_watermark'], 0, 'with too few in sync nothing is committed')
    n = len(controller.asked)
    controller.errors = [None, 41, 0]
    f.to(1)
    f.fetch()
    t.ok(until(lambda: len(controller.asked) == n + 3), 'asked, lost, refused, asked again')
    t.same(controller.last(), ([(1, 5), (2, 5)], 0, 1), 'with the epochs of brokers, leader, set')
    t.ok(until(lambda: slot('c-0')['high_watermark'] == 1), 'in sync: now it is committed')
    tag = node.port.send('Produce', 9, **produce_request('c', batch([b'1'])))
    f.to(2)
    until(lambda: slot('c-0')['flushed'] == 2)
    f.fetch()
    t.same(part(node.port.receive(tag))['ErrorCode'], 0, 'two are enough')
    node.change(c, Isr=[1, 2])
    g = Follower(3, c)
    node.elect.add(('FenceBrokerRecord', 0, {'Id': 3, 'Epoch': 5}))
    node.settle()
    g.to(2)
    g.fetch()
    node.elect.add(('UnfenceBrokerRecord', 0, {'Id': 3, 'Epoch': 5}))
    node.settle()
    t.same(len(controller.asked), n + 3, 'a fenced broker is not asked for')
    controller.errors = [95]
    g.fetch(wait=10)
    g.to(2)
    g.fetch(wait=10)
    t.ok(until(lambda: len(controller.asked) == n + 4), 'an unfenced one is')
    node.produce('c', batch([b'2']), acks=1)
    until(lambda: slot('c-0')['flushed'] == 3)
    f.to(3)
    f.fetch()
    g.to(2)
    g.fetch(wait=200)
    t.same((len(controller.asked), slot('c-0')['high_watermark']), (n + 4, 2),
           'INVALID_UPDATE_VERSION: nothing more is asked, the larger set counts')
    node.change(c, Isr=[1, 2])
    t.ok(until(lambda: slot('c-0')['high_watermark'] == 3), 'until the metadata says what holds')
    f.port.close()
    g.port.close()


def shrinks():
    d = next(ids)
    node.topic('d', d, replicas=(1, 2))
    f = Follower(2, d)
    n = len(controller.asked)
    f.fetch(wait=0)
    end = time.time() + 2 * LAG_MS / 1000
    while time.time() < end:
        f.fetch(wait=200)
    t.same(len(controller.asked), n, 'who keeps fetching is in sync')
    tag = node.port.send('Produce', 9, **produce_request('d', batch([b'0']), timeout=60000))
    start = time.time()
    t.same(part(node.port.receive(tag))['ErrorCode'], 0, 'without the follower, in the end')
    t.ok(time.time() - start > LAG_MS / 2000, 'not at once')
    t.same(controller.last(), ([(1, 5)], 0, 0), 'the controller took it out')
    f.fetch(wait=0)
    t.same(len(controller.asked), n + 1, 'it is behind')
    f.to(1)
    f.fetch(wait=0)
    t.ok(until(lambda: len(controller.asked) == n + 2), 'it is back')
    f.port.close()


def roles():
    e = next(ids)
    node.topic('e', e, replicas=(1, 2))
    f = Follower(2, e)
    f.fetch()
    tag = f.send(wait=30000)
    made = node.port.send('Produce', 9, **produce_request('e', batch([b'0']), timeout=60000))
    f.take(tag)
    tag = f.send(wait=30000, **dict(MinBytes=1 << 20))
    node.change(e, Leader=2)
    t.same(part(node.port.receive(made))['ErrorCode'], 6, 'a follower fails what is parked at once')
    t.same(f.take(tag)[1][0]['ErrorCode'], 74, 'and answers who fetches')
    s = slot('e-0')
    t.same((s['role'], s['epoch'], s['log_end']), (2, 1, 1), 'the page says follower')
    t.same(node.produce('e', batch([b'1']), acks=1)['ErrorCode'], 6, 'it assigns no more offsets')
    f.at[0]['CurrentLeaderEpoch'] = 1
    t.same(f.one(0)['ErrorCode'], 6, 'and is fetched from no more')
    node.change(e, Leader=1)
    s = slot('e-0')
    t.same((s['role'], s['epoch'], s['epoch_start']), (1, 2, 1), 'leader again')
    f.at[0]['CurrentLeaderEpoch'] = 2
    f.one(1)
    t.ok(until(lambda: slot('e-0')['high_watermark'] == 1), 'the record of then is committed now')
    node.elect.add(('PartitionChangeRecord', 1, {'PartitionId': 0, 'TopicId': e, 'Isr': [1],
                                                 'Replicas': [1], 'Directories': [bytes(16)]}))
    node.settle()
    t.same(f.one(1)['ErrorCode'], 75, 'a replica that was taken out')
    t.same(node.produce('e', batch([b'2']))['ErrorCode'], 0, 'is not waited for')
    node.change(e, Isr=[2], Leader=2, Replicas=[2], Directories=[bytes(16)])
    t.ok('e-0' not in node.slots() and glob.glob(node.dir + '/log/e-0.*-delete'),
         'taken out itself: its files go')
    node.change(e, Replicas=[2, 1], Directories=[bytes(16)] * 2, AddingReplicas=[1])
    t.same((slot('e-0')['role'], slot('e-0')['log_end']), (2, 0), 'and back: an empty follower')
    f.port.close()


def early():
    """A follower that knows a new epoch before its leader does waits, and is not sent away."""
    l, n = next(ids), 40
    node.topic('l', l, n, replicas=(1, 2), leader=2)
    f = Follower(2, l, n, epoch=1)
    t.same({p['ErrorCode'] for p in f.fetch(wait=50).values()}, {75}, 'UNKNOWN_LEADER_EPOCH, late')
    f.named = set(f.at)
    tag = f.send(wait=30000)
    node.elect.add(*[('PartitionChangeRecord', 1, {'PartitionId': i, 'TopicId': l, 'Leader': 1})
                     for i in range(n)])
    t.ok(until(lambda: all(slot('l-%d' % i)['role'] == 1 for i in range(n))), 'the epoch begins')
    starts = ['0\n1\n1 0\n'] * n
    t.same([open('%s/log/l-%d/leader-epoch-checkpoint' % (node.dir, i)).read()
            for i in range(n)], starts, 'on disk, in each of many partitions')
    made = node.port.send('Produce', 9, **produce_request('l', batch([b'0']), partition=n - 1))
    got = f.take(tag)[1]
    t.same([x for x in got if got[x]['Records']], [n - 1], 'the fetch goes on by itself')
    f.to(1, n - 1)
    f.fetch(wait=0)
    t.same(part(node.port.receive(made))['ErrorCode'], 0, 'and counts')
    f.port.close()


def throttled():
    """Who is out of sync gets so many bytes a second, who is in sync all."""
    rate, w = 600000, Node(tmp + '/throttled')
    w.elect.add(w.broker(3))
    w.start()

    def set_rate(value):
        w.elect.add(('ConfigRecord', 0, {
            'ResourceType': 4, 'ResourceName': '1', 'Value': value,
            'Name': 'leader.replication.throttled.rate'}))
        w.settle()
    m = next(ids)
    w.topic('m', m, replicas=(1, 2, 3), leader_replication_throttled_replicas='1:1,0:1')
    w.change(m, Isr=[1, 3])
    set_rate(str(rate))
    for _ in range(20):
        w.produce('m', batch([b'x' * 100000]), acks=1)

    def seconds(f):
        start = time.time()
        while f.at[0]['FetchOffset'] < 20:
            p = f.fetch(wait=100).get(0, {'Records': b''})
            f.to(f.at[0]['FetchOffset'] + len(read_bytes(p['Records'])))
        return time.time() - start
    f, g = Follower(2, m, of=w), Follower(3, m, of=w)
    for x in (f, g):
        x.at[0]['PartitionMaxBytes'] = 150000
    fast, slow = seconds(g), seconds(f)
    least = (20 - 2) * 100000 / rate - 1
    t.ok(fast < least < slow, 'throttled: %.1f and %.1f s' % (fast, slow))
    set_rate(None)
    f.to(0)
    t.ok(seconds(f) < least, 'no longer')
    w.stop()


def deletes():
    g = next(ids)
    node.topic('g', g, replicas=(1, 2, 3))
    f, h = Follower(2, g), Follower(3, g)
    for i in range(4):
        node.produce('g', batch([b'%d' % i]), acks=1)
    for x in (f, h):
        x.to(4)
        x.fetch()
    until(lambda: slot('g-0')['high_watermark'] == 4)
    tag = node.port.send('DeleteRecords', 2, TimeoutMs=20000, Topics=[
        {'Name': 'g', 'Partitions': [{'PartitionIndex': 0, 'Offset': 3}]}])
    f.to(4, LogStartOffset=3)
    f.fetch()
    h.to(4, LogStartOffset=2)
    h.fetch()
    t.ok(tag not in node.port.answers, 'DeleteRecords waits for all replicas')
    h.to(4, LogStartOffset=3)
    h.fetch()
    p = node.port.receive(tag)['Topics'][0]['Partitions'][0]
    t.same((p['ErrorCode'], p['LowWatermark']), (0, 3), 'and answers with what all have deleted')
    f.port.close()
    h.port.close()


def again():
    """A topic that is made again under its name is another one."""
    h, i = next(ids), next(ids)
    node.topic('h', h, replicas=(1, 2))
    f = Follower(2, h)
    node.produce('h', batch([b'0']), acks=1)
    f.fetch()
    tag = f.send(wait=30000, Topics=[{'TopicId': h, 'Partitions': [{**f.at[0], 'FetchOffset': 1}]}])
    node.remove(h)
    t.same(f.take(tag)[1][0]['ErrorCode'], 100, 'a fetch that waits when its topic goes')
    node.topic('h', i, replicas=(1, 2))
    t.same(f.fetch(wait=0)[0]['ErrorCode'], 100, 'UNKNOWN_TOPIC_ID')
    g = Follower(2, i)
    t.same((g.one(0)['ErrorCode'], slot('h-0')['log_end']), (0, 0), 'the new one is empty')
    f.port.close()
    g.port.close()


def crash():
    """What the followers had is asked anew, and the high watermark stands."""
    j = next(ids)
    node.topic('j', j, replicas=(1, 2))
    f = Follower(2, j)
    tag = node.port.send('Produce', 9, **produce_request('j', batch([b'0'] * 5)))
    until(lambda: slot('j-0')['flushed'] == 5)
    f.to(5)
    f.fetch()
    t.same(part(node.port.receive(tag))['ErrorCode'], 0, 'committed')
    node.kill()
    node.start()
    s = slot('j-0')
    t.same((s['role'], s['epoch'], s['high_watermark'], s['epoch_start']), (1, 0, 5, 0),
           'after kill -9')
    tag = node.port.send('Produce', 9, **produce_request('j', batch([b'1'])))
    until(lambda: slot('j-0')['flushed'] == 6)
    f = Follower(2, j)
    f.to(5)
    f.fetch()
    t.ok(tag not in node.port.answers and slot('j-0')['high_watermark'] == 5, 'the follower')
    f.to(6)
    f.fetch()
    t.same(part(node.port.receive(tag))['ErrorCode'], 0, 'is asked again')
    t.same(node.stop(), 0, 'a clean stop while it waits')
    node.start()


def stopped():
    """A leader that was stopped, or whose elect was, for longer than a session accepts nothing."""
    w = Node(tmp + '/stopped', **{'broker.session.timeout.ms': '3000'})
    w.start()
    o, p = next(ids), next(ids)
    w.topic('o', o, replicas=(1, 2))
    w.topic('p', p)

    def codes():
        return [w.produce(x, batch([b'x']), acks=1)['ErrorCode'] for x in ('o', 'p')]
    t.same(codes(), [0, 0], 'acks=1')
    w.elect.asleep.set()
    t.ok(until(lambda: codes() == [6, 0]), 'refused where another may lead, without news')
    w.elect.asleep.clear()
    t.ok(until(lambda: codes() == [0, 0]), 'again with the next news')
    end = w.slots()['o-0']['log_end']
    f = Port(w.dir + '/run/logappend')
    os.kill(w.program.pid, signal.SIGSTOP)
    tags = [w.port.send('Produce', 9, **produce_request('o', batch([b'x']), acks=a)) for a in
            (1, -1)]
    late = f.send('Fetch', 15, ReplicaState=dict(ReplicaId=2, ReplicaEpoch=5), MinBytes=1,
                  Topics=[dict(TopicId=o, Partitions=[dict(
                      Partition=0, CurrentLeaderEpoch=0, FetchOffset=end + 2,
                      PartitionMaxBytes=1 << 20)])])
    w.elect.add(('PartitionChangeRecord', 1, {'PartitionId': 0, 'TopicId': o, 'Leader': 2}))
    time.sleep(3.1)
    os.kill(w.program.pid, signal.SIGCONT)
    t.same([part(w.port.receive(x))['ErrorCode'] for x in tags], [6, 6], 'woken, it knows better')
    t.ok(f.receive(late)['Responses'][0]['Partitions'][0]['ErrorCode'] in (1, 74),
         'and answers the replica that asked')
    w.settle()
    s = w.slots()['o-0']
    t.same((s['role'], s['log_end'] - end), (2, 0), 'it follows, and has put nothing into its log')
    w.stop()


def many():
    """What a session of many partitions costs is what has changed."""
    k, n = next(ids), int(os.environ.get('COUNT', '1000'))
    node.topic('k', k, n, replicas=(1, 2))
    f = Follower(2, k, n)
    t.same(len(f.fetch()), n, '%d partitions' % n)
    rounds, start = 200, time.time()
    for i in range(rounds):
        tag = f.send(wait=30000)
        node.produce('k', batch([b'x']), acks=1, partition=i)
        got = f.take(tag)[1]
        if [x for x in got if got[x]['Records']] != [i] or len(got) > 200:
            t.same(sorted(got), [i], 'the partition that has news')
            return
        f.to(1, i)
    seconds = time.time() - start
    print('# %.2f ms a round' % (1000 * seconds / rounds))
    t.ok(True, 'only the partition that has news is in each answer')


for test in (waiting, checks, grows, shrinks, roles, early, throttled, deletes, again, crash,
             stopped, many):
    test()
node.stop()
t.done()
if not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
