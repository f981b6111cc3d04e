"""A Kafka client that says exactly what it is told, for tests: it reads lib/wire/*.api.

    from raw import Client
    c = Client(port)
    c.call('Metadata', 12, Topics=None)         -> dict, names as in the .api text
    c.send('Fetch', 11, MaxWaitMs=500); c.receive()    in the order in which they were sent
    c.send_frame(b'...'); c.receive_frame()            bytes without the length before them

Fields that are not given have their defaults; nested ones are dicts. Records are bytes.
"""
import glob
import os
import socket
import struct

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
INTS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
        "float64": ">d"}
EVER = 32767


def versions(text, last):
    if text.endswith('+'):
        return int(text[:-1]), last
    low, _, high = text.partition('-')
    return int(low), int(high or low)


class Field:
    def __init__(self, words, last):
        self.name, self.type, self.array = words[0], words[1].lstrip('[]'), words[1].startswith('[]')
        self.low, self.high = versions(words[2], last)
        self.null, self.tag, self.default, self.ignorable, self.fields = None, None, None, False, []
        i = 3
        while i < len(words):
            if words[i] == 'null':
                self.null = (self.low, self.high)
                if i + 1 < len(words) and words[i + 1][0].isdigit():
                    i += 1
                    self.null = versions(words[i], last)
            elif words[i] == 'tag':
                i += 1
                self.tag = int(words[i])
            elif words[i] == 'default':
                i += 1
                self.default = words[i]
            elif words[i] == 'ignorable':
                self.ignorable = True
            i += 1

    def initial(self):
        if self.default == 'null' or (self.type == 'records' and self.default is None):
            return None
        if self.array:
            return []
        if self.type in INTS:
            return int(self.default or '0', 0)
        if self.type == 'bool':
            return self.default == 'true'
        if self.type == 'uuid':
            return bytes(16)
        if self.type == 'string':
            return ''
        if self.type in ('bytes', 'records'):
            return b''
        return {f.name[:1].upper() + f.name[1:]: f.initial() for f in self.fields}

    def nullable(self, version):
        return self.null is not None and self.null[0] <= version <= self.null[1]


class Message:
    def __init__(self, words):
        self.name = words[1]
        low, high = versions(words[2], EVER)
        self.low, self.high = low, high
        self.flexible = EVER
        if 'flexible' in words:
            self.flexible = versions(words[words.index('flexible') + 1], EVER)[0]
        self.fields, self.shared = [], {}


def load():
    messages = {}
    for path in glob.glob(os.path.join(ROOT, 'lib/wire/*.api')):
        if os.path.basename(path) in ('table.api', 'errors.api'):
            continue
        stack = []
        for line in open(path):
            line = line.split('#')[0].rstrip()
            if not line:
                continue
            depth, words = len(line) - len(line.lstrip('\t')), line.split()
            if words[0] == 'message':
                message = Message(words)
                messages[message.name] = message
                stack = [message.fields]
                continue
            stack = stack[:depth]
            if words[0] == 'struct':
                message.shared[words[1]] = fields = []
            else:
                field = Field(words, message.high)
                fields = field.fields
                stack[-1].append(field)
            stack.append(fields)
        for m in messages.values():
            share(m, m.fields)
    return messages


def share(message, fields):
    for f in fields:
        if f.type in message.shared:
            f.fields = message.shared[f.type]
        share(message, f.fields)


MESSAGES = load()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def put_length(n, wide, flexible):
    if flexible:
        return varint(n + 1)
    return struct.pack('>i' if wide else '>h', n)


def put(f, v, version, flexible):
    if f.array:
        if v is None:
            return put_length(-1, True, flexible)
        return put_length(len(v), True, flexible) + b''.join(put_one(f, x, version, flexible) for x in v)
    return put_one(f, v, version, flexible)


def put_one(f, v, version, flexible):
    if f.type in INTS:
        return struct.pack(INTS[f.type], v)
    if f.type == 'bool':
        return b'\1' if v else b'\0'
    if f.type == 'uuid':
        return v
    if f.type in ('string', 'bytes', 'records'):
        wide = f.type != 'string'
        if v is None:
            return put_length(-1, wide, flexible)
        data = v.encode() if isinstance(v, str) else v
        return put_length(len(data), wide, flexible) + data
    if f.nullable(version) and not f.array:
        return b'\xff' if v is None else b'\1' + put_fields(f.fields, v, version, flexible)
    return put_fields(f.fields, v, version, flexible)


