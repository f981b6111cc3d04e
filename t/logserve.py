"""The checks of t/5310-logserve.t: logserve.py PORT LAB."""
import gzip
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from raw import Client, Tap, closes, encode, varint  # noqa: E402

port, lab = int(sys.argv[1]), sys.argv[2]
t = Tap()
c = Client(port)
MB, NOW = 1 << 20, int(time.time() * 1000)
GZIP, ZSTD = 1, 4


# --- record batches ------------------------------------------------------------------------------

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


def batch(values, codec=0, times=None, raw=None):
    times = times or [NOW] * len(values)
    records = b''
    for i, v in enumerate(values):
        body = b'\0' + zigzag(times[i] - times[0]) + zigzag(i) + zigzag(-1) + zigzag(len(v)) + v + b'\0'
        records += zigzag(len(body)) + body
    if codec == GZIP:
        records = gzip.compress(records)
    tail = struct.pack('>hiqqqhii', codec, len(values) - 1, times[0], max(times), -1, -1, -1, len(values))
    tail += raw or records
    return struct.pack('>qiiBI', 0, 9 + len(tail), -1, 2, crc32c(tail)) + tail


def batches(data):
    """(base offset, count) of each whole batch."""
    out, at = [], 0
    while at + 61 <= len(data):
        base, length = struct.unpack('>qi', data[at:at + 12])
        if at + 12 + length > len(data):
            return None
        out.append((base, struct.unpack('>i', data[at + 57:at + 61])[0]))
        at += 12 + length
    return out if at == len(data) else None


# --- what clients do -----------------------------------------------------------------------------

def create(name, partitions=1, **configs):
    a = c.call('CreateTopics', 7, TimeoutMs=10000, Topics=[dict(
        Name=name, NumPartitions=partitions, ReplicationFactor=1,
        Configs=[dict(Name=k.replace('_', '.'), Value=v) for k, v in configs.items()])])
    return a['Topics'][0]['TopicId']


def produce(topic, records, partition=0, client=c, acks=-1):
    a = client.call('Produce', 9, Acks=acks, TimeoutMs=10000, TopicData=[dict(
        Name=topic, PartitionData=[dict(Index=partition, Records=records)])])
    p = a['Responses'][0]['PartitionResponses'][0]
    if p['ErrorCode']:
        raise RuntimeError(p)
    return p['BaseOffset']


def part(offset, partition=0, **kw):
    return dict(dict(Partition=partition, FetchOffset=offset, PartitionMaxBytes=MB), **kw)


def fetch_args(version, topic, parts, **kw):
    key = 'TopicId' if version >= 13 else 'Topic'
    topics = [{key: topic, 'Partitions': parts}] if parts else []
    return dict(dict(MaxWaitMs=0, MinBytes=1, MaxBytes=50 * MB, Topics=topics), **kw)


def fetch(version, topic, parts, client=c, **kw):
    return client.call('Fetch', version, **fetch_args(version, topic, parts, **kw))


def one(version, topic, offset, client=c, top=None, **kw):
    """The answer about the one partition asked for."""
    a = fetch(version, topic, [part(offset, **kw)], client, **(top or {}))
    return a['Responses'][0]['Partitions'][0]


# --- Fetch ---------------------------------------------------------------------------------------

