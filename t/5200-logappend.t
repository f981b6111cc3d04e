#!/usr/bin/env python3
# logappend by itself: what it answers to Produce and its kin, what it
# publishes, what it leaves on disk.
import glob
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, Port, batch, produce_request, read_log  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/5200-logappend.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
A, B, C, D, E, F, G = (bytes([i] * 16) for i in range(1, 8))
node = Node(tmp + '/node')
node.start()


def error(answer):
    return answer['ErrorCode']


def until(fn, seconds=10):
    end = time.time() + seconds
    while not fn() and time.time() < end:
        time.sleep(0.01)
    return fn()


def acks():
    node.topic('a', A, 2)
    got = node.produce('a', batch([b'x', b'y']))
    t.same((error(got), got['BaseOffset'], got['LogStartOffset'],
           got['LogAppendTimeMs']), (0, 0, 0, -1), 'acks=all: the first offset')
    s = node.slots()['a-0']
    t.same((s['role'], s['log_end'], s['flushed'], s['high_watermark'],
           s['last_stable']), (1, 2, 2, 2, 2), 'the page says so')
    t.same(node.produce('a', batch([b'z']), acks=1)['BaseOffset'], 2, 'acks=1')
    t.same(node.produce('a', batch([b'z']), acks=0), None, 'acks=0 has no answer')
    t.same(node.produce('a', batch([b'z']))['BaseOffset'], 4, 'but it was appended')
    t.same(node.produce('none', batch([b'z']), acks=0),
           'close', 'acks=0 and an error close the connection')
    got = node.produce('a', batch([b'z']), acks=2)
    t.same((error(got), got['BaseOffset']), (21, -1), 'INVALID_REQUIRED_ACKS')
    many = {'Acks': -1, 'TimeoutMs': 1000, 'TopicData': [{'Name': n, 'PartitionData': [
        {'Index': i, 'Records': batch([b'1'])} for i in (0, 1, 2)]} for n in ('a', 'none')]}
    out = node.port.call('Produce', 9, **many)['Responses']
    t.same([[p['ErrorCode'] for p in x['PartitionResponses']] for x in out], [[0, 0, 3], [3, 3, 3]],
           'one answer for many partitions')
    tags = [node.port.send('Produce', 9, **produce_request('a', batch([b'%d' % i]), partition=1))
            for i in range(500)]
    t.same([node.port.receive(x)['Responses'][0]['PartitionResponses'][0]['BaseOffset']
           for x in tags], list(range(1, 501)), '500 at once, in order')
    for version in range(3, 13):
        got = node.produce('a', batch([b'v']), version=version)
        if error(got):
            t.same(error(got), 0, 'version %d' % version)
    t.ok(True, 'every version')


def at_once():
    """Requests that come in one piece are appended in one write: each has its own answer."""
    node.topic('once', bytes([9] * 16), 2, segment_bytes='1048576')

    def send(what, **kw):
        return node.port.send('Produce', 9, **produce_request('once', what, **kw))

    def answer(tag):
        got = node.port.receive(tag)['Responses'][0]['PartitionResponses'][0]
        return got['ErrorCode'], got['BaseOffset']

    def idempotent(seq, n=1, pid=77, epoch=3):
        return batch([b'v'] * n, pid=pid, epoch=epoch, seq=seq)

    node.port.hold()
    tags = [send(what) for what in (
        idempotent(0, 2), idempotent(2), batch([b'plain']), idempotent(0, 2), idempotent(4),
        idempotent(3), idempotent(0, pid=78), idempotent(3), idempotent(0, epoch=4),
        idempotent(4, epoch=3), batch([b'q'])[:-1] + b'!', batch([b'z']))]
    other = send(batch([b'y']), partition=1)
    node.port.let_go()
    t.same([answer(x) for x in tags],
           [(0, 0), (0, 2), (0, 3), (0, 0), (45, -1), (0, 4), (0, 5), (0, 4), (0, 6), (47, -1),
            (2, -1), (0, 7)],
           'sequences, duplicates and errors in one write')
    t.same(answer(other), (0, 0), 'and another partition')
    big = [b'x' * 300000]
    node.port.hold()
    tags = [send(batch(big), acks=1) for _ in range(8)]
    asked = [dict(Partition=0, CurrentLeaderEpoch=-1, LeaderEpoch=0)]
    end = node.port.send('OffsetForLeaderEpoch', 4, ReplicaId=-2,
                         Topics=[dict(Topic='once', Partitions=asked)])
    node.port.let_go()
    t.same([answer(x) for x in tags], [(0, 8 + i) for i in range(8)], 'over the end of segments')
    t.same(node.port.receive(end)['Topics'][0]['Partitions'][0]['EndOffset'], 16,
           'the request behind them sees them')
    t.same(len(glob.glob(node.dir + '/log/once-0/*.log')), 3, 'in three segments')