def put_fields(fields, values, version, flexible):
    out, tags = b'', []
    known = set()
    for f in fields:
        key = f.name[:1].upper() + f.name[1:]
        known.add(key)
        if not f.low <= version <= f.high:
            continue
        v = values.get(key, f.initial())
        if f.tag is None:
            out += put(f, v, version, flexible)
        elif v != f.initial():
            tags.append((f.tag, put(f, v, version, flexible)))
    unknown = set(values) - known
    if unknown:
        raise KeyError(', '.join(unknown))
    if flexible:
        out += varint(len(tags))
        for tag, data in sorted(tags):
            out += varint(tag) + varint(len(data)) + data
    return out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise EOFError('the answer is cut short')
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        n = shift = 0
        while True:
            b = self.take(1)[0]
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    def length(self, wide, flexible):
        if flexible:
            return self.varint() - 1
        return struct.unpack('>i' if wide else '>h', self.take(4 if wide else 2))[0]


def get(f, r, version, flexible):
    if not f.array:
        return get_one(f, r, version, flexible)
    n = r.length(True, flexible)
    return None if n < 0 else [get_one(f, r, version, flexible) for _ in range(n)]


def get_one(f, r, version, flexible):
    if f.type in INTS:
        return struct.unpack(INTS[f.type], r.take(struct.calcsize(INTS[f.type])))[0]
    if f.type == 'bool':
        return r.take(1) != b'\0'
    if f.type == 'uuid':
        return r.take(16)
    if f.type in ('string', 'bytes', 'records'):
        n = r.length(f.type != 'string', flexible)
        data = None if n < 0 else r.take(n)
        return data.decode() if f.type == 'string' and data is not None else data
    if f.nullable(version) and not f.array and r.take(1) == b'\xff':
        return None
    return get_fields(f.fields, r, version, flexible)


def get_fields(fields, r, version, flexible):
    out, tagged = {}, {}
    for f in fields:
        if not f.low <= version <= f.high:
            continue
        key = f.name[:1].upper() + f.name[1:]
        if f.tag is not None:
            tagged[f.tag] = f
            out[key] = f.initial()
        else:
            out[key] = get(f, r, version, flexible)
    for _ in range(r.varint() if flexible else 0):
        tag, data = r.varint(), r.take(r.varint())
        if tag in tagged:
            f = tagged[tag]
            out[f.name[:1].upper() + f.name[1:]] = get(f, Reader(data), version, flexible)
    return out


def keys():
    out = {}
    for line in open(os.path.join(ROOT, 'lib/wire/table.api')):
        words = line.split()
        if words and words[0].isdigit():
            out[words[1]] = int(words[0])
    return out


KEYS = keys()


def encode(name, version, values):
    m = MESSAGES[name]
    return put_fields(m.fields, values, version, version >= m.flexible)


def decode(name, version, data):
    m, r = MESSAGES[name], Reader(data)
    out = get_fields(m.fields, r, version, version >= m.flexible)
    if r.at != len(data):
        raise ValueError('%d bytes are left over' % (len(data) - r.at))
    return out


class Client:
    def __init__(self, port, host='127.0.0.1', timeout=30):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation, self.sent = 0, []

    def close(self):
        self.socket.close()

    def send_frame(self, data):
        self.socket.sendall(struct.pack('>i', len(data)) + data)

    def read(self, n):
        out = bytearray()
        while len(out) < n:
            data = self.socket.recv(min(n - len(out), 1 << 20))
            if not data:
                raise EOFError('the connection was closed')
            out += data
        return bytes(out)

    def receive_frame(self):
        return self.read(struct.unpack('>i', self.read(4))[0])

    def send(self, api, version, **values):
        self.correlation += 1
        flexible = version >= MESSAGES[api + 'Request'].flexible
        head = struct.pack('>hhih', KEYS[api], version, self.correlation, 4) + b'raw.'
        self.sent.append((api, version, self.correlation))
        self.send_frame(head + (b'\0' if flexible else b'') + encode(api + 'Request', version, values))

    def receive(self):
        api, version, correlation = self.sent.pop(0)
        data = self.receive_frame()
        got = struct.unpack('>i', data[:4])[0]
        if got != correlation:
            raise ValueError('answer to %d, not to %d' % (got, correlation))
        skip = 4
        if api != 'ApiVersions' and version >= MESSAGES[api + 'Response'].flexible:
            skip = 5
        return decode(api + 'Response', version, data[skip:])

    def call(self, api, version, **values):
        self.send(api, version, **values)
        return self.receive()


def closes(client):
    """Whether the other side closes the connection without a word."""
    try:
        client.receive_frame()
        return False
    except (EOFError, ConnectionError):
        return True


class Tap:
    """ok, same, done: as t/lib.sh."""
    def __init__(self):
        self.count = self.failures = 0

    def ok(self, good, name, *words):
        self.count += 1
        self.failures += not good
        print('%sok %d - %s' % ('' if good else 'not ', self.count, name), flush=True)
        for w in words if not good else ():
            print('# %s' % (w,), flush=True)
        return good

    def same(self, got, want, name):
        return self.ok(got == want, name, 'got  %r' % (got,), 'want %r' % (want,))

    def done(self):
        print('1..%d' % self.count, flush=True)
        raise SystemExit(self.failures != 0)
