"""For tests that harm a node: a node of its own under clients that check every answer.

    node = LabNode(directory)        lab start; kill(pid), children, programs, up
    load = Load(node, seed)          begins: an idempotent producer with acks=all, a reader, clients
                                     that change metadata, take producer ids, commit offsets, only
                                     read; the last never asks again
    load.moved(seconds)              until each of them got answers that were asked for after now
    load.end()                       all is acknowledged, read and compared; load.wrong is what was
                                     found: nothing lost, doubled, moved, out of order, no error

Each partition has one producer whose records are numbered: offset N holds N.
"""
import collections
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import confluent_kafka

import raw

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Of errors.api; 38 is what CreateTopics says when all brokers are fenced, here as in Kafka.
RETRIABLE = {3, 5, 6, 7, 13, 14, 15, 16, 19, 20, 38, 41, 56, 78}
PARTITIONS = {'plain': 2, 'compressed': 1}     # topics of the producer


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, **more)


def until(fn, seconds, pause=0.005):
    end = time.time() + seconds
    while not fn():
        if time.time() > end:
            return False
        time.sleep(pause)
    return True


class LabNode:
    """One node, and its processes by name: what svc/ has, and their co-processes."""

    def __init__(self, directory, settings=(), prefix='', environment=()):
        os.environ['PATH'] = TOP + '/build/bin:' + os.environ['PATH']
        self.lab, self.dir = directory, directory + '/1'
        self.port = int(run('bash', '-c', 'source t/lib.sh; ports; echo $port', '3300',
                            cwd=TOP).stdout)
        self.broker = '127.0.0.1:%d' % self.port
        words = ['lab', 'start', '-d', self.lab, '-p', str(self.port)]
        for s in settings:
            words += ['-c', s]
        if prefix:
            words += ['-x', prefix]
        self.environment = {**os.environ, **dict(environment)}
        self.started = run(*words, env=self.environment)
        self.services = sorted(os.listdir(self.dir + '/run/s6')) if self.running() else []
        self.services = [s for s in self.services if not s.startswith('.')]

    def running(self):
        return self.started.returncode == 0

    def processes(self):
        out = [w.split('\t') for w in run(self.dir + '/svc/pids', self.dir).stdout.splitlines()]
        return [(name, int(pid)) for name, pid in out]

    def programs(self):
        return sorted({name for name, _ in self.processes() if not name.startswith('s6-')})

    def service_pid(self, service):
        try:
            line = run('s6-svstat', '-o', 'pid', self.dir + '/run/s6/' + service).stdout
            return int(line)
        except ValueError:
            return -1

    def pid(self, program):
        """Of a service, or of a co-process of one; -1 when it does not run."""
        if program in self.services:
            return self.service_pid(program)
        for service in self.services:
            for child in children(self.service_pid(service)):
                if name_of(child) == program:
                    return child
        return -1

    def kill(self, program, seconds=20):
        """Its pid; -1 when there was none in time."""
        found = []

        def one():
            pid = self.pid(program)
            if pid > 0:
                found.append(pid)
            return pid > 0 and name_of(pid) == program
        if not until(one, seconds):
            return -1
        try:
            os.kill(found[-1], signal.SIGKILL)
        except ProcessLookupError:
            pass
        until(lambda: name_of(found[-1]) != program, seconds, 0.001)
        return found[-1]

    def ready(self, seconds=30):
        """Until every service says that it can serve, by itself."""
        return until(lambda: run(self.dir + '/svc/ready', '500', *(
            self.dir + '/run/s6/' + s for s in self.services)).returncode == 0, seconds)

    def signal(self, program, number):
        """Its pid; -1 when there was none."""
        pid = self.pid(program)
        try:
            if pid > 0:
                os.kill(pid, number)
            return pid
        except ProcessLookupError:
            return -1

    def kill_all(self):
        run('lab', 'kill', '-d', self.lab, '1')

    def up(self):
        return run('lab', 'up', '-d', self.lab, '1', env=self.environment)

    def stop(self):
        return run('lab', 'stop', '-d', self.lab)

    def wreck(self):
        run('bash', '-c', 'source t/lib.sh; lab_wreck "$1"', '3300', self.lab, cwd=TOP)

    def said(self, n=3):
        return run('bash', '-c', 'tail -n %d "$1"/logs/*/current' % n, '-', self.dir).stdout