def refusals():
    whole = bytearray(batch([b'record']))
    whole[-3] ^= 1
    got = node.produce('a', bytes(whole))
    t.same((error(got), got['LogStartOffset']), (2, -1), 'CORRUPT_MESSAGE')
    t.same(
    error(
        node.produce(
            'a',
            batch(
                [b'1']) +
                batch(
                    [b'2']))),
                    87,
                     'two batches: INVALID_RECORD')
    t.same(error(node.produce('a', b'')), 87, 'none: INVALID_RECORD')
    t.same(error(node.produce('a', None)), 87, 'null: INVALID_RECORD')
    t.same(
    error(
        node.produce(
            'a',
            batch(
                [b'x'],
                attributes=32))),
                87,
                 'control records of a client')
    t.same(error(node.produce('a', batch([b'x'], attributes=16))), 53,
           'transactional without an id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    t.same(error(node.produce('a', batch([b'x'], body=b'z' * 20, attributes=4), version=6)), 76,
           'zstd before version 7: UNSUPPORTED_COMPRESSION_TYPE')
    node.topic('small', B, max_message_bytes='200', segment_bytes='1048576')
    t.same(error(node.produce('small', batch([b'x' * 200]))), 10, 'MESSAGE_TOO_LARGE')
    node.config('small', max_message_bytes='2000000')
    t.same(error(node.produce('small', batch([b'x' * 200]))), 0, 'the config is followed')
    t.same(error(node.produce('small', batch([b'x' * 1500000]))), 18, 'RECORD_LIST_TOO_LARGE')
    node.topic('__consumer_offsets', C)
    t.same(error(node.produce('__consumer_offsets', batch([b'x']))), 17, 'an internal topic')
    t.same(error(node.produce('__consumer_offsets', batch([b'x']), client=b'__admin_client')), 0,
           'that an admin client may write')
    t.same(error(node.produce('__cluster_metadata', batch([b'x']))), 3, 'the metadata is no topic')
    now = int(time.time() * 1000)
    node.topic('timed', D, message_timestamp_after_max_ms='1000')
    got = node.produce('timed', batch([b'x', b'y'], timestamp=now + 3600000))
    t.same(
    (error(got), [
        e['BatchIndex'] for e in got['RecordErrors']]), (32, [
            0, 1]), 'INVALID_TIMESTAMP')
    node.config('timed', cleanup_policy='compact')
    got = node.produce('timed', batch([b'x', b'y', b'z'], keys=[b'k', None, b'k']))
    t.same((error(got), [e['BatchIndex']
           for e in got['RecordErrors']]), (87, [1]), 'a record without key')
    node.config('timed', message_timestamp_type='LogAppendTime')
    got = node.produce('timed', batch([b'x'], keys=[b'k'], timestamp=5))
    t.ok(
    error(got) == 0 and abs(
        got['LogAppendTimeMs'] -
        now) < 60000,
        'log append time is answered',
         got)
    stored = read_log(node.dir + '/log/timed-0/' + '0' * 20 + '.log')
    t.same(stored[-1]['attributes'], 8, 'and stored')


