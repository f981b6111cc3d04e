#!/usr/bin/env python3
# logserve and metaserve on their sockets, beside a metadata log of the test's own: roles, epochs,
# leaders elsewhere, descriptors, transactions, fenced brokers, a changing environment.
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from port import Node, Port, batch, message, read_log, read_message  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/5330-logserve-port.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
A, B, C, D, E, F, G, N = (bytes([i] * 16) for i in range(1, 9))
RACKS = {'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector'}
node = Node(tmp + '/node', **RACKS)
with open(tmp + '/node/log/meta.properties', 'w') as f:
    f.write('version=1\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=1\n')
node.start()
running = {}


class Reader(Port):
    """A caller that keeps the descriptors that it is handed, as gate does."""
    def __init__(self, path):
        Port.__init__(self, path)
        self.held, self.kinds, self.forgotten = {}, [], []

    def turn(self):
        kind, _, tag, body = read_message(self.socket, self.fds)
        if kind == 4:
            self.answers[tag] = body
        elif kind == 8:
            self.forgotten.append(struct.unpack('>IQI', body))

    def receive(self, tag):
        while tag not in self.answers:
            self.turn()
        api, version = self.asked.pop(tag)
        body = self.answers.pop(tag)
        kind, _, n = struct.unpack('>BIH', body[:7])
        if kind:
            return [None, 'close'][kind - 1]
        at, data, self.kinds = 7, b'', []
        for _ in range(n):
            if body[at] == 0:
                size = struct.unpack('>I', body[at + 1:at + 5])[0]
                data += body[at + 5:at + 5 + size]
                at += 5 + size
                continue
            slot, base, generation, offset, size = struct.unpack('>IQIQI', body[at + 1:at + 29])
            self.kinds.append(body[at])
            if body[at] == 2:
                self.held[slot, base, generation] = self.fds.pop(0)
            data += os.pread(self.held[slot, base, generation], size, offset)
            at += 29
        skip = 4
        if api != 'ApiVersions' and version >= raw.MESSAGES[api + 'Response'].flexible:
            skip = 5
        return raw.decode(api + 'Response', version, data[skip:])


def start(program):
    running[program] = subprocess.Popen([program], cwd=node.dir, env=node.env, stderr=node.err)
    end = time.time() + 20
    while time.time() < end:
        try:
            p = Reader(os.path.join(node.dir, 'run', program))
            if node.elect.wait(program, node.elect.end):
                return p
        except OSError:
            time.sleep(0.01)
    raise TimeoutError(program)


def stop(program):
    running[program].terminate()
    return running.pop(program).wait(20)


def settle():
    for program in running:
        if not node.elect.wait(program, node.elect.end):
            raise TimeoutError(program)


def one(version, topic, offset=0, client=None, partition=0, top=None, **kw):
    key = 'TopicId' if version >= 13 else 'Topic'
    p = dict(dict(Partition=partition, FetchOffset=offset, PartitionMaxBytes=1 << 20), **kw)
    a = (client or serve).call('Fetch', version, **dict(dict(
        MaxWaitMs=0, MinBytes=1, MaxBytes=1 << 20,
        Topics=[{key: topic, 'Partitions': [p]}]), **(top or {})))
    return a, a['Responses'][0]['Partitions'][0]


def offset_of(version, topic, when=-1, epoch=-1, **kw):
    p = dict(PartitionIndex=0, Timestamp=when, CurrentLeaderEpoch=epoch)
    a = serve.call('ListOffsets', version, **dict(dict(
        ReplicaId=-1, Topics=[dict(Name=topic, Partitions=[p])]), **kw))
    x = a['Topics'][0]['Partitions'][0]
    return x['ErrorCode'], x['Offset']


