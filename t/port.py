"""The port for tests: a caller of a daemon's socket, and a stand-in for elect that hands out the
metadata it is told to.

    from port import Port, Elect, records
    e = Elect('run/elect'); e.add('TopicRecord', 0, Name='a', TopicId=id)    one committed batch
    p = Port('run/logappend'); p.call('Produce', 9, ...)     as raw.Client
    p.woken                                                  slots of the Twakes that came
"""
import array
import atexit
import os
import select
import socket
import struct
import subprocess
import threading
import time

import raw

THELLO, RHELLO, TCALL, RCALL, TFLUSH, TWAKE = 1, 2, 3, 4, 6, 7
BROKER, CONTROLLER, LOCAL = 0, 1, 2
PAGE_CAPACITY = 65536


def crc32c_table():
    out = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        out.append(n)
    return out


CRC = crc32c_table()


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = CRC[(c ^ b) & 255] ^ c >> 8
    return c ^ 0xFFFFFFFF


def zigzag(n):
    return raw.varint(n << 1 if n >= 0 else (-n << 1) - 1)


def record(delta, key, value, timestamp_delta=0):
    def field(x):
        return zigzag(-1) if x is None else zigzag(len(x)) + x
    body = b'\0' + zigzag(timestamp_delta) + zigzag(delta) + field(key) + field(value) + zigzag(0)
    return zigzag(len(body)) + body


def batch(values, base=0, pid=-1, epoch=-1, seq=-1, attributes=0, timestamp=None, keys=None,
          leader_epoch=-1, body=None):
    """A record batch of these values; body replaces the records (compressed)."""
    ts = int(time.time() * 1000) if timestamp is None else timestamp
    keys = keys or [None] * len(values)
    if body is None:
        body = b''.join(record(i, keys[i], v) for i, v in enumerate(values))
    tail = struct.pack(
    '>hiqqqhii',
    attributes,
    len(values) - 1,
    ts,
    ts,
    pid,
    epoch,
    seq,
     len(values))
    crc = crc32c(tail + body)
    return struct.pack(
    '>qiibI',
    base,
    9 + len(tail) + len(body),
    leader_epoch,
    2,
     crc) + tail + body


def read_message(sock, fds=None):
    def read(n):
        out = bytearray()
        while len(out) < n:
            data, got, _, _ = sock.recvmsg(min(n - len(out), 1 << 20), 4096)
            if not data:
                raise EOFError('the port was closed')
            for level, kind, payload in got:
                a = array.array('i')
                a.frombytes(payload[:len(payload) - len(payload) % 4])
                if fds is None:
                    for fd in a:
                        os.close(fd)
                else:
                    fds.extend(a)
            out += data
        return bytes(out)
    body = read(struct.unpack('>I', read(4))[0])
    kind, flags, shard, tag = struct.unpack('>BBHI', body[:8])
    return kind, flags, tag, body[8:]


def message(kind, tag, body=b'', flags=0):
    return struct.pack('>IBBHI', 8 + len(body), kind, flags, 0, tag) + body


def str8(s):
    return bytes([len(s)]) + s