def idempotence():
    node.topic('idem', E)

    def put(seq, epoch=0, pid=77, n=1):
        got = node.produce('idem', batch([b'x'] * n, pid=pid, epoch=epoch, seq=seq))
        return got['ErrorCode'] or got['BaseOffset']
    t.same([put(0, n=2), put(2), put(3), put(4), put(5)], [0, 2, 3, 4, 5],
           'in sequence')
    t.same([put(0, n=2), put(2), put(5)], [0, 2, 5], 'five batches are remembered')
    t.same(put(6), 6, 'the next')
    t.same(put(0, n=2), 45, 'the sixth is not remembered: OUT_OF_ORDER_SEQUENCE_NUMBER')
    t.same(put(9), 45, 'a gap')
    t.same(put(0, epoch=1), 7, 'a new epoch')
    t.same(put(7, epoch=0), 47, 'INVALID_PRODUCER_EPOCH')
    t.same(put(500, pid=78), 8, 'a producer that is not known may begin anywhere')
    got = node.port.call('DescribeProducers', 0, Topics=[
        {'Name': 'idem', 'PartitionIndexes': [0, 5]},
        {'Name': '', 'PartitionIndexes': [0]}])['Topics']
    p = sorted((x['ProducerId'], x['ProducerEpoch'], x['LastSequence'])
               for x in got[0]['Partitions'][0]['ActiveProducers'])
    t.same(p, [(77, 1, 0), (78, 0, 500)], 'DescribeProducers')
    t.same((got[0]['Partitions'][1]['ErrorCode'], got[1]['Partitions'][0]['ErrorCode']), (3, 17),
           'of what is not there')


def fetch(offset, replica=2, version=12, **k):
    got = node.port.call('Fetch', version, ReplicaId=replica, MaxBytes=1 << 20,
                         Topics=[{'Topic': 'r', 'Partitions': [{
                             'Partition': 0, 'FetchOffset': offset,
                             'PartitionMaxBytes': 1 << 20, **k}]}])
    return got['Responses'][0]['Partitions'][0]


def replicas():
    node.topic('r', F, replicas=(1, 2), min_insync_replicas='2')
    t.same(error(node.produce('r', batch([b'1']), timeout=50)),
           7, 'REQUEST_TIMED_OUT without the follower')
    s = node.slots()['r-0']
    t.same((s['log_end'], s['flushed'], s['high_watermark']), (1, 1, 0), 'nothing is committed')
    t.same(node.produce('r', batch([b'1']), acks=1)['BaseOffset'], 1, 'acks=1 does not wait')
    got = fetch(0)
    t.same((got['ErrorCode'], got['HighWatermark'], len(read_bytes(got['Records']))), (0, 0, 2),
           'a follower reads what is not committed')
    idem = batch([b'2'], pid=9, epoch=0, seq=0)
    first = node.port.send('Produce', 9, **produce_request('r', idem))
    again = node.port.send('Produce', 9, **produce_request('r', idem))
    t.ok(until(lambda: node.slots()['r-0']['flushed'] == 3), 'appended')
    fetch(2)
    t.same(node.slots()['r-0']['high_watermark'], 2, 'the high watermark is what the follower has')
    t.ok(not node.port.answers, 'the producer and its duplicate wait')
    fetch(3)
    t.same([node.port.receive(x)['Responses'][0]['PartitionResponses'][0]['BaseOffset']
            for x in (first, again)], [2, 2], 'both are answered with the first offset')
    t.same([fetch(0, replica=3, CurrentLeaderEpoch=e)['ErrorCode'] for e in (0, -1)], [75, 6],
           'who is no replica: UNKNOWN_LEADER_EPOCH, or that it is not known here')
    t.same(fetch(99)['ErrorCode'], 1, 'OFFSET_OUT_OF_RANGE')
    node.change(F, Isr=[1])
    got = node.produce('r', batch([b'3']))
    t.same((error(got), got['LogStartOffset']), (19, 0), 'NOT_ENOUGH_REPLICAS')
    t.same(error(node.produce('r', batch([b'3']), acks=1)), 0, 'that acks=1 does not need')
    node.change(F, Isr=[1, 2])
    tag = node.port.send('Produce', 9, **produce_request('r', batch([b'4'])))
    t.ok(until(lambda: node.slots()['r-0']['flushed'] == 5), 'parked')
    node.change(F, Leader=2)
    t.same(error(node.port.receive(tag)['Responses'][0]['PartitionResponses'][0]), 6,
           'NOT_LEADER_OR_FOLLOWER for what is parked')
    got = node.port.call('Produce', 10, **produce_request('r', batch([b'5'])))
    p = got['Responses'][0]['PartitionResponses'][0]
    t.same((p['ErrorCode'], p['CurrentLeader']['LeaderId'], p['CurrentLeader']
           ['LeaderEpoch']), (6, 2, 1), 'and for what comes later, with the leader')
    t.same([(e['NodeId'], e['Host'], e['Port'])
           for e in got['NodeEndpoints']], [(2, 'host2', 9092)], 'and where it is')
    t.same(node.slots()['r-0']['role'], 2, 'the page says follower')
    node.change(F, Leader=1, Isr=[1])
    t.same(error(node.produce('r', batch([b'6']), acks=1)), 0, 'leader again')
    ask = [{'Partition': 0, 'CurrentLeaderEpoch': c, 'LeaderEpoch': e}
           for c, e in ((-1, 0), (2, 1), (2, 2), (1, 2), (3, 2))]
    ends = node.port.call('OffsetForLeaderEpoch', 4, ReplicaId=-1, Topics=[
        {'Topic': 'r', 'Partitions': ask}])['Topics'][0]['Partitions']
    t.same([(x['ErrorCode'], x['LeaderEpoch'], x['EndOffset']) for x in ends],
           [(0, 0, 5), (0, 0, 5), (0, 2, 6), (74, -1, -1), (75, -1, -1)], 'where epochs end')


