"""Requests that are wrong, by the thousand, while a client that behaves works beside them.

usage: bad_input.py HOST:PORT SEED COUNT      prints TAP

Every request that Apache Kafka's classes wrote for an advertised API and version (t/vectors) is cut at
every byte, and its bytes are overwritten with the lengths and counts that hurt: COUNT frames, drawn by
SEED. The broker may answer or close; what it may not do is hang or die: the client half-closes, so that
the connection must end. Then come things that are no Kafka requests at all.
"""
import gzip
import os
import random
import re
import socket
import struct
import sys
import threading
import time

host, port = sys.argv[1].rsplit(":", 1)
seed, count = int(sys.argv[2]), int(sys.argv[3])
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
print("# seed", seed)
draw = random.Random(seed)
tests = 0


def ok(good, name):
    global tests
    tests += 1
    print("%s %d - %s" % ("ok" if good else "not ok", tests, name), flush=True)


def served():
    """(key, message name, first version, last, first flexible) of each advertised API."""
    flexible = {}
    folder = os.path.join(top, "lib/wire")
    for name in os.listdir(folder):
        if name.endswith(".api"):
            for line in open(os.path.join(folder, name)):
                m = re.match(r"message (\w+Request) \S+(?: flexible (\d+)\+)?", line)
                if m:
                    flexible[m[1]] = int(m[2]) if m[2] else 99
    for line in open(os.path.join(folder, "table.api")):
        m = re.match(r" *(\d+) (\w+) +(\S+) +(\d\S*) ", line)
        if m:
            low, _, high = m[3].partition("-")
            yield int(m[1]), m[2] + "Request", int(low), int(high or low), flexible[m[2] + "Request"]


def frames():
    apis = {a[1]: a for a in served()}
    for line in gzip.open(os.path.join(top, "t/vectors/messages.tsv.gz"), "rt"):
        name, version, body = line.rstrip("\n").split("\t")[:3]
        if name not in apis or not apis[name][2] <= int(version) <= apis[name][3]:
            continue
        key, _, _, _, flexible = apis[name]
        head = struct.pack(">hhih", key, int(version), 7, 3) + b"bad"
        yield head + (b"\0" if int(version) >= flexible else b"") + bytes.fromhex(body)


def connect(timeout=10):
    s = socket.create_connection((host, int(port)), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def exchange(payload):
    """Sends, half-closes and reads to the end: how many bytes came. None when it did not end."""
    s = connect()
    got = 0
    try:
        s.sendall(payload)
        s.shutdown(socket.SHUT_WR)
        while True:
            part = s.recv(65536)
            if not part:
                return got
            got += len(part)
    except socket.timeout:
        return None
    except OSError:
        return got
    finally:
        s.close()


def framed(frame):
    return struct.pack(">i", len(frame)) + frame


class Good(threading.Thread):
    """A client that behaves: asks for the API versions for as long as the test runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stop, self.asked, self.slowest, self.trouble = False, 0, 0.0, None

    def run(self):
        try:
            s = connect()
            while not self.stop:
                at = time.time()
                self.asked += 1
                s.sendall(framed(struct.pack(">hhih", 18, 0, self.asked, 4) + b"good"))
                n = struct.unpack(">i", self.read(s, 4))[0]
                answer = self.read(s, n)
                if struct.unpack(">ih", answer[:6]) != (self.asked, 0):
                    raise ValueError("a wrong answer: %r" % answer[:6])
                self.slowest = max(self.slowest, time.time() - at)
                time.sleep(0.002)
        except Exception as e:
            self.trouble = e

    @staticmethod
    def read(s, n):
        got = b""
        while len(got) < n:
            part = s.recv(n - len(got))
            if not part:
                raise EOFError
            got += part
        return got


good = Good()
good.start()
every = sorted(frames())
ok(len(every) > 100, "%d requests of Apache Kafka's making" % len(every))

hung = 0
cuts = [f[:n] for f in every for n in range(len(f))]
draw.shuffle(cuts)
for f in cuts[:count // 2]:
    hung += exchange(framed(f)) is None
ok(hung == 0, "cut at any byte (%d of %d): answered or closed" % (min(count // 2, len(cuts)), len(cuts)))

hung = 0
hurtful = [b"\xff\xff", b"\xff\xfe", b"\0\0", b"\x7f\xff", b"\xff" * 4, b"\xff\xff\xff\xfe", b"\0" * 4,
           b"\x7f\xff\xff\xff", b"\xff" * 5, b"\xff" * 10 + b"\x01", b"\0", b"\x01", b"\x80\x80\x80\x80\x10",
           b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f"]
for _ in range(count - count // 2):
    f = bytearray(draw.choice(every))
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(8, len(f) + 1)
        bad = draw.choice(hurtful)
        f[at:at + draw.choice((0, len(bad)))] = bad
    hung += exchange(framed(bytes(f))) is None
ok(hung == 0, "lengths and counts overwritten: answered or closed")

strange = {
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "a frame that claims 2 GiB": b"\x7f\xff\xff\xff" + b"x" * 100,
    "a frame of negative length": b"\xff\xff\xff\xff" + b"x" * 100,
    "an empty frame": b"\0\0\0\0",
    "an API that does not exist": framed(struct.pack(">hhih", 999, 0, 1, -1)),
    "a version that does not exist": framed(struct.pack(">hhih", 3, 99, 1, -1) + bytes(8)),
    "LeaderAndIsr of a former life": framed(struct.pack(">hhih", 4, 0, 1, -1) + bytes(8)),
    "a group API that is not served yet or a bad body": framed(struct.pack(">hhih", 42, 77, 1, -1)),
    "noise": bytes(draw.randrange(256) for _ in range(3000)),
}
for name, payload in strange.items():
    got = exchange(payload)
    ok(got == 0, "%s: closed without an answer (%r)" % (name, got))
s = connect()
s.sendall(framed(struct.pack(">hhih", 18, 99, 5, -1) + b"\0\0"))
answer = Good.read(s, struct.unpack(">i", Good.read(s, 4))[0])
ok(answer == struct.pack(">ihihhh", 5, 35, 1, 18, 0, 4), "ApiVersions of the future: the KIP-511 answer (%r)" % answer)

good.stop = True
good.join(15)
ok(good.trouble is None and good.asked > 20, "the good client had %d answers (%s)" % (good.asked, good.trouble))
print("# slowest answer of the good client: %.1f ms" % (good.slowest * 1000))
print("1..%d" % tests)
