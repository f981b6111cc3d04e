"""The questions of t/5660-data-path-answers.t: datapath.py PORT prints a line for each, with its
answer; ids, times, hosts and the words of messages are replaced by what they are."""
import gzip
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from raw import ROOT, Client, varint  # noqa: E402

port = int(sys.argv[1])
START = int(time.time() * 1000)
DAY, MB, TIMEOUT = 86400000, 1 << 20, 6
T0 = START - 2 * DAY              # records of the test are as old as this unless they say otherwise
CODES = {int(m[1]): m[2] for m in re.finditer(r'^(-?\d+) (\w+)', open(
    os.path.join(ROOT, 'lib/wire/errors.api')).read(), re.M)}
WORDS = ('ErrorMessage', 'BatchIndexErrorMessage')
ids, sessions, producers = {}, {}, {}
c = Client(port, timeout=60)     # a broker that has just come may be slow


# --- what is printed -----------------------------------------------------------------------------

def uuid(b):
    return ids.get(b, 'none' if b == bytes(16) else 'some')


def batches(data):
    """Base offset, count, leader epoch, attributes, of each whole batch; bytes behind them."""
    out, at = [], 0
    while at + 61 <= len(data):
        base, length, epoch = struct.unpack('>qii', data[at:at + 16])
        if at + 12 + length > len(data):
            break
        kind, = struct.unpack('>h', data[at + 21:at + 23])
        out.append('%d+%d/%d/%d' % (base, struct.unpack('>i', data[at + 57:at + 61])[0], epoch, kind))
        at += 12 + length
    return ' '.join(out) + (' and %d bytes' % (len(data) - at) if at < len(data) else '')


def when(n):
    if n < T0 - 400 * DAY or n > START + 400 * DAY:
        return str(n)
    if START - 1000 <= n <= START + 600000:
        return 'now'
    return 'T0%+d' % (n - T0)


def plain(key, v):
    if isinstance(v, dict):
        return '{%s}' % ' '.join('%s=%s' % (k, plain(k, x)) for k, x in v.items()
                                 if k not in ('ThrottleTimeMs',))
    if isinstance(v, list):
        return '[%s]' % ' '.join(plain(key, x) for x in v)
    if key == 'ErrorCode':
        return CODES[v]
    if key == 'Records':
        return 'null' if v is None else '(%s)' % batches(v)
    if key in WORDS or key == 'Documentation':
        return 'null' if v is None else 'words' if v else 'empty'
    if isinstance(v, bytes):
        return uuid(v)
    if key in ('Timestamp', 'LogAppendTimeMs', 'LastTimestamp'):
        return when(v)
    if key == 'ClusterId':
        return 'cluster' if v else repr(v)
    if key == 'Port' and v == port:
        return 'port'
    if key == 'SessionId' and v:
        return 'session%d' % sessions.setdefault(v, len(sessions) + 1)
    if key == 'LogDir':
        return 'dir'
    if key in ('TotalBytes', 'UsableBytes') and v > 0:
        return 'some'
    return repr(v) if isinstance(v, str) else str(v)


def tell(name, answer):
    print('%-44s %s' % (name, answer), flush=True)


def ask(name, api, version, **values):
    """Asks and prints; the answer, or None when there is none."""
    global c
    try:
        a = c.call(api, version, **values)
    except (EOFError, ConnectionError):
        a = None
        c = Client(port, timeout=TIMEOUT)
    except Exception as e:
        c = Client(port, timeout=TIMEOUT)
        tell('%s.%d %s' % (api, version, name), type(e).__name__)
        return None
    for s in shape.get(api, ()):
        if a:
            s(a)
    tell('%s.%d %s' % (api, version, name), 'closed' if a is None else plain('', a))
    return a


shape = {}


# --- batches -------------------------------------------------------------------------------------

TABLE = []
for i in range(256):
    for _ in range(8):
        i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
    TABLE.append(i)