def read_bytes(data):
    path = tmp + '/records'
    open(path, 'wb').write(data)
    return read_log(path)


def delete_records():
    def delete(topic, offset, partition=0):
        got = node.port.call('DeleteRecords', 2, TimeoutMs=1000, Topics=[
            {'Name': topic, 'Partitions': [{'PartitionIndex': partition, 'Offset': offset}]}])
        p = got['Topics'][0]['Partitions'][0]
        return p['ErrorCode'], p['LowWatermark']
    t.same(delete('a', 3), (0, 3), 'DeleteRecords: the low watermark')
    t.ok('a 0 3\n' in open(node.dir + '/log/log-start-offset-checkpoint').read(),
         'it is on disk when it is answered')
    t.same(delete('a', 2), (0, 3), 'it does not go back')
    end = node.slots()['a-0']['high_watermark']
    t.same(delete('a', end + 1), (1, -1), 'beyond the high watermark: OFFSET_OUT_OF_RANGE')
    t.same(delete('a', -2), (1, -1), 'a negative offset')
    t.same(delete('a', -1), (0, end), '-1 is the high watermark')
    t.same(delete('timed', 0), (44, -1), 'a compacted topic: POLICY_VIOLATION')
    t.same(delete('__consumer_offsets', 0), (17, -1), 'an internal topic')
    t.same(delete('none', 0), (3, -1), 'an unknown topic')

    def files(suffix):
        return sorted(int(os.path.basename(f)[:20]) for f in glob.glob(
            node.dir + '/log/old-0/*' + suffix))
    node.topic('old', bytes([20] * 16), segment_bytes='1048576', file_delete_delay_ms='60000')
    for i in range(10):
        node.produce('old', batch([b'x' * 300000]))
    t.same(files('.log'), [0, 3, 6, 9], 'four segments')
    layout = node.slots()['old-0']['layout']
    t.same(delete('old', 7), (0, 7), 'a log start in the third')
    t.ok(until(lambda: files('.log') == [6, 9]), 'the two before are dropped', files('.log'))
    t.same(files('.log.deleted'), [0, 3], 'and kept under another name for a while')
    t.ok(node.slots()['old-0']['layout'] > layout, 'the page says that files are gone')
    t.ok('old 0 7\n' in open(node.dir + '/log/log-start-offset-checkpoint').read(),
         'where it begins is on disk')
    node.config('old', file_delete_delay_ms='0')
    t.same(delete('old', -1), (0, 10), 'all of it')
    t.ok(until(lambda: files('.log') == [9] and not files('.deleted')),
         'what is dropped is removed after file.delete.delay.ms')
    t.ok(node.program.poll() is None and node.produce('old', batch([b'x']))['BaseOffset'] == 10,
         'and it goes on')


def wakes():
    p = Port(node.dir + '/run/logappend', b'reader', sleeper=True)
    p.call('DescribeProducers', 0, Topics=[])
    node.produce('a', batch([b'w']))
    p.call('DescribeProducers', 0, Topics=[])
    t.same(p.woken, [], 'a reader that is awake is not woken')
    slot = node.slots()['a-0']['slot']
    p.sleep_on(slot)
    node.produce('a', batch([b'w']))
    t.ok(
    until(
        lambda: p.call(
            'DescribeProducers',
            0,
            Topics=[]) and p.woken),
            'a sleeper is',
             p.woken)
    t.same(set(p.woken), {slot}, 'with the slot')
    p.close()