def versions():
    tid = create('plain')
    produce('plain', batch([b'a', b'b', b'c']))
    produce('plain', batch([b'd']))
    for v in range(4, 18):
        a = fetch(v, tid if v >= 13 else 'plain', [part(0)])
        p = a['Responses'][0]['Partitions'][0]
        t.same((a['Responses'][0].get('Topic', 'plain'), a['Responses'][0].get('TopicId', tid)),
               ('plain', tid), 'Fetch %d: the topic' % v)
        t.same((p['ErrorCode'], p['HighWatermark'], p['LastStableOffset'], p.get('LogStartOffset', 0),
                p['AbortedTransactions'], p.get('PreferredReadReplica', -1), batches(p['Records'])),
               (0, 4, 4, 0, None, -1, [(0, 3), (3, 1)]), 'Fetch %d: the partition' % v)
    p = one(12, 'plain', 1)
    t.same(batches(p['Records']), [(0, 3), (3, 1)], 'the whole batch around an offset')
    p = one(12, 'plain', 3)
    t.same(batches(p['Records']), [(3, 1)], 'from a batch on')
    p = one(12, 'plain', 4)
    t.same((p['ErrorCode'], p['Records']), (0, b''), 'nothing at the end')
    p = one(12, 'plain', 0, top=dict(IsolationLevel=1))
    t.same((batches(p['Records']), p['AbortedTransactions']), ([(0, 3), (3, 1)], []), 'read_committed')
    return tid


def errors(tid):
    def code(*args, **kw):
        p = one(*args, **kw)
        return p['ErrorCode'], p['HighWatermark'], p['Records']
    t.same(code(12, 'plain', 5), (1, -1, b''), 'beyond the end: OFFSET_OUT_OF_RANGE')
    t.same(code(12, 'plain', -1), (1, -1, b''), 'before the start')
    t.same(code(12, 'nowhere', 0), (3, -1, b''), 'an unknown topic')
    t.same(code(12, 'plain', 0, partition=1), (3, -1, b''), 'an unknown partition')
    t.same(code(13, b'\7' * 16, 0), (100, -1, b''), 'UNKNOWN_TOPIC_ID')
    t.same(code(12, '../log/plain', 0), (3, -1, b''), 'a path is no topic')
    t.same(code(12, 'plain', 0, CurrentLeaderEpoch=1), (75, -1, b''), 'UNKNOWN_LEADER_EPOCH')
    t.same(code(12, 'plain', 0, CurrentLeaderEpoch=0)[0], 0, 'the right leader epoch')
    p = one(12, 'plain', 4, LastFetchedEpoch=0)
    t.same((p['ErrorCode'], p['DivergingEpoch']), (0, dict(Epoch=-1, EndOffset=-1)), 'nothing diverges')
    p = one(12, 'plain', 4, LastFetchedEpoch=9)
    t.same(p['ErrorCode'], 1, 'an epoch that never was')
    b = create('errors-b')
    c.call('DeleteRecords', 2, TimeoutMs=10000, Topics=[dict(
        Name='plain', Partitions=[dict(PartitionIndex=0, Offset=2)])])
    t.same(code(12, 'plain', 1), (1, -1, b''), 'before the log start')
    p = one(12, 'plain', 2)
    t.same((p['LogStartOffset'], batches(p['Records'])), (2, [(0, 3), (3, 1)]), 'at the log start')
    c.call('DeleteTopics', 6, TimeoutMs=10000, Topics=[dict(Name='errors-b')])
    t.same(code(12, 'errors-b', 0)[0], 3, 'a deleted topic')
    t.same(code(13, b, 0)[0], 100, 'by its id')
    new = create('errors-b')
    produce('errors-b', batch([b'new']))
    t.same(code(13, b, 0)[0], 100, 'a topic of the same name is another')
    t.same(batches(one(13, new, 0)['Records']), [(0, 1)], 'which has an id of its own')
    p = one(17, tid, 2)
    t.same(p['CurrentLeader'], dict(LeaderId=-1, LeaderEpoch=-1), 'no hint at a leader without an error')


