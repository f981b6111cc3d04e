#!/usr/bin/env python3
# dial: calls through its port to a controller and to nodes that are slow, silent, rude, gone.
import atexit
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from port import Port  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/5400-dial.%d' % os.getpid())
os.makedirs(tmp + '/run')
t = Tap()
top = os.getcwd()
os.environ['PATH'] = top + '/build/bin:' + os.environ['PATH']
dial = subprocess.Popen([top + '/build/bin/dial'], cwd=tmp)
atexit.register(dial.kill)


def wait(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def ms():
    return time.monotonic() * 1000


class Peer:
    """A node of the test's own: each connection it accepts, and what comes on it."""
    def __init__(self, family=socket.AF_INET, host='127.0.0.1'):
        self.listener = socket.create_server((host, 0), family=family)
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.address = b'%s:%d' % (host.encode(), self.port)

    def take(self):
        s, _ = self.listener.accept()
        s.settimeout(10)
        return s

    def reached(self):
        """A call that comes through, after a pause maybe, and its connection."""
        while True:
            a = send(self.address)
            if select.select([self.listener, p.socket], [], [], 10)[0] == [p.socket]:
                p.receive(a)
            else:
                return a, self.take()


def read(s, n):
    out = b''
    while len(out) < n:
        data = s.recv(n - len(out))
        if not data:
            raise EOFError
        out += data
    return out


def request(s):
    """Key, version, correlation of the next request."""
    frame = read(s, struct.unpack('>i', read(s, 4))[0])
    return struct.unpack('>hhi', frame[:8])


def answer(s, correlation, api='Heartbeat', version=0, **values):
    flexible = version >= raw.MESSAGES[api + 'Response'].flexible
    data = struct.pack('>i', correlation) + (b'\0' if flexible else b'')
    data += raw.encode(api + 'Response', version, values)
    return struct.pack('>i', len(data)) + data


def gone(s):
    try:
        return s.recv(1) == b''
    except ConnectionError:
        return True


def rss_mb():
    for line in open('/proc/%d/status' % dial.pid):
        if line.startswith('VmRSS'):
            return int(line.split()[1]) / 1024


t.ok(wait(lambda: os.path.exists(tmp + '/run/dial')), 'it serves')
p = Port(tmp + '/run/dial')
far = int(ms() + 60000)


def send(address, key='Heartbeat', version=0, deadline=far, **values):
    return p.send(key, version, host=address, deadline_ms=int(deadline), **values)


# --- a peer that answers ---
peer = Peer()
a, b = send(peer.address), send(peer.address)
s = peer.take()
first, second = request(s), request(s)
t.ok(first[0] == raw.KEYS['Heartbeat'] and second[2] == first[2] + 1,
     'requests come in order on one connection')
both = answer(s, first[2], ErrorCode=1) + answer(s, second[2], ErrorCode=2)
for byte in both:
    s.sendall(bytes([byte]))
t.same([p.receive(b)['ErrorCode'], p.receive(a)['ErrorCode']], [2, 1],
       'answers of a peer that sends byte by byte')
data = b'x' * (5 << 20)
a = send(peer.address, 'SyncGroup')
s.sendall(answer(s, request(s)[2], 'SyncGroup', Assignment=data))
t.ok(p.receive(a)['Assignment'] == data, 'a large answer')

# --- kinds of requests do not wait for each other ---
poll = send(peer.address, 'Fetch', 12)
f = peer.take()
t.same(request(f)[0], raw.KEYS['Fetch'], 'a fetch has a connection of its own')
vote = send(peer.address, 'Vote')
v = peer.take()
v.sendall(answer(v, request(v)[2], 'Vote', ErrorCode=7))
t.same(p.receive(vote)['ErrorCode'], 7, 'a vote is answered while the fetch waits')

# --- withdrawn ---
p.flush(poll)
t.ok(gone(f), 'a connection on which nobody waits any more is closed')
a, b = send(peer.address), send(peer.address)
first, second = request(s), request(s)
p.flush(a)
s.sendall(answer(s, first[2], ErrorCode=3) + answer(s, second[2], ErrorCode=4))
t.same(p.receive(b)['ErrorCode'], 4, 'one that is withdrawn leaves the others in order')

# --- lost, late, refused, unknown ---
a, b = send(peer.address), send(peer.address)
request(s)
s.close()
t.same([p.receive(a), p.receive(b)], ['close', 'close'], 'a connection that is lost')
a = send(peer.address)
s = peer.take()
s.sendall(answer(s, request(s)[2], ErrorCode=5))
t.same(p.receive(a)['ErrorCode'], 5, 'the next call makes another at once')
begin = ms()
a = send(peer.address, deadline=begin + 200)
t.same(p.receive(a), 'close', 'a deadline')
t.ok(150 < ms() - begin < 5000, 'when it passes', ms() - begin)
request(s)
t.ok(gone(s), 'and with it the connection')
a, s = peer.reached()
s.sendall(answer(s, request(s)[2] + 1, ErrorCode=5))
t.same(p.receive(a), 'close', 'an answer to something else')
a, s = peer.reached()
request(s)
s.sendall(struct.pack('>i', 0x7fffffff))
t.same(p.receive(a), 'close', 'a claim beyond all bounds')

dead = Peer()
dead.listener.close()
begin = ms()
t.same([p.receive(send(dead.address)) for _ in range(3)], ['close'] * 3, 'nobody listens')
t.ok(ms() - begin < 5000, 'that is known at once', ms() - begin)
dead.listener = socket.create_server(('127.0.0.1', dead.port))
a, s = dead.reached()
s.sendall(answer(s, request(s)[2], ErrorCode=10))
t.same(p.receive(a)['ErrorCode'], 10, 'until somebody does')
for bad in (b'', b'127.0.0.1', b':9092', b'127.0.0.1:', b'127.0.0.1:999999', b'a b:1', b'x' * 250):
    t.same(p.receive(send(bad)), 'close', 'no address: %r' % bad[:20])
a = send(b'no-such-host.invalid:9092')
b, s = peer.reached()
s.sendall(answer(s, request(s)[2], ErrorCode=6))
t.same(p.receive(b)['ErrorCode'], 6, 'others do not wait while a name is looked up')
t.same(p.receive(a), 'close', 'an unknown host')
by_name = Peer()
a = send(b'localhost:%d' % by_name.port)
s = by_name.take()
s.sendall(answer(s, request(s)[2], ErrorCode=8))
t.same(p.receive(a)['ErrorCode'], 8, 'a name')
six = Peer(socket.AF_INET6, '::1')
a = send(b'[::1]:%d' % six.port)
s = six.take()
s.sendall(answer(s, request(s)[2], ErrorCode=9))
t.same(p.receive(a)['ErrorCode'], 9, 'an address of IPv6')

# --- bounded memory: a peer that reads nothing, one that sends without end ---
deaf = Peer()
calls = [send(deaf.address, 'SyncGroup', Assignments=[{'MemberId': 'm', 'Assignment': data}])
         for _ in range(14)]
refused = [c for c in calls[7:] if p.receive(c) == 'close']
t.ok(len(refused) == 7, 'what a peer does not read is refused beyond a bound', len(refused))
t.ok(rss_mb() < 100, 'memory is bounded', rss_mb())
endless = Peer()
a = send(endless.address)
s = endless.take()
request(s)


def pour():
    try:
        s.sendall(struct.pack('>i', 32 << 20))
        while True:
            s.sendall(b'\1' * (1 << 20))
    except OSError:
        pass


thread = threading.Thread(target=pour, daemon=True)
thread.start()
t.same(p.receive(a), 'close', 'an answer to nobody, as large as one may be')
thread.join(30)
t.ok(not thread.is_alive(), 'then nothing more is read')

# --- a caller that goes away, and dial itself ---
peer = Peer()
other = Port(tmp + '/run/dial', b'other')
other.send('Fetch', 12, host=peer.address)
f = peer.take()
request(f)
other.close()
t.ok(gone(f), 'a caller that is gone waits for nothing')
dial.send_signal(signal.SIGTERM)
t.same(dial.wait(10), 0, 'it ends')
wrong = subprocess.run([top + '/build/bin/dial', '-x'], cwd=tmp, stderr=subprocess.DEVNULL)
t.same(wrong.returncode, 100, 'usage')

# --- a node ---
lab = tmp + '/lab'
port = 21000 + os.getpid() % 100
subprocess.run(['lab', 'start', '-d', lab, '-p', str(port)], stdout=subprocess.DEVNULL, check=True)
try:
    p = Port(lab + '/1/run/dial')
    a = p.send('DescribeQuorum', 2, host=b'127.0.0.1:%d' % (port + 100), Topics=[
        {'TopicName': '__cluster_metadata', 'Partitions': [{'PartitionIndex': 0}]}])
    got = p.receive(a)
    t.same(got['Topics'][0]['Partitions'][0]['LeaderId'], 1, "a node's controller answers")
finally:
    subprocess.run(['bash', '-c', '. t/lib.sh; lab_wreck "$1"', '-', lab],
                   stdout=subprocess.DEVNULL)
shutil.rmtree(tmp)
t.done()
