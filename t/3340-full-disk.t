#!/usr/bin/python3
# A node on a file system that is really full: reads go on, Produce and changes of the metadata get
# an error that clients try again, a start with no byte free works, deleting a topic makes room,
# writes resume by themselves when there is some; nothing acknowledged is lost. FS=ext4 for a loop
# device instead of tmpfs, COUNT=rounds, SEED.
import os
import random
import shutil
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if not os.environ.get('IN_NAMESPACE'):    # whose mounts end with it
    root = [] if os.getuid() == 0 else ['-r']
    os.environ['IN_NAMESPACE'] = '1'
    if subprocess.run(['unshare', *root, '-m', 'true'], capture_output=True).returncode:
        print('1..0 # SKIP no mount namespaces')
        raise SystemExit
    os.execvp('unshare', ['unshare', *root, '-m', sys.executable,
                          't/' + os.path.basename(__file__)])
sys.path.insert(0, 't')
import raw  # noqa: E402
from load import LabNode, until  # noqa: E402
from port import batch, produce_request  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
count, fs = int(os.environ.get('COUNT', 1)), os.environ.get('FS', 'tmpfs')
print('# SEED=%d COUNT=%d FS=%s' % (seed, count, fs), flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/3340-full-disk.%d' % os.getpid())
disk = tmp + '/disk'
os.makedirs(disk)
t = Tap()
STORAGE_ERROR = 56
acked = {}


def mount():
    if fs == 'ext4':
        with open(tmp + '/image', 'w') as f:
            f.truncate(48 << 20)
        subprocess.run(['mkfs.ext4', '-q', '-m', '0', tmp + '/image'], check=True)
        subprocess.run(['mount', '-o', 'loop', tmp + '/image', disk], check=True)
    else:
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=40m', 'none', disk], check=True)


def produce(topic, size=20000, partition=0):
    """The error code; what is acknowledged is noted."""
    value = b'%d:' % rng.randrange(1 << 40) + rng.randbytes(size)
    client = raw.Client(node.port)
    answer = client.call('Produce', 9, **produce_request(topic, batch([value]), -1, partition))
    client.close()
    p = answer['Responses'][0]['PartitionResponses'][0]
    if p['ErrorCode'] == 0:
        acked[topic, partition, p['BaseOffset']] = value
    return p['ErrorCode']


def create(topic, partitions=2):
    client = raw.Client(node.port)
    answer = client.call('CreateTopics', 7, TimeoutMs=10000, Topics=[{
        'Name': topic, 'NumPartitions': partitions, 'ReplicationFactor': 1,
        'Configs': [{'Name': 'file.delete.delay.ms', 'Value': '0'}]}])
    client.close()
    return answer['Topics'][0]['ErrorCode']


def delete(topic):
    client = raw.Client(node.port)
    answer = client.call('DeleteTopics', 6, TimeoutMs=10000, Topics=[
        {'Name': topic, 'TopicId': bytes(16)}])
    client.close()
    return answer['Responses'][0]['ErrorCode']


def lost():
    """What was acknowledged and is not read back."""
    client, out = raw.Client(node.port), []
    ids = {x['Name']: x['TopicId'] for x in client.call('Metadata', 12, Topics=None)['Topics']}
    for (topic, partition, offset), value in acked.items():
        answer = client.call('Fetch', 13, ReplicaId=-1, MaxWaitMs=1000, MinBytes=1,
                             MaxBytes=1 << 20, SessionEpoch=-1, Topics=[{
                                 'TopicId': ids[topic], 'Partitions': [{
                                     'Partition': partition, 'CurrentLeaderEpoch': -1,
                                     'FetchOffset': offset, 'LastFetchedEpoch': -1,
                                     'LogStartOffset': -1, 'PartitionMaxBytes': 1 << 16}]}])
        p = answer['Responses'][0]['Partitions'][0]
        if p['ErrorCode'] or value not in (p['Records'] or b''):
            out.append((topic, partition, offset, p['ErrorCode']))
    client.close()
    return out


def fill(name='fill'):
    """To the last byte."""
    fd = os.open(disk + '/' + name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (1 << 20, 4096, 512, 1):
        try:
            while True:
                os.write(fd, bytes(size))
        except OSError:
            pass
    try:
        os.fsync(fd)
    except OSError:
        pass
    os.close(fd)


def full_produce(topic):
    """Until there is no room: the last pages of files are still theirs."""
    return until(lambda: produce(topic) == STORAGE_ERROR, 20)


def one_round(i):
    mine, other = 'a%d' % i, 'big%d' % i
    t.same((create(mine), create(other, 1)), (0, 0), 'topics')
    for _ in range(20):
        produce(mine, 1000, rng.randrange(2))
        produce(other, 200000)
    fill()
    t.ok(full_produce(mine), 'a full disk: Produce gets KAFKA_STORAGE_ERROR')
    n = 0
    while create('n%d.%d' % (i, n), 100) == 0 and n < 200:
        n += 1
    t.same(create('none', 100), STORAGE_ERROR, 'so does CreateTopics')
    fill('fill2')
    t.same(lost(), [], 'reads go on')
    before = node.pid('logappend'), node.pid('elect'), node.pid('gate')
    time.sleep(0.5)
    t.same((node.pid('logappend'), node.pid('elect'), node.pid('gate')), before, 'nobody ended')
    for again in ('a start', 'another start'):
        node.kill_all()
        fill('fill3')
        up = node.up()
        t.ok(up.returncode == 0, again + ' with no byte free', up.stderr, node.said())
        t.same(lost(), [], 'what was acknowledged is read')
        t.ok(full_produce(mine), 'still full')
    for key in [k for k in acked if k[0] == other]:
        del acked[key]
    t.same(delete(other), 0, 'a topic can be deleted')
    t.ok(until(lambda: produce(mine, 100) == 0, 20), 'that makes room')
    fill('fill4')
    t.ok(full_produce(mine), 'full again')
    for name in ('fill', 'fill2', 'fill3', 'fill4'):
        if os.path.exists(disk + '/' + name):
            os.unlink(disk + '/' + name)
    begin = time.time()
    t.ok(until(lambda: produce(mine) == 0 and create('after%d' % i) == 0, 20),
         'with room writes resume by themselves')
    t.ok(time.time() - begin < 5, 'within %.1f s' % (time.time() - begin))
    t.same((produce('after%d' % i), lost()), (0, []), 'also to what is new; nothing is lost')


try:
    mount()
    node = LabNode(disk + '/lab')
    if t.ok(node.running(), 'a node', node.started.stderr):
        for i in range(count):
            one_round(i)
            if t.failures:
                break
        t.same(node.stop().returncode, 0, 'a clean stop')
        t.ok(node.up().returncode == 0 and lost() == [], 'and all is there')
finally:
    node.kill_all()
    if os.environ.get('KEEP'):
        shutil.copytree(disk + '/lab', tmp + '/lab', symlinks=True, dirs_exist_ok=True)
    node.wreck()
    subprocess.run(['umount', '-l', disk])
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