def sizes():
    tid = create('sizes', 3)
    for i in range(3):
        for _ in range(4):
            produce('sizes', batch([os.urandom(100000)]), i)
    size = len(one(12, 'sizes', 0, PartitionMaxBytes=1)['Records'])
    t.ok(100000 < size < 101000, 'the first batch however small the limit of the partition (KIP-74)')
    p = one(12, 'sizes', 0, top=dict(MaxBytes=1))
    t.same(len(p['Records']), size, 'and of the request')
    p = one(12, 'sizes', 0, PartitionMaxBytes=2 * size + 10)
    t.same(batches(p['Records']), [(0, 1), (1, 1)], 'whole batches only')
    a = fetch(12, 'sizes', [part(0, i, PartitionMaxBytes=MB) for i in range(3)], MaxBytes=5 * size)
    n = [len(p['Records']) // size for p in a['Responses'][0]['Partitions']]
    t.same(n, [4, 1, 0], 'the limit of the request goes to the first partitions')
    a = fetch(12, 'sizes', [part(0, i, PartitionMaxBytes=10) for i in range(3)])
    n = [len(p['Records']) // size for p in a['Responses'][0]['Partitions']]
    t.same(n, [1, 0, 0], 'only the first partition may pass its limit')
    create('large', 1, max_message_bytes='8000000')
    for i in range(4):
        produce('large', batch([os.urandom(1000000)]))
    p = one(12, 'large', 0, PartitionMaxBytes=100 * MB)
    t.same(len(batches(p['Records'])), 2, "the broker's fetch.max.bytes")
    produce('large', batch([b'x' * 5000000]))
    p = one(12, 'large', 4)
    t.same(batches(p['Records']), [(4, 1)], 'a batch larger than all limits')


def codecs():
    create('codecs')
    produce('codecs', batch([b'plain']))
    produce('codecs', batch([b'x'], ZSTD, raw=b'(\xb5/\xfd'))
    for v in (4, 9, 10):
        t.same(batches(one(v, 'codecs', 0)['Records']), [(0, 1), (1, 1)], 'zstd in version %d' % v)


def segments():
    create('rolls', 1, segment_bytes='1048576')
    for i in range(30):
        produce('rolls', batch([os.urandom(100000)]))
    offset, seen, rounds = 0, [], 0
    while offset < 30 and rounds < 100:
        p = one(12, 'rolls', offset, PartitionMaxBytes=10 * MB, top=dict(MaxWaitMs=10000, MinBytes=2 * MB))
        seen += [b for b, _ in batches(p['Records'])]
        offset, rounds = seen[-1] + 1, rounds + 1
    t.same(seen, list(range(30)), 'all segments, in order, without waiting at their ends')
    c.call('DeleteRecords', 2, TimeoutMs=10000, Topics=[dict(
        Name='rolls', Partitions=[dict(PartitionIndex=0, Offset=25)])])
    t.same(batches(one(12, 'rolls', 25)['Records'])[0][0], 25, 'and after older ones have gone')


def holders(text):
    """Files whose path has this text, open in gate or logserve."""
    found = []
    for pid in pids('gate') + pids('logserve'):
        for fd in os.listdir('/proc/%d/fd' % pid):
            try:
                path = os.readlink('/proc/%d/fd/%s' % (pid, fd))
            except OSError:
                continue
            if text in path:
                found.append(path)
    return found


def descriptors():
    create('held', 1, segment_bytes='1048576')
    for i in range(30):
        produce('held', batch([os.urandom(100000)]))
        one(12, 'held', i)
    old = '/held-0/%020d.log' % 0
    t.same(len(holders(old)), 2, 'a file is open once in logserve and once in gate')
    c.call('DeleteTopics', 6, TimeoutMs=10000, Topics=[dict(Name='held')])
    t.ok(until(lambda: not holders('/held-0')), 'a deleted topic is let go', holders('/held-0'))


# --- waiting -------------------------------------------------------------------------------------

def settle():
    """What was sent before on other connections has reached logserve: an answer of it is back."""
    c.call('ListOffsets', 5, ReplicaId=-1, Topics=[])


def waiting():
    create('wait', 2)
    end = produce('wait', batch([b'one'])) + 1
    began = time.monotonic()
    p = one(12, 'wait', end, top=dict(MaxWaitMs=300))
    took = time.monotonic() - began
    t.ok(0.29 <= took < 2, 'nothing comes: the answer after max wait', took)
    t.same((p['ErrorCode'], p['Records'], p['HighWatermark']), (0, b'', end), 'is empty')
    woken = []
    for _ in range(5):
        d = Client(port)
        d.send('Fetch', 12, **fetch_args(12, 'wait', [part(end, 0), part(0, 1)], MaxWaitMs=20000))
        settle()
        began = time.monotonic()
        produce('wait', batch([b'more']))
        a = d.receive()
        woken.append(time.monotonic() - began)
        p = a['Responses'][0]['Partitions'][0]
        if not t.same(batches(p['Records']), [(end, 1)], 'a sleeper is woken by a produce'):
            return
        end += 1
    t.ok(min(woken) < 0.2, 'at once', woken)
    d = Client(port)
    size = len(one(12, 'wait', 0)['Records']) // end
    d.send('Fetch', 12, **fetch_args(12, 'wait', [part(end)], MaxWaitMs=20000, MinBytes=3 * size - 9))
    for _ in range(3):
        produce('wait', batch([b'more']))
    p = d.receive()['Responses'][0]['Partitions'][0]
    t.same(len(batches(p['Records'])), 3, 'min bytes are waited for')
    began = time.monotonic()
    one(12, 'wait', 99, top=dict(MaxWaitMs=20000))
    fetch(12, 'wait', [], MaxWaitMs=20000)
    t.ok(time.monotonic() - began < 5, 'errors and empty requests do not wait')
    create('doomed')
    d.send('Fetch', 12, **fetch_args(12, 'doomed', [part(0)], MaxWaitMs=20000))
    settle()
    began = time.monotonic()
    c.call('DeleteTopics', 6, TimeoutMs=10000, Topics=[dict(Name='doomed')])
    p = d.receive()['Responses'][0]['Partitions'][0]
    t.ok(p['ErrorCode'] in (3, 6), 'a sleeper hears that its topic was deleted', p)
    t.ok(time.monotonic() - began < 5, 'soon')
    crowd = [Client(port) for _ in range(100)]
    end = produce('wait', batch([b'x']), 1) + 1
    for x in crowd:
        x.send('Fetch', 12, **fetch_args(12, 'wait', [part(end, 1)], MaxWaitMs=20000))
    for x in crowd[50:]:
        x.close()
    produce('wait', batch([b'y']), 1)
    got = [batches(x.receive()['Responses'][0]['Partitions'][0]['Records']) for x in crowd[:50]]
    t.same(got, [[(end, 1)]] * 50, 'fifty sleepers get it, fifty others went away')


# --- sessions ------------------------------------------------------------------------------------

def sessions():
    create('sess', 3)
    for i in range(3):
        produce('sess', batch([b'x']), i)

    def ask(session, epoch, parts, version=12, topic='sess', **kw):
        a = fetch(version, topic, parts, SessionId=session, SessionEpoch=epoch, **kw)
        said = [(p['PartitionIndex'], p['ErrorCode'], len(batches(p['Records'])))
                for r in a['Responses'] for p in r['Partitions']]
        return a['ErrorCode'], a['SessionId'], said
    error, sid, said = ask(0, 0, [part(1, i) for i in range(3)])
    t.ok(not error and sid > 0, 'a session is made')
    t.same(said, [(0, 0, 0), (1, 0, 0), (2, 0, 0)], 'a full request is answered in full')
    t.same(ask(sid, 1, []), (0, sid, []), 'nothing new, nothing said')
    produce('sess', batch([b'y']), 1)
    t.same(ask(sid, 2, []), (0, sid, [(1, 0, 1)]), 'only what has changed')
    t.same(ask(sid, 3, [part(2, 1)]), (0, sid, []), 'an offset moved on')
    t.same(ask(sid, 4, [part(0, 0)]), (0, sid, [(0, 0, 1)]), 'an offset moved back')
    produce('sess', batch([b'z']), 2)
    a = ask(sid, 5, [part(1, 0)], ForgottenTopicsData=[dict(Topic='sess', Partitions=[2])])
    t.same(a, (0, sid, []), 'a forgotten partition is not mentioned')
    t.same(ask(sid, 6, [part(77, 0)]), (0, sid, [(0, 1, 0)]), 'an error is')
    t.same(ask(sid, 7, []), (0, sid, [(0, 1, 0)]), 'as long as it lasts')
    t.same(ask(sid, 8, [part(1, 0)])[2], [(0, 0, 0)], 'and that it is over')
    t.same(ask(sid, 8, []), (71, 0, []), 'INVALID_FETCH_SESSION_EPOCH')
    t.same(ask(sid, 10, []), (71, 0, []), 'too early')
    t.same(ask(sid, 9, [], 13, bytes(16)), (106, 0, []), 'FETCH_SESSION_TOPIC_ID_ERROR')
    t.same(ask(sid ^ 1, 9, []), (70, 0, []), 'FETCH_SESSION_ID_NOT_FOUND')
    t.same(ask(sid, -1, [part(1, 0)]), (0, 0, [(0, 0, 0)]), 'it is closed')
    t.same(ask(sid, 9, []), (70, 0, []), 'and gone')
    made = [ask(0, 0, [part(1, 0)])[1] for _ in range(30)]
    t.same((sum(s > 0 for s in made), made[20:]), (20, [0] * 10), 'no more than the cache has slots for')
    error, sid, said = ask(made[0], 0, [part(1, i) for i in range(3)])
    t.ok(sid > 0 and len(said) == 3, 'a session is replaced')
    d = Client(port)
    d.send('Fetch', 12, **fetch_args(12, '', [], SessionId=sid, SessionEpoch=1, MaxWaitMs=20000))
    settle()
    end = produce('sess', batch([b'!']), 0)
    a = d.receive()
    t.same([(p['PartitionIndex'], p['HighWatermark']) for r in a['Responses'] for p in r['Partitions']][:1],
           [(1, 2)] if a['Responses'][0]['Partitions'][0]['PartitionIndex'] == 1 else [(0, end + 1)],
           'a session waits as well')


# --- ListOffsets, DescribeLogDirs ----------------------------------------------------------------

def offsets():
    create('times', 2)
    early, late = NOW - 600000, NOW - 300000
    produce('times', batch([b'a', b'b'], times=[early, early + 10]))
    produce('times', batch([b'c', b'd', b'e'], GZIP, times=[late, late + 10, late + 5]))
    produce('times', batch([b'f'], times=[late - 1000]))

    def ask(version, when, partition=0, topic='times', epoch=-1, **kw):
        p = dict(PartitionIndex=partition, Timestamp=when)
        if version >= 4:
            p['CurrentLeaderEpoch'] = epoch
        a = c.call('ListOffsets', version, **dict(dict(ReplicaId=-1, Topics=[dict(Name=topic, Partitions=[p])]), **kw))
        x = a['Topics'][0]['Partitions'][0]
        return x['ErrorCode'], x['Offset'], x['Timestamp']
    for v in range(1, 11):
        t.same((ask(v, -1), ask(v, -2)), ((0, 6, -1), (0, 0, -1)), 'ListOffsets %d: end and start' % v)
    for v in range(0, 10, 9):
        a = c.call('ListOffsets', v, ReplicaId=-1, Topics=[dict(Name='times', Partitions=[
            dict(dict(PartitionIndex=0, Timestamp=-1), **({} if v else dict(MaxNumOffsets=5)))])])
        x = a['Topics'][0]['Partitions'][0]
        t.same(x['ErrorCode'], 0, 'version %d is read' % v)
        if v == 0:
            t.same(x['OldStyleOffsets'], [6, 0], 'and has a list')
    t.same(ask(7, -3), (0, 3, late + 10), 'the largest timestamp, inside a compressed batch')
    t.same(ask(8, -4), (0, 0, -1), 'the earliest that is local')
    t.same(ask(9, -5), (0, -1, -1), 'nothing is tiered')
    for v, when in ((6, -3), (7, -4), (8, -5), (10, -6), (10, -77), (1, -3)):
        t.same(ask(v, when)[0], 35, '%d is not in version %d' % (when, v))
    for when, want in ((0, (0, early)), (early, (0, early)), (early + 1, (1, early + 10)),
                       (early + 11, (2, late)), (late + 1, (3, late + 10)), (late + 6, (3, late + 10)),
                       (late + 11, (-1, -1)), (NOW, (-1, -1))):
        t.same(ask(10, when), (0,) + want, 'by time: %+d' % (when - late))
    t.same(ask(10, -3, 1), (0, -1, -1), 'no largest timestamp where nothing is')
    t.same(ask(10, 5, 1), (0, -1, -1), 'and nothing by time')
    t.same(ask(10, -1, 2)[0], 3, 'an unknown partition')
    t.same(ask(10, -1, topic='nowhere')[0], 3, 'an unknown topic')
    t.same(ask(10, -1, epoch=5)[0], 75, 'a leader epoch to come')
    t.same(ask(10, -1, ReplicaId=-2), (0, 6, -1), 'a debugger sees the log end')
    t.same(ask(10, -1, IsolationLevel=1), (0, 6, -1), 'the last stable offset')
    a = c.call('ListOffsets', 10, ReplicaId=-1, Topics=[
        dict(Name='times', Partitions=[dict(PartitionIndex=i, Timestamp=-1) for i in (0, 1, 0)])])
    got = [(p['PartitionIndex'], p['ErrorCode']) for p in a['Topics'][0]['Partitions']]
    t.same(got, [(0, 42), (1, 0), (0, 42)], 'a partition asked for twice is INVALID_REQUEST')
    a = c.call('ListOffsets', 10, ReplicaId=-1, Topics=[
        dict(Name='times', Partitions=[dict(PartitionIndex=0, Timestamp=-1, CurrentLeaderEpoch=0)])])
    t.same(a['Topics'][0]['Partitions'][0]['LeaderEpoch'], 0, 'and the leader epoch')
    for pid in pids('logserve'):
        for child in open('/proc/%d/task/%d/children' % (pid, pid)).read().split():
            os.kill(int(child), 9)
    t.same(ask(10, late + 1), (0, 3, late + 10), 'recode is killed and started again')
    create('many', 40)
    for i in range(40):
        produce('many', batch([b'x', b'y'], GZIP, times=[early, late]), i)
    a = c.call('ListOffsets', 7, ReplicaId=-1, Topics=[
        dict(Name='many', Partitions=[dict(PartitionIndex=i, Timestamp=early + 1) for i in range(40)])])
    got = {(p['ErrorCode'], p['Offset'], p['Timestamp']) for p in a['Topics'][0]['Partitions']}
    t.same(got, {(0, 1, late)}, 'forty compressed batches are looked into')


def directories():
    size = {}
    for v in range(1, 5):
        a = c.call('DescribeLogDirs', v, Topics=None)
        d = a['Results'][0]
        t.same((len(a['Results']), d['ErrorCode'], os.path.samefile(d['LogDir'], lab + '/1/log')),
               (1, 0, True), 'DescribeLogDirs %d' % v)
        for topic in d['Topics']:
            for p in topic['Partitions']:
                size[topic['Name'], p['PartitionIndex']] = p['PartitionSize'], p['OffsetLag'], p['IsFutureKey']
        want = os.path.getsize(lab + '/1/log/times-0/%020d.log' % 0)
        t.same(size['times', 0], (want, 0, False), 'the size of a partition')
    t.ok(a['Results'][0]['TotalBytes'] > a['Results'][0]['UsableBytes'] > 0, 'the size of the disk')
    t.same(len(size), len({n for n in os.listdir(lab + '/1/log') if os.path.isdir(lab + '/1/log/' + n)
                           and not n.startswith('__cluster') and not n.endswith('-delete')}),
           'every partition')
    a = c.call('DescribeLogDirs', 4, Topics=[dict(Topic='times', Partitions=[1, 9]), dict(Topic='none', Partitions=[0])])
    got = [(x['Name'], [p['PartitionIndex'] for p in x['Partitions']]) for x in a['Results'][0]['Topics']]
    t.same(got, [('times', [1])], 'only those asked for')


# --- when others die -----------------------------------------------------------------------------

def pids(program):
    out = subprocess.run(['lab', 'pids', '-d', lab], capture_output=True, text=True).stdout
    return [int(w[2]) for w in (line.split() for line in out.splitlines()) if w[1] == program]


def until(fn, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if fn():
                return True
        except (EOFError, OSError, RuntimeError):
            pass
        time.sleep(0.02)
    return False


def deaths():
    create('lives')
    produce('lives', batch([b'x']))
    d = Client(port)
    old = pids('logserve')
    subprocess.run(['lab', 'kill', '-d', lab, '1', 'logserve'], check=True)
    t.ok(until(lambda: pids('logserve') not in ([], old)), 'logserve is killed and comes back')
    t.ok(until(lambda: batches(one(12, 'lives', 0, Client(port))['Records']) == [(0, 1)]), 'and serves')
    old = pids('logappend')
    subprocess.run(['lab', 'kill', '-d', lab, '1', 'logappend'], check=True)
    p = one(12, 'lives', 0, Client(port))
    t.same(batches(p['Records']), [(0, 1)], 'while logappend is away reads go on')
    t.ok(until(lambda: pids('logappend') not in ([], old)), 'logappend comes back')
    t.ok(until(lambda: produce('lives', batch([b'y']), client=Client(port)) > 0), 'and takes records')
    end = one(12, 'lives', 0, Client(port))['HighWatermark']
    d = Client(port)
    d.send('Fetch', 12, **fetch_args(12, 'lives', [part(end)], MaxWaitMs=20000))
    began = time.monotonic()
    produce('lives', batch([b'z']), client=Client(port))
    p = d.receive()['Responses'][0]['Partitions'][0]
    t.same(batches(p['Records']), [(end, 1)], 'sleepers are woken by the new one')
    t.ok(time.monotonic() - began < 5, 'at once')


def damage():
    tid = create('damaged')
    produce('damaged', batch([b'good']))
    produce('damaged', batch([b'bad']))
    path = lab + '/1/log/damaged-0/%020d.log' % 0
    size = os.path.getsize(path)
    with open(path, 'r+b') as f:
        f.seek(size // 2 + 8)
        f.write(b'\x7f\xff\xff\xff')
    p = one(12, 'damaged', 1)
    t.same((p['ErrorCode'], p['Records']), (2, b''), 'a damaged batch is not served: CORRUPT_MESSAGE')
    t.same(batches(one(12, 'damaged', 0)['Records']), [(0, 1)], 'what lies before it is')
    t.same(batches(one(13, tid, 0)['Records']), [(0, 1)], 'by id too')
    t.same(batches(one(12, 'lives', 0)['Records'])[0], (0, 1), 'and other partitions')


def malformed():
    body = encode('FetchRequest', 11, fetch_args(11, 'plain', [part(0)]))
    head = b'\0\1\0\x0b\0\0\0\1\xff\xff'
    bad = 0
    for cut in range(len(body)):
        d = Client(port)
        d.send_frame(head + body[:cut])
        bad += not closes(d)
        d.close()
    t.same(bad, 0, 'a Fetch cut anywhere closes the connection')
    body = encode('ListOffsetsRequest', 5, dict(Topics=[dict(Name='plain', Partitions=[dict(Timestamp=-1)])]))
    for cut in range(len(body)):
        d = Client(port)
        d.send_frame(b'\0\2\0\5\0\0\0\1\xff\xff' + body[:cut])
        bad += not closes(d)
        d.close()
    t.same(bad, 0, 'and so does a ListOffsets')


tid = versions()
errors(tid)
sizes()
codecs()
segments()
descriptors()
waiting()
sessions()
offsets()
directories()
deaths()
c = Client(port)
one.__defaults__ = (c, None)
fetch.__defaults__ = (c,)
produce.__defaults__ = (0, c, -1)
damage()
malformed()
t.done()