def leaders_elsewhere():
    node.topic('away', A, replicas=(2,), leader=2)
    settle()
    for v in (4, 11, 12, 15):
        a, p = one(v, A if v > 12 else 'away')
        t.same((p['ErrorCode'], p.get('CurrentLeader')),
               (6, dict(LeaderId=-1, LeaderEpoch=-1) if v >= 12 else None),
               'no replica here, version %d' % v)
    a, p = one(16, A)
    t.same((p['ErrorCode'], p['CurrentLeader']), (6, dict(LeaderId=2, LeaderEpoch=0)),
           'version 16 names the leader')
    t.same(a['NodeEndpoints'], [dict(NodeId=2, Host='host2', Port=9092, Rack='')],
           'and its endpoint (KIP-951)')
    t.same(offset_of(5, 'away'), (6, -1), 'ListOffsets: NOT_LEADER_OR_FOLLOWER')


def roles():
    node.topic('both', B, replicas=(1, 2))
    settle()
    node.produce('both', batch([b'x', b'y']), acks=1)
    t.same(one(12, 'both')[1]['ErrorCode'], 0, 'the leader is read')
    node.change(B, Leader=2)
    settle()
    t.same(one(10, 'both')[1]['ErrorCode'], 6, 'version 10: not the leader any more')
    t.same(one(11, 'both')[1]['ErrorCode'], 0, 'version 11 may read followers (KIP-392)')
    t.same(offset_of(5, 'both'), (6, -1), 'ListOffsets is for leaders')
    t.same(offset_of(5, 'both', ReplicaId=-2)[0], 0, 'or for debuggers')
    a, p = one(16, B, CurrentLeaderEpoch=0)
    t.same((p['ErrorCode'], p['CurrentLeader'], len(a['NodeEndpoints'])),
           (74, dict(LeaderId=2, LeaderEpoch=1), 1), 'FENCED_LEADER_EPOCH names the leader too')
    t.same(one(16, B, CurrentLeaderEpoch=9)[1]['ErrorCode'], 75, 'UNKNOWN_LEADER_EPOCH')
    t.same(offset_of(5, 'both', epoch=0), (74, -1), 'ListOffsets: FENCED_LEADER_EPOCH')
    t.same(offset_of(5, 'both', epoch=9), (75, -1), 'ListOffsets: UNKNOWN_LEADER_EPOCH')
    sleeper = Reader(node.dir + '/run/logserve')
    tag = sleeper.send('Fetch', 12, MaxWaitMs=20000, MinBytes=1, MaxBytes=1000, Topics=[dict(
        Topic='both', Partitions=[dict(Partition=0, CurrentLeaderEpoch=1, FetchOffset=0)])])
    serve.call('ListOffsets', 5, Topics=[])
    began = time.time()
    node.change(B, Leader=1)
    a = sleeper.receive(tag)['Responses'][0]['Partitions'][0]
    t.same(a['ErrorCode'], 74, 'a sleeper hears of a new epoch')
    t.ok(time.time() - began < 5, 'at once')


def nearest():
    """KIP-392: a leader names a replica in the consumer's rack; that one reads up to its HW."""
    def rack(i, name, **k):
        kind, version, fields = node.broker(i)
        node.elect.add((kind, version, {**fields, 'Rack': name, **k}))
    rack(2, 'east')
    node.topic('near', N, replicas=(1, 2))
    node.produce('near', batch([b'x', b'y']), acks=1)
    settle()

    def at(name, offset=0, **k):
        p = serve.call('Fetch', 11, MaxWaitMs=0, MinBytes=1, MaxBytes=1000, RackId=name, **{
            'Topics': [dict(Topic='near', Partitions=[dict(
                Partition=0, CurrentLeaderEpoch=-1, FetchOffset=offset, PartitionMaxBytes=1000)])],
            **k})['Responses'][0]['Partitions'][0]
        return p['ErrorCode'], p['PreferredReadReplica'], p['HighWatermark']
    t.same([at(x) for x in ('east', 'west', '')], [(0, 2, 0), (0, -1, 0), (0, -1, 0)],
           'a replica in the rack of the consumer')
    t.same(at('east', 1)[1], -1, 'that has no such offset, for all we know')
    node.change(N, Isr=[1])
    settle()
    t.same(at('east')[1], -1, 'that is not in sync')
    node.change(N, Isr=[1, 2])
    rack(2, 'east', Fenced=True)
    settle()
    t.same(at('east')[1], -1, 'that is fenced')
    rack(2, 'east')
    rack(1, 'east')
    settle()
    t.same(at('east')[1], -1, 'the leader is there itself')
    node.elect.add(node.broker(1), node.broker(2))
    settle()