class Port:
    """Calls in order or at once: send returns a tag, receive(tag) waits for its answer."""
    def __init__(self, path, name=b'test', sleeper=False, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.tag, self.asked, self.answers, self.woken, self.fds = 0, {}, {}, [], []
        self.bits = self.together = None
        hello, anc = struct.pack('>H', 1) + str8(name), []
        if sleeper:
            self.bits = os.memfd_create('sleep', os.MFD_ALLOW_SEALING)
            os.ftruncate(self.bits, PAGE_CAPACITY // 8)
            import fcntl
            fcntl.fcntl(self.bits, 1033, 2 | 4)    # F_ADD_SEALS: no shrinking, no growing
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [self.bits]))]
        self.socket.sendmsg([message(THELLO, 0, hello, 1 if sleeper else 0)], anc)
        kind, flags, _, body = read_message(self.socket, self.fds)
        assert kind == RHELLO
        self.page = self.fds.pop(0) if flags & 1 else None
        self.version, self.generation = struct.unpack('>HQ', body)

    def sleep_on(self, slot):
        at = os.pread(self.bits, 1, slot // 8)[0] | 1 << slot % 8
        os.pwrite(self.bits, bytes([at]), slot // 8)

    def hold(self):
        """What is sent from now on leaves at once with let_go."""
        self.together = []

    def let_go(self):
        together, self.together = self.together, None
        self.socket.sendall(b''.join(together))

    def send(self, api, version, client=b'raw.', listener=BROKER, host=b'127.0.0.1', deadline_ms=0,
             **values):
        self.tag += 1
        flexible = version >= raw.MESSAGES[api + 'Request'].flexible
        head = struct.pack('>hhih', raw.KEYS[api], version, self.tag, len(client)) + client
        frame = head + (b'\0' if flexible else b'') + raw.encode(api + 'Request', version, values)
        call = bytes([listener]) + str8(b'User:test') + \
                     str8(host) + struct.pack('>Q', deadline_ms) + frame
        self.asked[self.tag] = (api, version)
        if self.together is None:
            self.socket.sendall(message(TCALL, self.tag, call))
        else:
            self.together.append(message(TCALL, self.tag, call))
        return self.tag

    def turn(self):
        kind, _, tag, body = read_message(self.socket, self.fds)
        if kind == RCALL:
            self.answers[tag] = body
        elif kind == TWAKE:
            n = struct.unpack('>H', body[:2])[0]
            self.woken += struct.unpack('>%dI' % n, body[2:])

    def flush(self, tag):
        del self.asked[tag]
        self.socket.sendall(message(TFLUSH, tag))

    def receive(self, tag):
        """The decoded answer; None for none; 'close'."""
        while tag not in self.answers:
            self.turn()
        api, version = self.asked.pop(tag)
        body = self.answers.pop(tag)
        kind, _, n = struct.unpack('>BIH', body[:7])
        if kind:
            return [None, 'close'][kind - 1]
        at, data = 7, b''
        for _ in range(n):
            if body[at] == 0:
                size = struct.unpack('>I', body[at + 1:at + 5])[0]
                data += body[at + 5:at + 5 + size]
                at += 5 + size
            else:
                slot, base, gen, offset, size = struct.unpack('>IQIQI', body[at + 1:at + 29])
                fd = self.fds.pop(0)
                data += os.pread(fd, size, offset)
                os.close(fd)
                at += 29
        skip = 5 if version >= raw.MESSAGES[api + 'Response'].flexible else 4
        return raw.decode(api + 'Response', version, data[skip:])

    def call(self, api, version, **values):
        return self.receive(self.send(api, version, **values))

    def close(self):
        self.socket.close()


RECORD_TYPES = {
    'RegisterBrokerRecord': 0,
    'TopicRecord': 2,
    'PartitionRecord': 3,
    'ConfigRecord': 4,
    'PartitionChangeRecord': 5,
    'FenceBrokerRecord': 7,
    'RemoveTopicRecord': 9,
    'FeatureLevelRecord': 12,
     'UnfenceBrokerRecord': 8}


class Elect:
    """Serves a metadata log that only grows, from memory."""
    def __init__(self, path):
        self.log, self.end, self.block = [], 0, 0
        self.more = threading.Condition()
        self.allocating = True
        self.asleep = threading.Event()      # set: polls are not answered
        self.alter = lambda request: None    # answers AlterPartition; None: closes instead
        self.applied = {}
        if os.path.exists(path):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def add(self, *records):
        """Each (name, version, {fields}); all of them one batch."""
        values = [b'\1' + raw.varint(RECORD_TYPES[name]) + raw.varint(version)
                  + raw.encode(name, version, fields) for name, version, fields in records]
        with self.more:
            self.log.append((self.end, batch(values, base=self.end, leader_epoch=1)))
            self.end += len(values)
            self.more.notify_all()
        return self.end

    def accept(self):
        while True:
            s, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            kind, _, tag, body = read_message(s)
            name = body[3:].decode()
            s.sendall(message(RHELLO, tag, struct.pack('>HQ', 1, 1)))
            while True:
                kind, _, tag, body = read_message(s)
                if kind == TCALL:    # a poll must not hold up other calls
                    threading.Thread(target=self.answer, args=(s, name, tag, body),
                                     daemon=True).start()
        except (EOFError, OSError):
            s.close()

    def answer(self, s, name, tag, body):
        at = 1
        for _ in range(2):
            at += 1 + body[at]
        frame = body[at + 8:]
        key, version, correlation, n = struct.unpack('>hhih', frame[:10])
        api = {v: k for k, v in raw.KEYS.items()}[key]
        flexible = version >= raw.MESSAGES[api + 'Request'].flexible
        request = raw.decode(api + 'Request', version, frame[10 + max(n, 0) + flexible:])
        out = {'Fetch': lambda: self.fetch(name, request), 'AlterPartition':
               lambda: self.alter(request)}.get(api, self.allocate)()
        if out is None:
            self.tell(s, message(RCALL, tag, struct.pack('>BIH', 2, 0, 0)))
            return
        head = struct.pack('>i', correlation)
        if version >= raw.MESSAGES[api + 'Response'].flexible:
            head += b'\0'
        data = head + raw.encode(api + 'Response', version, out)
        self.tell(s, message(RCALL, tag, struct.pack('>BIHBI', 0, 0, 1, 0, len(data)) + data))

    def tell(self, s, m):
        try:
            s.sendall(m)
        except OSError:
            pass    # the program was stopped

    def fetch(self, name, request):
        topic = request['Topics'][0]
        offset = topic['Partitions'][0]['FetchOffset']
        with self.more:
            self.applied[name] = offset
            self.more.notify_all()
            self.more.wait_for(lambda: self.end > offset, request['MaxWaitMs'] / 1000)
        while self.asleep.is_set():
            time.sleep(0.01)
        with self.more:
            data = b''.join(b for base, b in self.log if base >= offset)
            return {'Responses': [{'TopicId': topic['TopicId'], 'Partitions': [{
                'HighWatermark': self.end, 'LastStableOffset': self.end, 'LogStartOffset': 0,
                'AbortedTransactions': [], 'Records': data}]}]}

    def wait(self, name, offset, seconds=10):
        """Until that program has applied everything below offset."""
        with self.more:
            return self.more.wait_for(lambda: self.applied.get(name, 0) >= offset, seconds)

    def allocate(self):
        if not self.allocating:
            return {'ErrorCode': 41}
        self.block += 1000
        return {'ProducerIdStart': self.block - 1000, 'ProducerIdLen': 1000}


class Node:
    """A directory with a log, the stand-in for elect, and one program: logappend of node 1."""
    PROGRAM, SOCKET = 'logappend', 'run/logappend'

    def __init__(self, directory, path=None, **settings):
        self.top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.dir = directory
        for d in ('log', 'run'):
            os.makedirs(os.path.join(directory, d))
        self.env = dict(os.environ)
        self.env.update({'node.id': '1', 'listeners': 'PLAINTEXT://:9092', **settings})
        self.env['PATH'] = (path + ':' if path else '') + self.top + \
                            '/build/bin:' + os.environ['PATH']
        self.elect = Elect(os.path.join(directory, 'run/elect'))
        self.program, self.under = None, []    # words before the program's
        self.partition_epoch = 0
        self.elect.add(
            ('FeatureLevelRecord', 0, {'Name': 'metadata.version', 'FeatureLevel': 25}),
            self.broker(1), self.broker(2))
        atexit.register(self.kill)

    def broker(self, i):
        return ('RegisterBrokerRecord', 3, {
            'BrokerId': i, 'IncarnationId': bytes([i] * 16), 'BrokerEpoch': 5, 'Fenced': False,
            'EndPoints': [{'Name': 'PLAINTEXT', 'Host': 'host%d' % i, 'Port': 9090 + i}]})

    def topic(self, name, id, partitions=1, replicas=(1,), leader=1, **configs):
        """Makes it in the metadata; waits until logappend has it."""
        out = [('TopicRecord', 0, {'Name': name, 'TopicId': id})]
        for i in range(partitions):
            out.append(('PartitionRecord', 1, {
                'PartitionId': i, 'TopicId': id, 'Replicas': list(replicas), 'Isr': list(replicas),
                'Leader': leader, 'LeaderEpoch': 0, 'PartitionEpoch': 0,
                'Directories': [bytes(16) for _ in replicas]}))
        self.elect.add(*out)
        self.config(name, **configs)

    def config(self, name, **configs):
        for k, v in configs.items():
            self.elect.add(('ConfigRecord', 0, {'ResourceType': 2, 'ResourceName': name,
                                                'Name': k.replace('_', '.'), 'Value': v}))
        self.settle()

    def change(self, id, partition=0, **what):
        self.elect.add(
    ('PartitionChangeRecord', 1, {
        'PartitionId': partition, 'TopicId': id, **what}))
        self.settle()

    def remove(self, id):
        self.elect.add(('RemoveTopicRecord', 0, {'TopicId': id}))
        self.settle()

    def settle(self):
        if self.program and not self.elect.wait(self.PROGRAM, self.elect.end):
            raise TimeoutError(self.PROGRAM + ' does not follow')

    def start(self, seconds=20):
        """The port of a logappend that serves."""
        ready, ours = os.pipe()

        def child():
            os.dup2(ours, 3)

        self.elect.applied.clear()
        self.err = open(os.path.join(self.dir, 'err'), 'a')
        self.program = subprocess.Popen(self.under + [self.PROGRAM], cwd=self.dir, env=self.env,
                                        stderr=self.err, preexec_fn=child, close_fds=False)
        os.close(ours)
        said = select.select([ready], [], [], seconds)[0] and os.read(ready, 1)
        os.close(ready)
        if said != b'\n':
            raise TimeoutError(self.PROGRAM + ' is not ready: ' + self.said()[-500:])
        self.port = Port(os.path.join(self.dir, self.SOCKET))
        return self.port

    def said(self):
        return open(os.path.join(self.dir, 'err')).read()

    def stop(self):
        self.program.terminate()
        code, self.program = self.program.wait(20), None
        return code

    def kill(self):
        if self.program:
            self.program.kill()
            self.program.wait()
            self.program = None

    def slots(self):
        """What the page says, by directory name."""
        out = {}
        with open(os.path.join(self.dir, 'run/state'), 'rb') as f:
            used = struct.unpack('=I', f.read(16)[12:])[0]
            for i in range(used):
                f.seek(4096 + 64 * i)
                v = struct.unpack('=IiIIqqqqqq', f.read(64))
                f.seek(4096 + 64 * PAGE_CAPACITY + 312 * i)
                name = f.read(312)[56:].split(b'\0')[0].decode()
                if v[3]:
                    out[name] = dict(slot=i, epoch=v[1], layout=v[2], role=v[3], epoch_start=v[4],
                                     log_start=v[5], log_end=v[6], flushed=v[7],
                                     high_watermark=v[8], last_stable=v[9])
        return out

    def produce(
    self,
    topic,
    records,
    acks=-1,
    version=9,
    partition=0,
    timeout=10000,
    port=None,
     **k):
        """The answer for that one partition."""
        out = (port or self.port).call('Produce', version, **produce_request(
            topic, records, acks, partition, timeout), **k)
        return out if not isinstance(out, dict) else out['Responses'][0]['PartitionResponses'][0]


def produce_request(topic, records, acks=-1, partition=0, timeout=10000):
    return {'Acks': acks, 'TimeoutMs': timeout, 'TopicData': [{
        'Name': topic, 'PartitionData': [{'Index': partition, 'Records': records}]}]}


def read_log(path):
    """(base offset, header fields, bytes) of each batch in a segment file."""
    data, at, out = open(path, 'rb').read(), 0, []
    while at + 61 <= len(data):
        base, length, epoch, magic, crc, attributes, delta = struct.unpack(
            '>qiibIhi', data[at:at + 27])
        pid, pepoch, seq, count = struct.unpack('>qhii', data[at + 43:at + 61])
        out.append(dict(base=base, last=base + delta, epoch=epoch, attributes=attributes, pid=pid,
                        seq=seq, count=count, bytes=data[at:at + 12 + length]))
        at += 12 + length
    return out
