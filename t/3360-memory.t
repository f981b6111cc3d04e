#!/usr/bin/python3
# malloc fails at its Nth call in each program that stands between clients and the log: it ends or
# closes a connection, never hangs, never answers what is not so, and serves when it is asked again
# or started again. MOST=calls. (logappend: 3210, elect: 3320.)
import os
import shutil
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from load import run  # noqa: E402
from port import Node, Port, batch, produce_request  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/3360-memory.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
STORAGE_ERROR, faulty = 56, False
most = int(os.environ.get('MOST', 0))
CALLS = list(range(1, 30, 4)) + [40, 60, 90, 150, 300] if not most else range(1, most)
port = int(run('bash', '-c', 'source t/lib.sh; ports; echo $port', '3360').stdout)
node = Node(tmp + '/node', **{'listeners': 'PLAINTEXT://127.0.0.1:%d' % port})
with open(node.dir + '/log/meta.properties', 'w') as f:
    f.write('version=1\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=1\n')
node.topic('t', b't' * 16)
node.start()
value = bytes(range(256)) * 100
assert node.produce('t', batch([value]))['ErrorCode'] == 0


def start(program, **fault):
    env = {**node.env, **fault}
    return subprocess.Popen([program], cwd=node.dir, env=env, stderr=node.err)


def fails_well(x):
    return x['ErrorCode'] == STORAGE_ERROR and faulty    # which clients try again


def metadata(p):
    a = p.call('Metadata', 12, Topics=[{'Name': 't', 'TopicId': bytes(16)}])
    x = a['Topics'][0]
    return x['ErrorCode'] == 0 and x['Partitions'][0]['LeaderId'] == 1


def configs(p):
    a = p.call('DescribeConfigs', 4, Resources=[
        {'ResourceType': 2, 'ResourceName': 't', 'ConfigurationKeys': None}])
    return a['Results'][0]['ErrorCode'] == 0 and len(a['Results'][0]['Configs']) > 10


def fetch(p):
    a = p.call('Fetch', 12, ReplicaId=-1, MaxWaitMs=10, MinBytes=1, MaxBytes=1 << 20,
               SessionEpoch=-1, Topics=[{'Topic': 't', 'Partitions': [{
                   'Partition': 0, 'CurrentLeaderEpoch': -1, 'FetchOffset': 0,
                   'LastFetchedEpoch': -1, 'LogStartOffset': -1, 'PartitionMaxBytes': 1 << 20}]}])
    x = a['Responses'][0]['Partitions'][0]
    return fails_well(x) or x['ErrorCode'] == 0 and value in x['Records']


def ends(p):
    a = p.call('ListOffsets', 7, ReplicaId=-1, Topics=[{'Name': 't', 'Partitions': [
        {'PartitionIndex': 0, 'CurrentLeaderEpoch': -1, 'Timestamp': -1}]}])
    x = a['Topics'][0]['Partitions'][0]
    return fails_well(x) or x['ErrorCode'] == 0 and x['Offset'] >= 1


def ids(p):
    a = p.call('InitProducerId', 4, TransactionalId=None, TransactionTimeoutMs=60000,
               ProducerId=-1, ProducerEpoch=-1)
    return a['ErrorCode'] in (0, 14, 15)


def produce(p):
    a = p.call('Produce', 9, **produce_request('t', batch([b'more'])))
    x = a['Responses'][0]['PartitionResponses'][0]
    return fails_well(x) or x['ErrorCode'] == 0


def dial(program):
    """A connection, tried for 10 s or until the program has ended; None."""
    end = time.time() + 10
    while time.time() < end and process.poll() is None:
        try:
            if program == 'gate':
                return raw.Client(port, timeout=10)
            return Port(os.path.join(node.dir, 'run', program), timeout=10)
        except (OSError, EOFError):
            time.sleep(0.005)
    return None


def ask_all(program, asks, patient):
    """Whether every answer is right; what is closed is asked again on another connection."""
    p, good = None, True
    for ask in asks * 2:
        for _ in range(4):
            try:
                p = p or dial(program)
                if not p:
                    return good
                good = ask(p) and good
                if program != 'gate':    # a port hands each descriptor over once
                    p.close()
                    p = None
                break
            except TimeoutError:
                return False
            except (OSError, EOFError, TypeError):    # closed: also in words, by the port
                p.close()
                p = None
                if patient:
                    return False
    if p:
        p.close()
    return good


PROGRAMS = {'metaserve': [metadata, configs], 'logserve': [fetch, ends], 'txncoord': [ids],
            'gate': [metadata, fetch, produce, ends, ids]}
beside = []
for program, asks in PROGRAMS.items():
    wrong, met, faulty = [], 0, True
    for n in CALLS:
        fired = tmp + '/fired'
        process = start(program, LD_PRELOAD=os.path.abspath('build/crash/shim-fault.so'),
                        FAULT='malloc:%d:ENOMEM' % n, FAULT_FIRED=fired, FAULT_PROGRAM=program)
        if not ask_all(program, asks, False):
            wrong.append('the %dth: a wrong answer, or none' % n)
        code = process.poll()
        if code not in (None, 111, -6):
            wrong.append('the %dth: exit %s' % (n, code))
        process.kill()
        process.wait()
        if not os.path.exists(fired):
            break
        os.unlink(fired)
        met += 1
    process, faulty = start(program), False
    if not ask_all(program, asks, True):
        wrong.append('it does not serve when all is well again')
    t.ok(not wrong and met > 3, '%s: malloc failed %d times' % (program, met), *wrong,
         node.said()[-500:])
    beside.append(process)    # those that gate asks
for process in beside:
    process.kill()
    process.wait()
t.same(node.stop(), 0, 'logappend ends well')
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