def children(pid):
    try:
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [int(x) for x in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def name_of(pid):
    """By which a process was executed; '' for none. A service is its run script at first."""
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            return os.path.basename(f.read().split(b'\0')[0].decode())
    except (FileNotFoundError, ProcessLookupError):
        return ''


def cpu_seconds(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            words = f.read().rpartition(')')[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')
    except (FileNotFoundError, ProcessLookupError):
        return 0


class Load:
    settings = {}           # of the producer and the reader
    replicas = 1            # of each topic

    def __init__(self, node, seed, rate=1000):
        self.node, self.rate = node, rate
        self.rng = random.Random(seed)
        self.wrong, self.count = [], collections.Counter()
        self.stopping = threading.Event()
        self.excused = False       # gate is being killed: connections close
        self.excuses = 0           # how often that was so
        self.lenient = False       # nobody minds closed connections
        self.acked = {}            # topic of the metadata client: the value that was acknowledged
        self.repeated = set()      # topics that a late request may have made once more
        self.ids, self.sent = set(), -1
        self.delivered = collections.defaultdict(int)    # (topic, partition): how many
        self.read = collections.defaultdict(int)
        for topic, n in PARTITIONS.items():
            self.make(topic, n, {'cleanup.policy': 'compact'} if topic == 'compressed' else {})
        self.threads = [threading.Thread(target=self.guard, args=(f,), daemon=True) for f in (
            self.produce, self.consume, self.change, self.take_ids, self.commit, self.look)]
        for t in self.threads:
            t.start()

    def complain(self, *words):
        if len(self.wrong) < 20:
            self.wrong.append('%.3f %s' % (time.time() % 1000, ' '.join(map(str, words))))

    @contextlib.contextmanager
    def excuse(self, when=True):
        self.excused = when
        yield
        self.excuses += when
        self.excused = False

    def guard(self, fn):
        try:
            fn()
        except Exception as e:
            import traceback
            self.complain(fn.__name__, repr(e), traceback.format_exc()[-300:])

    def connect(self, state):
        return raw.Client(self.node.port)

    def make(self, topic, n, configs):
        client = self.connect({})
        got = client.call('CreateTopics', 7, TimeoutMs=30000, Topics=[{
            'Name': topic, 'NumPartitions': n, 'ReplicationFactor': self.replicas, 'Configs': [
                {'Name': k, 'Value': v} for k, v in configs.items()]}])
        client.close()
        if got['Topics'][0]['ErrorCode']:
            self.complain('no topic', topic, got)

    # --- records ---

    def on_delivery(self, error, message):
        place = message.topic(), message.partition()
        if error:
            self.complain('not delivered:', place, error)
        # No offset: librdkafka takes a batch for delivered when the one behind it is.
        elif message.offset() is not None and int(message.value()) != message.offset():
            self.complain(place, message.value(), 'delivered at', message.offset())
        else:
            self.delivered[place] += 1
            self.count['produce'] += 1

    def produce(self):
        producer = confluent_kafka.Producer({
            'bootstrap.servers': self.node.broker, 'enable.idempotence': True, 'linger.ms': 2,
            'compression.type': 'lz4', 'reconnect.backoff.max.ms': 200, 'retry.backoff.ms': 20,
            'message.timeout.ms': 120000, 'log_level': 0, **self.settings})
        places = [(t, i) for t, n in PARTITIONS.items() for i in range(n)]
        n = 0
        while not self.stopping.is_set():
            try:
                for topic, i in places:
                    # Long and plain: librdkafka sends what compression does not make smaller
                    # uncompressed, and recode would have nothing to do.
                    producer.produce(topic, b'%d' % n, key=b'%0200d' % n, partition=i,
                                     on_delivery=self.on_delivery)
                n += 1
            except BufferError:
                self.complain('the queue of the producer is full')
            producer.poll(len(places) / self.rate)
        if producer.flush(120):
            self.complain('records are not delivered', producer)
        self.sent = n

    def consume(self):
        consumer = confluent_kafka.Consumer({
            'bootstrap.servers': self.node.broker, 'group.id': 'g', 'enable.auto.commit': False,
            'auto.offset.reset': 'error', 'reconnect.backoff.max.ms': 200,
            'fetch.error.backoff.ms': 20, 'log_level': 0, **self.settings})
        consumer.assign([confluent_kafka.TopicPartition(t, i, 0)
                         for t, n in PARTITIONS.items() for i in range(n)])
        while not self.stopping.is_set() or not self.all_read():
            for m in consumer.consume(500, 0.1):
                place = m.topic(), m.partition()
                if m.error():
                    # _AUTO_OFFSET_RESET: it reads on no more
                    if m.error().code() == -140 or (
                            not m.error().retriable() and m.error().code() >= 0):
                        self.complain('read', place, m.error())
                elif not m.offset() == int(m.value()) == self.read[place]:
                    self.complain('read', place, m.value(), 'at', m.offset(), 'when',
                                  self.read[place], 'was next')
                    self.read[place] = m.offset() + 1
                else:
                    self.read[place] += 1
                    self.count['consume'] += 1
            if self.stopping.is_set() and time.time() > self.deadline:
                self.complain('the reader is behind:', dict(self.read), dict(self.delivered))
                break
        consumer.close()

    def all_read(self):
        return not self.threads[0].is_alive() and all(
            self.read[p] >= n for p, n in self.delivered.items())

    # --- clients that say what they mean ---

    def ask(self, state, api, version, **values):
        """Until there is an answer; (answer, whether it was asked more than once)."""
        again, end = False, time.time() + 60
        while time.time() < end:
            try:
                if not state.get('client'):
                    state['client'] = self.connect(state)
                return state['client'].call(api, version, **values), again
            except (OSError, EOFError):
                if state.get('client'):
                    state['client'].close()
                state['client'], again = None, True
                time.sleep(0.01)
        raise TimeoutError(api)

    def settled(self, state, error_of, api, version, **values):
        """Until the answer is no retriable error, or is what a second try finds when the first one
        was done."""
        asked = False
        for _ in range(2000):
            answer, again = self.ask(state, api, version, **values)
            asked |= again
            error = error_of(answer)
            if asked and (api, error) in (('CreateTopics', 36), ('DeleteTopics', 3)):
                return 0
            if error not in RETRIABLE:
                return error
            asked = True
            time.sleep(0.02)
        raise TimeoutError(api)

    def change(self):
        state, n = {}, 0
        while not self.stopping.is_set():
            name = 'm%d' % n
            error = self.settled(state, lambda a: a['Topics'][0]['ErrorCode'], 'CreateTopics',
                                        7, TimeoutMs=10000, Topics=[
                {'Name': name, 'NumPartitions': 1, 'ReplicationFactor': self.replicas}])
            if error:
                self.complain('CreateTopics', name, error)
            self.acked[name] = None
            error = self.settled(
                state, lambda a: a['Responses'][0]['ErrorCode'], 'IncrementalAlterConfigs', 1,
                Resources=[{'ResourceType': 2, 'ResourceName': name, 'Configs': [
                    {'Name': 'retention.ms', 'ConfigOperation': 0, 'Value': str(1000 + n)}]}])
            if error:
                self.complain('IncrementalAlterConfigs', name, error)
            self.acked[name] = str(1000 + n)
            if n >= 20:
                gone = 'm%d' % (n - 20)
                error = self.settled(state, lambda a: a['Responses'][0]['ErrorCode'],
                                            'DeleteTopics', 6, TimeoutMs=10000, Topics=[
                    {'Name': gone, 'TopicId': bytes(16)}])
                if error:
                    self.complain('DeleteTopics', gone, error)
                del self.acked[gone]
            n += 1
            self.count['change'] += 1
            time.sleep(0.02)

    def take_ids(self):
        state = {}
        while not self.stopping.is_set():
            def error_of(a):
                state['id'] = a['ProducerId']
                return a['ErrorCode']
            error = self.settled(state, error_of, 'InitProducerId', 4, TransactionalId=None,
                                    TransactionTimeoutMs=60000, ProducerId=-1, ProducerEpoch=-1)
            if error or state['id'] in self.ids:
                self.complain('InitProducerId', error, state['id'], len(self.ids))
            self.ids.add(state['id'])
            self.count['ids'] += 1
            time.sleep(0.02)

    def commit(self):
        """Offsets of a group without members: what is acknowledged is what is read next."""
        state, n = {'group': 'g'}, 0
        self.settled(state, lambda a: a['Coordinators'][0]['ErrorCode'], 'FindCoordinator', 4,
                     KeyType=0, CoordinatorKeys=['g'])
        while not self.stopping.is_set():
            n += 1
            error = self.settled(
                state, lambda a: a['Topics'][0]['Partitions'][0]['ErrorCode'], 'OffsetCommit', 8,
                GroupId='g', MemberId='', GenerationIdOrMemberEpoch=-1, Topics=[
                    {'Name': 'plain', 'Partitions': [{'PartitionIndex': 0, 'CommittedOffset': n,
                                                      'CommittedMetadata': ''}]}])

            def error_of(a):
                state['read'] = a['Topics'][0]['Partitions'][0] if a['Topics'] else {}
                return a['ErrorCode'] or state['read']['ErrorCode']
            error = error or self.settled(state, error_of, 'OffsetFetch', 7, GroupId='g', Topics=[
                {'Name': 'plain', 'PartitionIndexes': [0]}])
            if error or state['read']['CommittedOffset'] != n:
                self.complain('committed', n, 'error', error, 'read', state.get('read'))
            self.count['commit'] += 1
            time.sleep(0.02)

    def look(self):
        """Only reads, each on the connection of the one before: that is not closed while gate
        lives, nor is there any error."""
        client, ends = None, collections.defaultdict(int)
        asks = [('ApiVersions', 2, {}), ('Metadata', 12, {'Topics': None}),
                ('DescribeCluster', 1, {}), ('DescribeQuorum', 2, {'Topics': [
                    {'TopicName': '__cluster_metadata', 'Partitions': [{'PartitionIndex': 0}]}]}),
                ('DescribeConfigs', 4, {'Resources': [
                    {'ResourceType': 2, 'ResourceName': 'plain', 'ConfigurationKeys': None}]}),
                ('ListOffsets', 7, {'ReplicaId': -1, 'Topics': [{'Name': 'plain', 'Partitions': [
                    {'PartitionIndex': 0, 'CurrentLeaderEpoch': -1, 'Timestamp': -1}]}]}),
                ('OffsetForLeaderEpoch', 4, {'ReplicaId': -1, 'Topics': [
                    {'Topic': 'plain', 'Partitions': [
                        {'Partition': 0, 'CurrentLeaderEpoch': -1, 'LeaderEpoch': 0}]}]})]
        while not self.stopping.is_set():
            try:
                if not client:
                    excuses = self.excuses
                    client = self.connect({})
                for api, version, values in asks:
                    begin = time.time()
                    answer = client.call(api, version, **values)
                    self.count['look'] += 1
                    self.check(api, answer, ends)
            except (OSError, EOFError) as e:
                # gate waits two seconds for a program that is away
                excused = self.excused or self.lenient or excuses != self.excuses
                if client and not excused and time.time() - begin < 1.9:
                    self.complain('closed under', api, repr(e))
                if client:
                    client.close()
                client = None
                time.sleep(0.01)
            time.sleep(0.005)

    def check(self, api, a, ends):
        if api == 'ListOffsets':
            p = a['Topics'][0]['Partitions'][0]
            if p['ErrorCode'] == 0 and p['Offset'] < ends[api]:
                self.complain('the end fell from', ends[api], 'to', p['Offset'])
            ends[api] = max(ends[api], p['Offset'])
            error = p['ErrorCode']
        elif api == 'OffsetForLeaderEpoch':
            error = a['Topics'][0]['Partitions'][0]['ErrorCode']
        elif api == 'DescribeConfigs':
            error = a['Results'][0]['ErrorCode']
        elif api == 'Metadata':
            error = max([t['ErrorCode'] for t in a['Topics'] if t['Name'] in PARTITIONS] + [0])
        else:
            error = a['ErrorCode']
        if error and error not in RETRIABLE:
            self.complain(api, error)

    # --- the end ---

    def moved(self, seconds=30):
        """Everybody got something since, also what was under way before."""
        for _ in range(2):
            before = dict(self.count)
            if not until(lambda: all(self.count[k] > before.get(k, 0) for k in (
                    'produce', 'consume', 'change', 'ids', 'commit', 'look')), seconds):
                return False
        return True

    def end(self):
        self.deadline = time.time() + 180
        self.stopping.set()
        for t in self.threads:
            t.join(200)
            if t.is_alive():
                self.complain('does not end:', t)
        for place, n in self.delivered.items():
            if n != self.sent:
                self.complain(place, n, 'delivered of', self.sent)
        self.compare_topics()
        return self.wrong

    def compare_topics(self):
        client = self.connect({})
        there = {t['Name'] for t in client.call('Metadata', 12, Topics=None)['Topics']}
        if {x for x in there if x[0] == 'm'} - self.repeated != set(self.acked) - self.repeated:
            self.complain('topics', sorted(there), 'acknowledged', sorted(self.acked))
        for name, value in self.acked.items():
            got = client.call('DescribeConfigs', 4, Resources=[{
                'ResourceType': 2, 'ResourceName': name, 'ConfigurationKeys': ['retention.ms']}])
            now = got['Results'][0]['Configs'][0]['Value'] if got['Results'][0]['Configs'] else None
            if now != value:
                self.complain('retention.ms of', name, 'is', now, 'not', value)
        client.close()