def recompression():
    node.topic('z', G, compression_type='gzip')
    bodies = [batch([b'plain' * 50]), batch([b'more' * 50])]
    plain = batch([b'last'])
    packed = batch([b'in gzip'], attributes=1, body=gzip.compress(
        plain[61:].replace(b'last', b'gzip')))
    tags = [node.port.send('Produce', 9, **produce_request('z', x))
                           for x in bodies + [packed] + bodies]
    got = [node.port.receive(x)['Responses'][0]['PartitionResponses'][0] for x in tags]
    t.same([(x['ErrorCode'], x['BaseOffset']) for x in got], [(0, i) for i in range(5)],
           'through recode, in order')
    stored = read_log(node.dir + '/log/z-0/' + '0' * 20 + '.log')
    t.same([x['attributes'] for x in stored], [1] * 5, 'all are gzip')
    pid = subprocess.run(['pgrep', '-P', str(node.program.pid), '-x', 'recode'],
                         capture_output=True, text=True).stdout.split()
    os.kill(int(pid[0]), signal.SIGKILL)
    t.ok(
    until(
        lambda: error(
            node.produce(
                'z',
                bodies[0])) == 0),
                 'recode is started again when it dies')


def deletion():
    node.produce('a', batch([b'old']))
    node.remove(A)
    t.ok('a-0' not in node.slots() and not os.path.exists(node.dir + '/log/a-0'),
         'a deleted topic is gone')
    t.same(len(glob.glob(node.dir + '/log/a-0.*-delete')), 1, 'its files wait for their removal')
    t.same(error(node.produce('a', batch([b'x']))), 3, 'UNKNOWN_TOPIC_OR_PARTITION')
    node.topic('a', b'\x0a' * 16, file_delete_delay_ms='0')
    t.same(node.produce('a', batch([b'new']))['BaseOffset'], 0, 'made again it is another topic')
    node.remove(b'\x0a' * 16)
    t.ok(until(lambda: len(glob.glob(node.dir + '/log/a-0.*-delete')) == 1),
         'after the delay they go')


def starts():
    before = node.slots()
    t.same(node.stop(), 0, 'SIGTERM: exit 0')
    t.same(open(node.dir + '/log/.kafka_cleanshutdown').read(), '{"version":0,"brokerEpoch":5}',
           'the marker')
    for name in ('kept-1', 'small-0'):
        os.makedirs(node.dir + '/log/' + name, exist_ok=True)
    shutil.copytree(node.dir + '/log/idem-0', node.dir + '/log/other-0')
    shutil.rmtree(node.dir + '/log/small-0')
    shutil.copytree(node.dir + '/log/idem-0', node.dir + '/log/small-0')
    open(node.dir + '/log/r-1', 'w').close()
    node.elect.add(('PartitionRecord', 1, {'PartitionId': 1, 'TopicId': F, 'Replicas': [
                   1], 'Isr': [1], 'Leader': 1, 'Directories': [bytes(16)]}))
    node.start()
    t.ok(not os.path.exists(node.dir + '/log/.kafka_cleanshutdown'), 'the marker is taken away')
    after = node.slots()
    t.same([n for n in before if n != 'small-0' and before[n]['high_watermark']
            != after[n]['high_watermark']], [], 'high watermarks are as they were')
    t.ok(all(after[n]['layout'] != before[n]['layout'] for n in before), 'every layout has changed')
    t.same(sorted(x.split('.')[0] for x in os.listdir(node.dir + '/log') if x.endswith('-stray')),
           ['other-0', 'small-0'], "other topics' directories are put away")
    got = node.produce('idem', batch([b'x'], pid=78, epoch=0, seq=500))
    t.same((error(got), got['BaseOffset']), (0, 8), 'a duplicate from before the restart is known')
    t.same(
    error(
        node.produce(
            'r',
            batch(
                [b'x']),
                partition=1)),
                56,
                 'a bad partition: KAFKA_STORAGE_ERROR')
    t.same(node.slots()['r-1']['role'], 3, 'the page says that it is offline')
    t.same(error(node.produce('r', batch([b'x']), acks=1)), 0, 'others go on')
    end = node.slots()['idem-0']['log_end']
    node.kill()
    node.start()
    t.same(node.slots()['idem-0']['high_watermark'], end,
           'after kill -9 the high watermark did not fall')
    t.same(node.produce('idem', batch([b'x'], pid=78, epoch=0, seq=500))['BaseOffset'], 8,
           'and sequences are known')
    second = subprocess.run(
    ['logappend'],
    cwd=node.dir,
    env=node.env,
    capture_output=True,
     text=True)
    t.same(second.returncode, 111, 'a second logappend does not start')
    t.ok('.lock' in second.stderr, 'and says why', second.stderr)