def crc32c(data):
    crc = 0xffffffff
    for x in data:
        crc = TABLE[(crc ^ x) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def record(i, value=b'v', key=None, dt=0, delta=None, headers=b'\0'):
    def field(x):
        return zigzag(-1) if x is None else zigzag(len(x)) + x
    body = b'\0' + zigzag(dt) + zigzag(i if delta is None else delta) + field(key) + field(value) + headers
    return zigzag(len(body)) + body


def batch(n=1, pid=-1, epoch=-1, seq=-1, kind=0, times=None, records=None, count=None, last=None,
          base=0, leader=-1, magic=2, first=None, most=None, crc=0, length=0, size=1, key=None, raw=None):
    times = times or [T0] * n
    first = times[0] if first is None else first
    if records is None:
        records = b''.join(record(i, b'v' * size, key, times[i] - first) for i in range(n))
    if kind & 7 == 1:
        records = gzip.compress(records, mtime=0)
    records = records if raw is None else raw
    tail = struct.pack('>hiqqqhii', kind, n - 1 if last is None else last, first,
                       max(times) if most is None else most, pid, epoch, seq, n if count is None else count)
    tail += records
    return struct.pack('>qiiBI', base, 9 + len(tail) + length, leader, magic, crc32c(tail) ^ crc) + tail


def old_set(magic):
    """One message of magic 0 or 1."""
    import zlib
    body = struct.pack('>bb', magic, 0) + (struct.pack('>q', T0) if magic else b'')
    body += struct.pack('>i', -1) + struct.pack('>i', 1) + b'v'
    body = struct.pack('>I', zlib.crc32(body)) + body
    return struct.pack('>qi', 0, len(body)) + body


# --- topics --------------------------------------------------------------------------------------

def create(name, partitions=1, **configs):
    a = c.call('CreateTopics', 7, TimeoutMs=10000, Topics=[dict(
        Name=name, NumPartitions=partitions, ReplicationFactor=1,
        Configs=[dict(Name=k.replace('_', '.'), Value=str(v)) for k, v in configs.items()])])
    a = a['Topics'][0]
    if a['ErrorCode']:
        raise SystemExit('%s: %s' % (name, a))
    ids[a['TopicId']] = 'id(%s)' % name
    # a broker may not have heard of it yet
    for _ in range(200):
        p = c.call('ListOffsets', 5, ReplicaId=-1, Topics=[dict(Name=name, Partitions=[
            dict(PartitionIndex=i, Timestamp=-1) for i in range(partitions)])])
        if not any(x['ErrorCode'] for x in p['Topics'][0]['Partitions']):
            return a['TopicId']
        time.sleep(0.02)
    raise SystemExit('%s: no leader' % name)


def log_end(topic):
    a = c.call('ListOffsets', 5, ReplicaId=-1, Topics=[dict(Name=topic, Partitions=[
        dict(PartitionIndex=0, Timestamp=-1)])])
    return a['Topics'][0]['Partitions'][0]['Offset']


def stored(topic, offset):
    """The batch that came to lie at the old end, and its maximal timestamp."""
    a = c.call('Fetch', 12, MaxWaitMs=0, MinBytes=0, MaxBytes=1, Topics=[dict(Topic=topic, Partitions=[
        dict(Partition=0, FetchOffset=offset, PartitionMaxBytes=1)])])
    data = a['Responses'][0]['Partitions'][0]['Records']
    if not data or len(data) < 61:
        return 'nothing'
    base, = struct.unpack('>q', data[:8])
    kind, last, first, most = struct.unpack('>hiqq', data[21:43])
    return 'base+%d attributes=%d last=%d first=%s most=%s' % (base - offset, kind, last, when(first), when(most))


def produce(name, topic, records, version=9, partition=0, acks=-1, txn=None):
    """Offsets are told from the end of the log before, so that one difference does not make many."""
    global c
    end = log_end(topic)
    try:
        a = c.call('Produce', version, TransactionalId=txn, Acks=acks, TimeoutMs=5000, TopicData=[dict(
            Name=topic, PartitionData=[dict(Index=partition, Records=records)])])
        for r in a['Responses']:
            for p in r['PartitionResponses']:
                if p['BaseOffset'] >= 0:
                    p['BaseOffset'] = 'end%+d' % (p['BaseOffset'] - end)
        a = plain('', a)
    except Exception as e:
        a = 'closed' if isinstance(e, (EOFError, ConnectionError)) else type(e).__name__
        c = Client(port, timeout=TIMEOUT)
    if end >= 0 and "BaseOffset='end+0'" in a:
        # with acks=1 it may be told before consumers can see it
        deadline = time.time() + TIMEOUT
        while log_end(topic) == end and time.time() < deadline:
            time.sleep(0.01)
        a += ' stored %s' % stored(topic, end)
    tell('Produce.%d %s' % (version, name), a)


def part(offset, partition=0, **kw):
    return dict(dict(Partition=partition, FetchOffset=offset, PartitionMaxBytes=MB), **kw)


def fetch(name, version, topic, parts, **kw):
    key = 'TopicId' if version >= 13 else 'Topic'
    topics = [{key: topic, 'Partitions': parts}] if parts else []
    return ask(name, 'Fetch', version, **dict(dict(MaxWaitMs=0, MinBytes=1, MaxBytes=50 * MB,
                                                   Topics=topics), **kw))


def offsets(name, version, topic, timestamp, partition=0, replica=-1, isolation=0, **kw):
    return ask(name, 'ListOffsets', version, ReplicaId=replica, IsolationLevel=isolation, Topics=[dict(
        Name=topic, Partitions=[dict(PartitionIndex=partition, Timestamp=timestamp, **kw)])])


# --- questions -----------------------------------------------------------------------------------

def metadata():
    one, two = ids_of['one'], ids_of['three']
    nobody = b'\7' * 16
    for v in range(14):
        ask('by name', 'Metadata', v, Topics=[dict(Name='one')], AllowAutoTopicCreation=v < 4)
    for v in (0, 1, 3, 4, 9, 12, 13):
        kw = dict(AllowAutoTopicCreation=v < 4)
        ask('empty', 'Metadata', v, Topics=[], **kw)
        if v:
            ask('null', 'Metadata', v, Topics=None, **kw)
    for v in (4, 9, 12, 13):
        kw = dict(AllowAutoTopicCreation=False)
        ask('unknown', 'Metadata', v, Topics=[dict(Name='nosuch')], **kw)
        ask('twice, and one more', 'Metadata', v,
            Topics=[dict(Name='three'), dict(Name='one'), dict(Name='three')], **kw)
        for n in ('', '.', '..', 'a/b', 'a b', 'x' * 249, 'x' * 250, 'ä'):
            ask('name %s' % n[:5], 'Metadata', v, Topics=[dict(Name=n)], **kw)
    for n in ('a/b', '', 'x' * 250):
        ask('make %s' % n[:5], 'Metadata', 9, Topics=[dict(Name=n)], AllowAutoTopicCreation=True)
    for v in (8, 9, 10):
        ask('operations', 'Metadata', v, Topics=[dict(Name='one'), dict(Name='nosuch')],
            AllowAutoTopicCreation=False, IncludeTopicAuthorizedOperations=True,
            IncludeClusterAuthorizedOperations=True)
    for v in (10, 11, 12, 13):
        kw = dict(AllowAutoTopicCreation=False, IncludeTopicAuthorizedOperations=True)
        ask('by id', 'Metadata', v, Topics=[dict(TopicId=one, Name=None)], **kw)
        ask('by id, with its name', 'Metadata', v, Topics=[dict(TopicId=one, Name='one')], **kw)
        ask('by unknown id', 'Metadata', v, Topics=[dict(TopicId=nobody, Name=None)], **kw)
        ask('no id, no name', 'Metadata', v, Topics=[dict(Name=None)], **kw)
        ask('one by id, one by name', 'Metadata', v,
            Topics=[dict(TopicId=two, Name=None), dict(Name='one')], **kw)
        ask('ids', 'Metadata', v, Topics=[dict(TopicId=two, Name=None), dict(TopicId=one, Name=None)], **kw)


def cluster():
    for v in (0, 1, 2):
        ask('plain', 'DescribeCluster', v)
        ask('operations', 'DescribeCluster', v, IncludeClusterAuthorizedOperations=True)
    for v in (1, 2):
        for e in (0, 2, 3):
            ask('endpoint %d' % e, 'DescribeCluster', v, EndpointType=e)
    ask('fenced', 'DescribeCluster', 2, IncludeFencedBrokers=True)


def pages():
    def page(name, *names, **kw):
        ask(name, 'DescribeTopicPartitions', 0, Topics=[dict(Name=n) for n in names], **kw)

    page('all')
    page('one', 'one')
    page('three and one', 'three', 'one')
    page('twice', 'one', 'one')
    page('unknown', 'nosuch')
    page('a bad name', 'a/b')
    page('no name', '')
    for n in (2, 3, 1, 4, 0, -1):
        page('limit %d' % n, 'one', 'three', ResponsePartitionLimit=n)
    for name, i in (('three', 0), ('three', 1), ('three', 3), ('three', 9), ('three', -1), ('one', 0),
                    ('one', 1), ('nosuch', 0), ('', 0)):
        page('cursor %s %d' % (name, i), 'one', 'three', Cursor=dict(TopicName=name, PartitionIndex=i))
        page('all, cursor %s %d' % (name, i), ResponsePartitionLimit=2,
             Cursor=dict(TopicName=name, PartitionIndex=i))
    page('cursor at what is unknown', 'nosuch', 'three', Cursor=dict(TopicName='nosuch', PartitionIndex=0))
    page('limit 1, unknown behind', 'one', 'zzz', ResponsePartitionLimit=1)


def configs():
    def describe(name, version, kind, resource, keys=None, **kw):
        ask(name, 'DescribeConfigs', version, Resources=[dict(
            ResourceType=kind, ResourceName=resource, ConfigurationKeys=keys)], **kw)

    some = ['retention.ms', 'cleanup.policy', 'nosuch', 'max.message.bytes', 'compression.type']
    for v in (1, 2, 3, 4):
        describe('some of a topic', v, 2, 'set', some)
        describe('some of a topic, synonyms', v, 2, 'set', some, IncludeSynonyms=True)
    for v in (3, 4):
        describe('documentation', v, 2, 'set', some, IncludeDocumentation=True)
    describe('all of a topic', 4, 2, 'set', None, IncludeSynonyms=True, IncludeDocumentation=True)
    describe('no keys', 4, 2, 'set', [])
    for n in ('nosuch', '', 'a/b', '.'):
        describe('topic %s' % n, 4, 2, n)
    own = ['log.retention.ms', 'log.retention.hours', 'num.network.threads', 'nosuch', 'broker.id',
           'message.max.bytes', 'auto.create.topics.enable', 'log.cleaner.threads', 'compression.type']
    for n in ('1', '7', 'x', '-1', '01', ' 1', '99999999999'):
        describe('broker %s' % n, 4, 4, n, own, IncludeSynonyms=True)
    describe('all brokers', 4, 4, '', own, IncludeSynonyms=True)
    describe('loggers of 7', 4, 8, '7', ['root'])
    describe('loggers of none', 4, 8, '', ['root'])
    describe('loggers of x', 4, 8, 'x', ['root'])
    for k in (0, 1, 3, 5, 64, -1, 127):
        describe('kind %d' % k, 4, k, 'x')
    describe('metrics', 4, 16, 'x')
    describe('metrics of none', 4, 16, '')
    ask('nothing', 'DescribeConfigs', 4, Resources=[])
    ask('twice', 'DescribeConfigs', 4, Resources=[dict(ResourceType=2, ResourceName='one',
        ConfigurationKeys=['segment.ms'])] * 2)
    for v, kinds in ((0, []), (1, []), (1, [2]), (1, [4]), (1, [8]), (1, [16]), (1, [2, 4]), (1, [1]),
                     (1, [4, 4]), (1, [0]), (1, [3]), (1, [-1]), (1, [2, 64])):
        ask('kinds %s' % kinds, 'ListConfigResources', v, ResourceTypes=kinds)


def sort(key, of):
    """Kafka's order of a list is that of a hash table."""
    def run(a):
        for x in a if isinstance(a, list) else [a]:
            for k, v in x.items():
                if k == key and isinstance(v, list):
                    v.sort(key=lambda y: uuid(y[of]) if of == 'TopicId' else str(y.get(of)))
                if isinstance(v, list) and v and isinstance(v[0], dict):
                    run(v)
    return run


def shapes():
    """ApiVersions: the list itself is the table's matter."""
    shape['Metadata'] = [sort('Topics', 'Name')]
    shape['Fetch'] = [sort('Partitions', 'PartitionIndex')]
    shape['DescribeConfigs'] = [sort('Configs', 'Name')]
    shape['ListConfigResources'] = [sort('ConfigResources', 'ResourceName')]
    shape['DescribeLogDirs'] = [sort('Topics', 'Name'), sort('Partitions', 'PartitionIndex')]
    shape['DescribeProducers'] = [sort('ActiveProducers', 'ProducerId')]
    def cut(a):
        a.update(ApiKeys='one' if len(a['ApiKeys']) == 1 else 'all' if a['ApiKeys'] else 'none',
                 SupportedFeatures=0, FinalizedFeatures=0, FinalizedFeaturesEpoch=0)
    shape['ApiVersions'] = [cut]
    for v in range(5):
        ask('plain', 'ApiVersions', v, ClientSoftwareName='raw', ClientSoftwareVersion='1')
    for n, w in (('', '1'), ('a', ''), ('a b', '1'), ('a', '1_0'), ('-a', '1'), ('a.b-c', '1.0'), ('a-', '1')):
        ask('software %r %r' % (n, w), 'ApiVersions', 4, ClientSoftwareName=n, ClientSoftwareVersion=w)


def coordinators():
    for v in range(7):
        ask('kind 3', 'FindCoordinator', v, Key='g', KeyType=3, CoordinatorKeys=['g'] if v > 3 else []) \
            if v else None
    for v in (3, 4, 5, 6):
        ask('kind -1', 'FindCoordinator', v, Key='g', KeyType=-1, CoordinatorKeys=['g'] if v > 3 else [])
    ask('share too early', 'FindCoordinator', 5, KeyType=2, CoordinatorKeys=['g:AAAAAAAAAAAAAAAAAAAAAA:0'])
    ask('share, bad key', 'FindCoordinator', 6, KeyType=2, CoordinatorKeys=['g'])
    ask('no keys', 'FindCoordinator', 4)


def producing():
    for v in range(3, 13):
        produce('plain', 'p', batch(3), v)
    for acks in (1, -1, 2, -2):
        produce('acks %d' % acks, 'p', batch(), 9, acks=acks)
    for v in (3, 7, 12):
        produce('acks 2', 'p', batch(), v, acks=2)
        produce('no topic', 'nosuch', batch(), v)
        produce('no partition', 'p', batch(), v, partition=1)
        produce('partition -1', 'p', batch(), v, partition=-1)
        produce('null records', 'p', None, v)
        produce('no records', 'p', b'', v)
        produce('bad crc', 'p', batch(crc=1), v)
        produce('magic 0', 'p', old_set(0), v)
        produce('magic 1', 'p', old_set(1), v)
        produce('magic 3', 'p', batch(magic=3), v)
        produce('two batches', 'p', batch() + batch(), v)
        produce('rubbish behind', 'p', batch() + b'rubbish', v)
        produce('cut short', 'p', batch()[:-1], v)
        produce('header cut short', 'p', batch()[:40], v)
        produce('only a length', 'p', batch()[:12], v)
        produce('too long by one', 'p', batch(length=1), v)
        produce('too short by one', 'p', batch(length=-1), v)
        produce('gzip', 'p', batch(2, kind=1), v)
    ask('nothing', 'Produce', 9, Acks=-1, TimeoutMs=1000)
    ask('no partitions', 'Produce', 9, Acks=-1, TimeoutMs=1000, TopicData=[dict(Name='p')])
    ask('no partitions, acks 2', 'Produce', 9, Acks=2, TimeoutMs=1000, TopicData=[dict(Name='p')])
    ask('one good, one bad', 'Produce', 9, Acks=-1, TimeoutMs=1000, TopicData=[
        dict(Name='p', PartitionData=[dict(Index=3, Records=batch()), dict(Index=4, Records=batch())]),
        dict(Name='nosuch', PartitionData=[dict(Index=0, Records=batch())])])
    produce('name not allowed', 'a/b', batch())
    produce('an internal topic', '__consumer_offsets', batch())
    for name, kw in (
            ('count 0', dict(count=0)), ('count -1', dict(count=-1)), ('count 2 of 1', dict(count=2)),
            ('count 1 of 2', dict(n=2, count=1)), ('last delta 1 of 1', dict(last=1)),
            ('last delta -1', dict(last=-1)), ('last delta 1, count 2, one record', dict(last=1, count=2)),
            ('last delta 0, count 1, two records', dict(n=2, last=0, count=1)),
            ('last delta max', dict(last=2 ** 31 - 1)), ('count max', dict(count=2 ** 31 - 1)),
            ('both max', dict(count=2 ** 31 - 1, last=2 ** 31 - 2)),
            ('no record', dict(n=0, times=[T0], records=b'', last=0, count=0)),
            ('no record, last -1', dict(times=[T0], records=b'', last=-1, count=0)),
            ('one claimed, none there', dict(records=b'')),
            ('deltas 0 0', dict(n=2, records=record(0) + record(0))),
            ('deltas 1 0', dict(n=2, records=record(1) + record(0))),
            ('deltas 0 2', dict(n=2, records=record(0) + record(2))),
            ('deltas 1 2', dict(n=2, records=record(1) + record(2))),
            ('delta -1', dict(records=record(-1))),
            ('a record cut short', dict(raw=record(0)[:-1])),
            ('bytes behind the records', dict(raw=record(0) + b'\0')),
            ('a record of length 0', dict(raw=b'\0')), ('a record of length -1', dict(raw=b'\1')),
            ('a huge record', dict(raw=zigzag(1 << 30) + b'\0')),
            ('a key of length -2', dict(raw=zigzag(6) + b'\0\0\0\3\1\0')),
            ('headers -1', dict(records=record(0, headers=b'\1'))),
            ('headers 1 of 0', dict(records=record(0, headers=b'\2'))),
            ('a header with null key', dict(records=record(0, headers=b'\2\1\1'))),
            ('a header with null value', dict(records=record(0, headers=b'\2\2k\1'))),
            ('null value', dict(records=record(0, None))),
            ('control', dict(kind=32, records=record(0, b'\0' * 6, b'\0\0\0\0'))),
            ('control of a transaction', dict(kind=48, records=record(0, b'\0' * 6, b'\0\0\0\0'))),
            ('codec 5', dict(kind=5)), ('codec 6', dict(kind=6)), ('codec 7', dict(kind=7)),
            ('gzip that is none', dict(kind=1, raw=b'rubbish')),
            ('zstd that is none', dict(kind=4, raw=b'rubbish')),
            ('gzip, deltas 0 0', dict(n=2, kind=1, records=record(0) + record(0))),
            ('gzip, one claimed, none there', dict(kind=1, records=b'')),
            ('gzip, count 1 of 2', dict(n=2, kind=1, last=0, count=1)),
            ('unknown attribute bits', dict(kind=0x4000)), ('delete horizon', dict(kind=64)),
            ('base offset 5', dict(base=5)), ('base offset -1', dict(base=-1)),
            ('leader epoch 9', dict(leader=9)), ('max timestamp wrong', dict(most=5)),
            ('max timestamp -1', dict(most=-1)), ('first timestamp wrong', dict(first=T0 - 5)),
            ('append time', dict(kind=8)), ('no timestamp', dict(times=[-1])),
            ('timestamp -2', dict(times=[-2])), ('timestamp 0', dict(times=[0])),
            ('far future', dict(times=[START + 2 * DAY])), ('near future', dict(times=[START + DAY // 48])),
            ('far future, said to be old', dict(times=[START + 2 * DAY], most=T0)),
            ('said to be of the far future', dict(most=START + 2 * DAY)),
            ('gzip, far future', dict(kind=1, times=[START + 2 * DAY])),
            ('gzip, said to be of the far future', dict(kind=1, most=START + 2 * DAY)),
            ('gzip, append time', dict(kind=9)),
            ('two of three in the far future', dict(n=3, times=[START + 2 * DAY, T0, START + 3 * DAY])),
            ('transactional', dict(kind=16, pid=77, epoch=0, seq=0)),
            ('pid without sequence', dict(pid=78, epoch=0)), ('pid without epoch', dict(pid=78, seq=0)),
            ('sequence without pid', dict(seq=4)), ('pid -2', dict(pid=-2, epoch=0, seq=0)),
            ('epoch -2', dict(pid=78, epoch=-2, seq=0)), ('sequence -2', dict(pid=78, epoch=0, seq=-2))):
        produce(name, 'p', batch(**kw), 9)
    produce('transactional id, plain batch', 'p', batch(), 9, txn='t')
    produce('transactional id, idempotent batch', 'p', batch(pid=79, epoch=0, seq=0), 9, txn='t')
    produce('transactional id, its batch', 'p', batch(kind=16, pid=79, epoch=0, seq=0), 9, txn='t')
    produce('zstd, too early', 'p', batch(kind=4, raw=b'rubbish'), 6)
    for size in (1000, 1048514 - 20, 1048576):
        produce('%d bytes' % size, 'p', batch(size=size), 9)
        produce('%d bytes, at most 2000' % size, 'small', batch(size=size), 9)
    produce('bad crc and too large', 'small', batch(size=3000, crc=1), 9)
    produce('bad count and too large', 'small', batch(size=3000, count=3), 9)
    produce('larger than a segment', 'segments', batch(size=20000), 9)
    for name, kw in (('with key', dict(key=b'k')), ('without', {}), ('gzip with key', dict(kind=1, key=b'k')),
                     ('gzip without', dict(kind=1)), ('three without', dict(n=3)),
                     ('without, append time', dict(kind=8)),
                     ('without, far future', dict(times=[START + 2 * DAY])),
                     ('bad and without', dict(n=2, records=record(0) + record(0, b'v', b'k')))):
        produce('compacted, ' + name, 'compacted', batch(**kw), 9)
    for name, kw in (('plain', {}), ('three', dict(n=3)), ('gzip', dict(kind=1)), ('append time', dict(kind=8)),
                     ('far future', dict(times=[START + 2 * DAY])), ('idempotent', dict(pid=5, epoch=0, seq=0)),
                     ('its duplicate', dict(pid=5, epoch=0, seq=0)), ('no timestamp', dict(times=[-1]))):
        time.sleep(0.002)    # of batches with one time of append the first has the latest
        produce('stamped, ' + name, 'stamped', batch(**kw), 9)
    for name, kw in (('now', dict(times=[START])), ('an hour old', dict(times=[START - 3600000])),
                     ('in an hour', dict(times=[START + 3600000])), ('no timestamp', dict(times=[-1])),
                     ('gzip, an hour old', dict(kind=1, times=[START - 3600000])),
                     ('gzip, first an hour old', dict(kind=1, n=2, times=[START - 3600000, START])),
                     ('first an hour old', dict(n=2, times=[START - 3600000, START]))):
        produce('bounded, ' + name, 'bounded', batch(**kw), 9)
    for name, kw in (('plain', {}), ('gzip', dict(kind=1)), ('gzip that is none', dict(kind=1, raw=b'rubbish')),
                     ('bad delta', dict(records=record(3)))):
        produce('made gzip, ' + name, 'gzipped', batch(**kw), 9)
    fetch('what was made gzip', 12, 'gzipped', [part(0)])
    fetch('what was stamped', 12, 'stamped', [part(0)])


def idempotence():
    def put(name, pid, seq, n=1, epoch=0):
        produce('%s' % name, 'i', batch(n, pid=pid, epoch=epoch, seq=seq), 9)

    put('any sequence first', 1, 42)
    put('next', 1, 43)
    put('its duplicate', 1, 43)
    put('the first again', 1, 42)
    for k in range(6):
        put('batch %d' % k, 2, 10 * k, 10)
    for k in range(6):
        put('batch %d again' % k, 2, 10 * k, 10)
    put('half of the last', 2, 50, 5)
    put('across two', 2, 45, 10)
    put('a gap', 2, 61)
    put('the next after the gap', 2, 60)
    put('new epoch, sequence 5', 2, 5, 1, 1)
    put('new epoch, sequence 0', 2, 0, 2, 1)
    put('old epoch', 2, 61, 1, 0)
    put('old epoch, a duplicate', 2, 60, 1, 0)
    put('new epoch, duplicate', 2, 0, 2, 1)
    put('epoch 3, sequence 0', 2, 0, 1, 3)
    put('wrap: before it', 3, 2 ** 31 - 4, 2)
    put('wrap: across', 3, 2 ** 31 - 2, 4)
    put('wrap: across, again', 3, 2 ** 31 - 2, 4)
    put('wrap: after', 3, 2, 1)
    put('wrap: before it, again', 3, 2 ** 31 - 4, 2)
    put('wrap: to the end', 4, 2 ** 31 - 2, 2)
    put('wrap: from 0', 4, 0, 1)
    put('wrap: from 0 again', 4, 0, 1)
    put('wrap: from 2', 4, 2, 1)
    put('epoch 32767', 6, 0, 1, 32767)
    put('epoch 0 behind it', 6, 1, 1, 0)
    put('epoch -1', 7, 0, 1, -1)

    def describe(name, topic, *parts):
        ask(name, 'DescribeProducers', 0, Topics=[dict(Name=topic, PartitionIndexes=list(parts))])
    describe('all', 'i', 0)
    describe('none', 'one', 0)
    describe('no partition', 'i', 0, 1, -1)
    describe('no topic', 'nosuch', 0)
    describe('bad name', 'a/b', 0)
    describe('no partitions', 'i')
    describe('of p', 'p', 0)
    ask('nothing', 'DescribeProducers', 0)


def fill():
    """A topic of ten batches of three records, some compressed, 1 ms apart; offsets 0 to 29."""
    for k in range(10):
        records = batch(3, kind=k % 2, times=[T0 + 30 * k, T0 + 30 * k + 20, T0 + 30 * k + 10])
        c.call('Produce', 9, Acks=-1, TimeoutMs=5000, TopicData=[dict(
            Name='f', PartitionData=[dict(Index=0, Records=records)])])


def fetching():
    f, nobody = ids_of['f'], b'\7' * 16
    for v in range(4, 18):
        topic = f if v >= 13 else 'f'
        fetch('from 0', v, topic, [part(0)])
        fetch('no partition', v, topic, [part(0, 5)])
        fetch('past the end', v, topic, [part(31)])
    for v in (4, 11, 12, 17):
        topic = f if v >= 13 else 'f'
        for o in (1, 3, 29, 30, 31, -1, -2, 2 ** 63 - 1):
            fetch('offset %d' % o, v, topic, [part(o)])
        fetch('no topic', v, nobody if v >= 13 else 'nosuch', [part(0)])
        fetch('bad name', v, bytes(16) if v >= 13 else 'a/b', [part(0)])
        for n in (0, 1, 60, 300, -1):
            fetch('max %d' % n, v, topic, [part(0)], MaxBytes=n)
            fetch('partition max %d' % n, v, topic, [part(0, PartitionMaxBytes=n)])
        fetch('two partitions, small', v, topic, [part(0), part(3, 0)], MaxBytes=1)
        fetch('min 10 MB', v, topic, [part(0)], MinBytes=10 * MB, MaxWaitMs=50)
        fetch('min 0', v, topic, [part(30)], MinBytes=0, MaxWaitMs=5000)
        fetch('min -1', v, topic, [part(30)], MinBytes=-1, MaxWaitMs=5000)
        fetch('nothing there', v, topic, [part(30)], MaxWaitMs=50)
        fetch('committed', v, topic, [part(6)], IsolationLevel=1)
        fetch('isolation 2', v, topic, [part(6)], IsolationLevel=2)
        fetch('nothing', v, topic, [], MaxWaitMs=5000)
        fetch('twice', v, topic, [part(0, PartitionMaxBytes=1), part(9, PartitionMaxBytes=1)])
        fetch('no partitions', v, topic, [], Topics=[{'TopicId' if v >= 13 else 'Topic': topic}], MaxWaitMs=50)
        if v >= 9:
            for e in (0, 1, 5, -1, -2):
                fetch('leader epoch %d' % e, v, topic, [part(0, CurrentLeaderEpoch=e, PartitionMaxBytes=1)])
        if v >= 12:
            for e, o in ((0, 0), (0, 30), (0, 31), (1, 0), (5, 30), (-1, 0), (-2, 0), (0, -1)):
                fetch('last epoch %d, offset %d' % (e, o), v, topic,
                      [part(o, LastFetchedEpoch=e, PartitionMaxBytes=1)])
            fetch('log start given', v, topic, [part(0, LogStartOffset=5, PartitionMaxBytes=1)])
    trimmed = ids_of['trimmed']
    for o in (0, 2, 4, 5, 6, 9):
        fetch('trimmed, offset %d' % o, 17, trimmed, [part(o)])
        fetch('trimmed, last epoch 0, offset %d' % o, 17, trimmed, [part(o, LastFetchedEpoch=0)])
    compat()
    sessions_()


def compat():
    """A topic that was made again under its name has another id."""
    old, name = ids_of['again'], 'again'
    c.call('DeleteTopics', 6, Topics=[dict(Name=name)], TimeoutMs=10000)
    ids[old] = 'id(gone)'
    for _ in range(200):
        a = c.call('Metadata', 12, Topics=[dict(Name=name)], AllowAutoTopicCreation=False)
        if a['Topics'][0]['ErrorCode'] == 3:
            break
        time.sleep(0.02)
    new = create(name)
    fetch('the old id', 17, old, [part(0)])
    fetch('the new id', 17, new, [part(0)])


def sessions_():
    for v in (7, 12, 13, 17):
        topic, other = (ids_of['f'], ids_of['one']) if v >= 13 else ('f', 'one')
        key = 'TopicId' if v >= 13 else 'Topic'

        def step(name, sid, epoch, parts=(), **kw):
            return fetch('session: ' + name, v, topic, list(parts), SessionId=sid, SessionEpoch=epoch,
                         **kw)
        small = dict(PartitionMaxBytes=1)
        step('id unknown', 12345, 1)
        step('id unknown, epoch 0', 12345, 0, [part(0, **small)])
        step('id unknown, epoch -1', 12345, -1, [part(0, **small)])
        step('id 0, epoch 1', 0, 1, [part(0, **small)])
        step('id -1, epoch 5', -1, 5, [part(0, **small)])
        step('full and empty', 0, 0)
        s = step('full', 0, 0, [part(0, **small), part(0, 7)])['SessionId']
        step('nothing new', s, 1)
        step('moved', s, 2, [part(3, **small)])
        step('to the end', s, 3, [part(30, **small)])
        step('still at the end', s, 4)
        step('an old epoch', s, 4)
        step('an epoch too far', s, 9)
        step('still there', s, 5, [part(27, **small)])
        step('one more topic', s, 6, Topics=[{key: other, 'Partitions': [part(0)]}])
        step('forget the bad one', s, 7, ForgottenTopicsData=[{key: topic, 'Partitions': [7]}])
        step('forget what it has not', s, 8, ForgottenTopicsData=[{key: topic, 'Partitions': [9]}])
        step('a leader epoch that is unknown', s, 9, [part(27, CurrentLeaderEpoch=7) if v >= 9 else part(99)])
        step('and again', s, 10)
        step('and good again', s, 11, [part(30)])
        if v >= 12:
            fetch('session: other kind of topic', 13 if v == 12 else 12, topic, [], SessionId=s,
                  SessionEpoch=12)
        step('forget all', s, 12, ForgottenTopicsData=[{key: topic, 'Partitions': [0]},
                                                       {key: other, 'Partitions': [0]}])
        step('after forgetting all', s, 13)
        s = step('full again', 0, 0, [part(0, **small)])['SessionId']
        step('end it', s, -1, [part(30)])
        step('ended', s, 1)
        s = step('full of unknown topics', 0, 0, [part(0)], Topics=[
            {key: b'\7' * 16 if v >= 13 else 'nosuch', 'Partitions': [part(0)]}])['SessionId']
        step('of unknown topics', s, 1)
        s2 = step('full over the old one', s, 0, [part(30)])['SessionId']
        step('the old one', s, 2)
        step('the new one, epoch 0', s2, 0, [part(30)])


def listing():
    for v in range(1, 11):
        for t in (-1, -2, -3, -4, -5, -6, -7, T0 + 35):
            offsets('time %s' % when(t) if t > 0 else 'time %d' % t, v, 'f', t)
    for dt in (-1, 0, 1, 9, 10, 11, 19, 20, 21, 29, 30, 31, 40, 41, 50, 51, 60, 65, 270, 281, 290, 291, DAY):
        offsets('time T0%+d' % dt, 7, 'f', T0 + dt)
    for v in (1, 4, 5, 7, 10):
        offsets('time 0', v, 'f', 0)
        offsets('no topic', v, 'nosuch', -1)
        offsets('bad name', v, 'a/b', -1)
        offsets('no partition', v, 'f', -1, 3)
        offsets('empty topic, latest', v, 'one', -1)
        offsets('empty topic, by time', v, 'one', T0)
        offsets('empty topic, earliest', v, 'one', -2)
        offsets('debugging', v, 'f', -1, replica=-2)
        if v >= 2:
            offsets('committed', v, 'f', -1, isolation=1)
            offsets('committed, by time', v, 'f', T0 + 45, isolation=1)
            offsets('isolation 3', v, 'f', -1, isolation=3)
        if v >= 4:
            for e in (0, 1, -1, -2):
                for t in (-1, -2, -3, T0):
                    if v >= 7 or t != -3:
                        offsets('leader epoch %d, time %s' % (e, when(t)), v, 'f', t, CurrentLeaderEpoch=e)
        ask('twice', 'ListOffsets', v, ReplicaId=-1, Topics=[dict(Name='f', Partitions=[
            dict(PartitionIndex=0, Timestamp=-1), dict(PartitionIndex=0, Timestamp=-2)])])
        ask('nothing', 'ListOffsets', v, ReplicaId=-1)
    for t in (-1, -2, -3, -4, T0, T0 + 25, T0 + 80):
        offsets('trimmed, time %s' % when(t), 8, 'trimmed', t)
    offsets('empty, max time', 7, 'one', -3)
    offsets('stamped, max time', 7, 'stamped', -3)
    offsets('stamped, by time', 7, 'stamped', START - 1000)
    offsets('replica 1', 7, 'f', -1, replica=1)
    offsets('replica 9', 7, 'f', -1, replica=9)


def epochs():
    def end(name, version, topic, epoch, partition=0, current=-1, **kw):
        ask(name, 'OffsetForLeaderEpoch', version, Topics=[dict(Topic=topic, Partitions=[dict(
            Partition=partition, CurrentLeaderEpoch=current, LeaderEpoch=epoch)])], **kw)
    for v in (2, 3, 4):
        for e in (0, 1, -1, -2, 2 ** 31 - 1):
            end('of %d' % e, v, 'f', e)
            end('of %d, empty topic' % e, v, 'one', e)
            end('of %d, trimmed' % e, v, 'trimmed', e)
        for current in (0, 1, -2):
            end('of 0 in %d' % current, v, 'f', 0, current=current)
        end('no topic', v, 'nosuch', 0)
        end('bad name', v, 'a/b', 0)
        end('no partition', v, 'f', 0, 9)
        ask('nothing', 'OffsetForLeaderEpoch', v)
        ask('twice', 'OffsetForLeaderEpoch', v, Topics=[dict(Topic='f', Partitions=[
            dict(Partition=0, LeaderEpoch=0), dict(Partition=0, LeaderEpoch=1)])])
    end('a consumer asks', 3, 'f', 0, ReplicaId=-1)
    end('a replica asks', 3, 'f', 0, ReplicaId=1)


def trim(name, version, topic, offset, partition=0, timeout=5000):
    return ask(name, 'DeleteRecords', version, TimeoutMs=timeout, Topics=[dict(
        Name=topic, Partitions=[dict(PartitionIndex=partition, Offset=offset)])])


def trimming():
    for v in (0, 1, 2):
        trim('nothing of it', v, 'd', 0)
        trim('past the end', v, 'd', 100)
        trim('offset -2', v, 'd', -2)
        trim('no topic', v, 'nosuch', 0)
        trim('bad name', v, 'a/b', 0)
        trim('no partition', v, 'd', 0, 4)
        trim('compacted', v, 'compacted', 0)
        trim('compacted and deleted', v, 'both', 0)
        trim('to %d' % (v + 1), v, 'd', v + 1)
    trim('back to 1', 2, 'd', 1)
    trim('internal', 2, '__consumer_offsets', 0)
    trim('no time', 2, 'd', 4, timeout=0)
    trim('time -1', 2, 'd', 5, timeout=-1)
    ask('twice', 'DeleteRecords', 2, TimeoutMs=5000, Topics=[dict(Name='d', Partitions=[
        dict(PartitionIndex=0, Offset=6), dict(PartitionIndex=0, Offset=7)])])
    ask('nothing', 'DeleteRecords', 2, TimeoutMs=5000)
    trim('all', 2, 'd', -1)
    trim('all again', 2, 'd', -1)
    trim('empty', 2, 'one', -1)
    trim('of empty', 2, 'one', 0)
    trim('of empty, 1', 2, 'one', 1)
    fetch('what is left', 12, 'd', [part(0)])
    offsets('what is left', 7, 'd', -2)
    offsets('what is left, end', 7, 'd', -1)
    produce('after all', 'd', batch(2), 9)
    produce('bad count, start moved', 'd', batch(2, count=1), 9)


def directories():
    for v in (1, 2, 3, 4):
        for name, topics in (('of f', [('f', [0])]), ('no partition', [('f', [3])]), ('no topic', [('nosuch', [0])]),
                             ('no partitions', [('f', [])]), ('nothing', []), ('three', [('three', [2, 0])]),
                             ('bad name', [('a/b', [0])]),
                             ('twice', [('f', [0, 0]), ('f', [0])])):
            ask(name, 'DescribeLogDirs', v, Topics=[dict(Topic=t, Partitions=p) for t, p in topics])
    a = c.call('DescribeLogDirs', 4, Topics=None)
    tell('DescribeLogDirs.4 all', sorted('%s-%d' % (t['Name'], p['PartitionIndex'])
         for r in a['Results'] for t in r['Topics'] for p in t['Partitions']))


def ids_given():
    def given(a):
        if a['ProducerId'] >= 0:
            n = producers.setdefault(a['ProducerId'], len(producers))
            a['ProducerId'] = 'new' if n == len(producers) - 1 else 'old'
    shape['InitProducerId'] = [given]
    # the first block of ids comes from the controller
    for _ in range(200):
        if not c.call('InitProducerId', 4, TransactionalId=None, TransactionTimeoutMs=1)['ErrorCode']:
            break
        time.sleep(0.02)
    for v in range(6):
        ask('plain', 'InitProducerId', v, TransactionalId=None, TransactionTimeoutMs=60000)
    for v in (2, 4):
        for n, t in (('timeout 0', 0), ('timeout -1', -1), ('timeout max', 2 ** 31 - 1)):
            ask(n, 'InitProducerId', v, TransactionalId=None, TransactionTimeoutMs=t)
        ask('empty transactional id', 'InitProducerId', v, TransactionalId='', TransactionTimeoutMs=60000)
    for v in (3, 4, 5):
        for pid, epoch in ((5, 3), (5, -1), (-1, 3), (-2, 0), (0, 0), (5, 32767)):
            ask('%d %d' % (pid, epoch), 'InitProducerId', v, TransactionalId=None, TransactionTimeoutMs=60000,
                ProducerId=pid, ProducerEpoch=epoch)


ids_of = {}
for topic, n, settings in (
        ('one', 1, {}), ('three', 3, {}), ('p', 1, {}), ('i', 1, {}), ('f', 1, {}), ('d', 1, {}),
        ('again', 1, {}), ('trimmed', 1, {}),
        ('set', 1, dict(retention_ms=1000, cleanup_policy='compact,delete')),
        ('small', 1, dict(max_message_bytes=2000)), ('segments', 1, dict(segment_bytes=MB)),
        ('compacted', 1, dict(cleanup_policy='compact')), ('both', 1, dict(cleanup_policy='compact,delete')),
        ('stamped', 1, dict(message_timestamp_type='LogAppendTime')),
        ('bounded', 1, dict(message_timestamp_before_max_ms=60000, message_timestamp_after_max_ms=60000)),
        ('gzipped', 1, dict(compression_type='gzip'))):
    ids_of[topic] = create(topic, n, **settings)
for topic in ('d', 'trimmed'):
    for _ in range(3):
        c.call('Produce', 9, Acks=-1, TimeoutMs=5000, TopicData=[dict(Name=topic, PartitionData=[
            dict(Index=0, Records=batch(3, times=[T0, T0 + 50, T0 + 80]))])])
c.call('DeleteRecords', 2, TimeoutMs=5000, Topics=[dict(
    Name='trimmed', Partitions=[dict(PartitionIndex=0, Offset=5)])])
c = Client(port, timeout=TIMEOUT)
shapes()
metadata()
cluster()
pages()
configs()
coordinators()
fill()
producing()
idempotence()
fetching()
listing()
epochs()
trimming()
directories()
ids_given()