def descriptors():
    node.topic('files', C, segment_bytes='1048576')
    settle()
    for _ in range(12):
        node.produce('files', batch([b'x' * 200000]))
    c1, c2 = (Reader(node.dir + '/run/logserve') for _ in range(2))
    kinds = []
    for c in (c1, c1, c2):
        one(12, 'files', client=c)
        kinds += c.kinds
    t.same(kinds, [2, 1, 2], 'a descriptor comes with the first range only, to each caller')
    one(12, 'files', 8, client=c1)
    t.same(c1.kinds, [2], 'another file is another descriptor')
    t.same(len({generation for _, _, generation in c1.held}), 2, 'and another generation')
    held = set(c1.held)
    slot, base, generation = max(c1.held, key=lambda x: x[1])
    c1.socket.sendall(message(8, 0, struct.pack('>IQI', slot, base, generation)))
    one(12, 'files', 8, client=c1)
    t.same(c1.kinds, [2], 'one that the caller let go comes again')
    node.remove(C)
    settle()
    end = time.time() + 10
    while len(c1.forgotten) < 2 and time.time() < end:
        c1.turn()
    t.same(set(c1.forgotten), held, 'when the files have gone their descriptors are taken back')
    node.topic('files', D)
    settle()
    node.produce('files', batch([b'new']))
    a, p = one(12, 'files', client=c1)
    t.same((c1.kinds, b'new' in p['Records']), ([2], True),
           'a new topic of that name has files of its own')
    t.same(one(13, C, client=c1)[1]['ErrorCode'], 100, 'the old id is unknown')


def recreated():
    """logappend is behind: its page still has the old topic of a name."""
    node.topic('again', F)
    settle()
    node.produce('again', batch([b'old']))
    node.program.send_signal(signal.SIGSTOP)
    t.same(one(12, 'again')[1]['ErrorCode'], 0, 'a stopped logappend stops no reads')
    node.elect.add(('RemoveTopicRecord', 0, {'TopicId': F}))
    node.elect.add(('TopicRecord', 0, {'Name': 'again', 'TopicId': G}),
                   ('PartitionRecord', 1, {
                       'PartitionId': 0, 'TopicId': G, 'Replicas': [1], 'Isr': [1], 'Leader': 1,
                       'LeaderEpoch': 0, 'PartitionEpoch': 0,
                       'Directories': [bytes(16)]}))
    settle()
    t.same(one(13, F)[1]['ErrorCode'], 100, 'the old id: UNKNOWN_TOPIC_ID')
    t.same(one(13, G)[1]['ErrorCode'], 103, 'the new id: INCONSISTENT_TOPIC_ID')
    t.same(one(12, 'again')[1]['ErrorCode'], 6, 'the name: nothing of the old topic is shown')
    t.same(offset_of(5, 'again'), (6, -1), 'nor are its offsets')
    node.program.send_signal(signal.SIGCONT)
    node.settle()
    t.same(one(13, G)[1]['HighWatermark'], 0, 'then the new one is there')