def dump():
    node.stop()
    files = [f for f in glob.glob(node.dir + '/log/*-[0-9]/*') if f.rsplit('.')[-1] in
             ('log', 'index', 'timeindex', 'snapshot')]
    out = subprocess.run(['bash',
    '-c',
    'source t/lib.sh; kafka_tool kafka-dump-log --deep-iteration '
    '--index-sanity-check --print-data-log --files "$1"',
    '5200',
    ','.join(files)],
    capture_output=True,
     text=True)
    bad = [x for x in (out.stdout + out.stderr).split('\n') if 'rror' in x or 'ismatch' in x
           or 'not valid' in x or 'xception' in x or 'isvalid: false' in x]
    t.ok(out.returncode == 0 and out.stdout.count('baseOffset:') > 20 and not bad,
         "Kafka's dump tool is content with %d files" % len(files), *bad[:10], out.stderr[-500:])


def flusher():
    n = Node(tmp + '/flusher')
    n.topic('a', A)
    n.start()
    pid = subprocess.run(['pgrep', '-P', str(n.program.pid), '-x', 'logsync'], capture_output=True,
                         text=True).stdout.split()
    os.kill(int(pid[0]), signal.SIGKILL)
    t.same(n.program.wait(10), 111, 'logsync killed: logappend restarts')
    n.program = None
    os.makedirs(tmp + '/bin')
    with open(tmp + '/bin/logsync', 'w') as f:
        f.write('#!/usr/bin/env python3\nimport socket, struct, sys\n'
                's = socket.socket(fileno=0)\n'
                'ticket = struct.unpack("=QII", s.recv(16))[0]\n'
                's.send(struct.pack("=QiI", ticket, 5, 0))\nsys.exit(102)\n')
    os.chmod(tmp + '/bin/logsync', 0o755)
    n.env['PATH'] = tmp + '/bin:' + n.env['PATH']
    n.start()
    n.port.send('Produce', 9, **produce_request('a', batch([b'x'])))
    t.same(n.program.wait(10), 102, 'a sync that fails: 102')
    n.program = None
    t.ok(os.path.exists(n.dir + '/run/sync-failed')
         and 'sync' in n.said(), 'noted for the next start')
    n.env['PATH'] = n.env['PATH'].split(':', 1)[1]
    n.start()
    t.ok(not os.path.exists(n.dir + '/run/sync-failed'), 'which reads the disk and forgets it')
    n.stop()
    n = Node(tmp + '/os', path=tmp + '/bin', **{'odradek.flush': 'os'})
    n.topic('a', A)
    n.start()
    t.same(n.produce('a', batch([b'x']))['BaseOffset'], 0, 'odradek.flush=os asks no sync')
    t.same(n.slots()['a-0']['flushed'], 1, 'its flushed end is the log end')
    n.kill()


def full():
    n = Node(tmp + '/full')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', n.dir + '/log'],
                      capture_output=True).returncode:
        t.ok(True, 'no space # SKIP cannot mount')
        return
    try:
        n.topic('a', A, segment_index_bytes='4096')
        n.start()
        codes = [error(n.produce('a', batch([b'x' * 200000]))) for _ in range(12)]
        t.ok(codes[0] == 0 and codes[-1] == 56, 'no space: KAFKA_STORAGE_ERROR', codes)
        t.same(n.said().count('No space'), 1, 'said once')
        good = codes.count(0)
        t.same(n.slots()['a-0']['high_watermark'], good, 'what was acknowledged is there')
        subprocess.run(['mount', '-o', 'remount,size=8m', n.dir + '/log'], check=True)
        t.same(n.produce('a', batch([b'x' * 200000]))['BaseOffset'],
               good, 'it goes on when there is space')
        t.same(n.stop(), 0, 'and stops cleanly')
    finally:
        n.kill()
        subprocess.run(['umount', n.dir + '/log'])


for f in (
    acks,
    at_once,
    refusals,
    idempotence,
    replicas,
    delete_records,
    wakes,
    recompression,
    deletion,
    starts,
    dump,
    flusher,
     full):
    f()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