def transactions():
    """Two that were aborted, put on disk before logserve looks: it proves the index by the markers,
    which no client may send."""
    running['logserve'].send_signal(signal.SIGSTOP)
    node.topic('txn', E)
    marker = dict(values=[bytes(6)], keys=[bytes(4)], timestamp=1)
    for b in (batch([b'a', b'b']), batch(**marker), batch([b'c']), batch(**marker)):
        node.produce('txn', b)
    path = node.dir + '/log/txn-0/%020d' % 0
    log = [b['bytes'] for b in read_log(path + '.log')]
    for i, base, pid in (1, 2, 7), (3, 4, 8):
        log[i] = batch(base=base, leader_epoch=0, pid=pid, epoch=0, attributes=0x30, **marker)
    with open(path + '.log', 'r+b') as f:
        f.write(b''.join(log))
    with open(path + '.txnindex', 'wb') as f:
        f.write(struct.pack('>hqqqq', 0, 7, 0, 2, 3) + struct.pack('>hqqqq', 0, 8, 3, 4, 5))
    running['logserve'].send_signal(signal.SIGCONT)
    settle()

    def aborted(offset, isolation=1, **kw):
        p = one(12, 'txn', offset, top=dict(IsolationLevel=isolation), **kw)[1]
        x = p['AbortedTransactions']
        return x and [(y['ProducerId'], y['FirstOffset']) for y in x]
    t.same(aborted(0), [(7, 0), (8, 3)], 'read_committed is told what was aborted')
    t.same(aborted(3), [(8, 3)], 'from where it reads')
    t.same(aborted(0, PartitionMaxBytes=1), [(7, 0)], 'to where it reads')
    t.same(aborted(5), [], 'nothing at the end')
    t.same(aborted(0, 0), None, 'read_uncommitted is not told')


def fenced():
    node.elect.add(('RegisterBrokerRecord', 3, {
        'BrokerId': 2, 'IncarnationId': b'2' * 16, 'BrokerEpoch': 99, 'Fenced': True,
        'EndPoints': [{'Name': 'PLAINTEXT', 'Host': 'host2', 'Port': 9092}]}))
    settle()
    a = meta.call('Metadata', 9, Topics=[dict(Name='both'), dict(Name='away')])
    t.same([b['NodeId'] for b in a['Brokers']], [1], 'a fenced broker is not listed')
    p = a['Topics'][0]['Partitions'][0]
    t.same((p['ErrorCode'], p['LeaderId'], p['ReplicaNodes'], p['IsrNodes'], p['OfflineReplicas']),
           (0, 1, [1, 2], [1, 2], [2]), 'its replicas are offline')
    a = meta.call('Metadata', 0, Topics=[dict(Name='both')])
    p = a['Topics'][0]['Partitions'][0]
    t.same((p['ErrorCode'], p['ReplicaNodes']), (9, [1]), 'version 0: REPLICA_NOT_AVAILABLE')
    a = meta.call('DescribeCluster', 2, IncludeFencedBrokers=True)
    t.same([(b['BrokerId'], b['IsFenced']) for b in a['Brokers']], [(1, False), (2, True)],
           'DescribeCluster shows fenced brokers when asked')
    t.same([b['BrokerId'] for b in meta.call('DescribeCluster', 1)['Brokers']], [1], 'and not else')
    node.elect.add(('PartitionChangeRecord', 1, {'PartitionId': 0, 'TopicId': A, 'Leader': -1}))
    settle()
    p = meta.call('Metadata', 9, Topics=[dict(Name='away')])['Topics'][0]['Partitions'][0]
    t.same((p['ErrorCode'], p['LeaderId']), (5, -1), 'no leader: LEADER_NOT_AVAILABLE')


def environment():
    global meta
    t.same(stop('metaserve'), 0, 'metaserve leaves at SIGTERM')
    node.env['auto.create.topics.enable'] = 'false'
    meta = start('metaserve')
    a = meta.call('Metadata', 9, Topics=[dict(Name='new')])
    t.same(a['Topics'][0]['ErrorCode'], 3, 'no topic is made where that is off')
    t.same(stop('logserve'), 0, 'logserve leaves at SIGTERM')
    stop('metaserve')
    for program in ('logserve', 'metaserve'):
        got = subprocess.run([program, 'x'], cwd=node.dir, env=node.env, stderr=subprocess.DEVNULL)
        t.same(got.returncode, 100, '%s: usage' % program)
        env = {k: v for k, v in node.env.items() if k != 'node.id'}
        got = subprocess.run([program], cwd=node.dir, env=env, stderr=subprocess.DEVNULL)
        t.same(got.returncode, 100, '%s: no node.id' % program)


try:
    serve, meta = start('logserve'), start('metaserve')
    leaders_elsewhere()
    roles()
    nearest()
    descriptors()
    recreated()
    transactions()
    fenced()
    environment()
finally:
    for name in list(running):
        stop(name)
    node.stop()
shutil.rmtree(tmp)
t.done()
