"""Members of classic groups: librdkafka (confluent_kafka, kcat -G) and kafka-python. Prints TAP.

    members.py HOST:PORT [NAME...]      all scenarios, or these
"""
import os
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

broker = sys.argv[1]
count = failures = 0
SESSION_MS = 6000


def ok(good, name, *why):
    global count, failures
    count += 1
    failures += not good
    print("%s %d - %s" % ("ok" if good else "not ok", count, name), flush=True)
    if not good and why:
        print("#", *why, file=sys.stderr, flush=True)
    return good


def until(seconds, true):
    end = time.time() + seconds
    while time.time() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def topic(name, partitions):
    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        made.result(20)


class Writer(threading.Thread):
    """Writes numbered records to all partitions of a topic in turn, until it is stopped."""
    def __init__(self, name, partitions, each=0.005):
        super().__init__(daemon=True)
        self.topic, self.partitions, self.each = name, partitions, each
        self.sent, self.stopped = 0, False
        self.producer = Producer({"bootstrap.servers": broker, "linger.ms": 1, "log_level": 0,
                                  "enable.idempotence": True, "reconnect.backoff.max.ms": 200})
        self.start()

    def run(self):
        while not self.stopped:
            self.producer.produce(self.topic, b"%d" % self.sent,
                                  partition=self.sent % self.partitions)
            self.sent += 1
            self.producer.poll(0)
            time.sleep(self.each)

    def stop(self):
        self.stopped = True
        self.join()
        self.producer.flush(60)


class Member(threading.Thread):
    """A consumer in a thread. `has`: its partitions; `read`: times and values by partition; `past`:
    what it was told, (time, word, partitions)."""
    def __init__(self, group, name, commit_each=0, **more):
        super().__init__(daemon=True)
        self.has, self.read, self.past, self.errors = set(), {}, [], []
        self.stopped, self.left, self.commit_each, self.fatal = False, False, commit_each, None
        self.committed = {}
        settings = {"bootstrap.servers": broker, "group.id": group, "log_level": 0,
                    "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 300,
                    "auto.offset.reset": "earliest", "enable.auto.commit": False,
                    "partition.assignment.strategy": "range", "reconnect.backoff.max.ms": 200,
                    "topic.metadata.refresh.interval.ms": 1000}
        settings.update({k.replace("_", "."): v for k, v in more.items()})
        self.cooperative = settings["partition.assignment.strategy"].startswith("coop")
        self.consumer = Consumer(settings)
        self.consumer.subscribe([name], on_assign=self.on_assign, on_revoke=self.on_revoke,
                                on_lost=self.on_lost)
        self.start()

    def told(self, word, parts):
        self.past.append((time.time(), word, sorted(p.partition for p in parts)))

    def on_assign(self, consumer, parts):
        self.told("assign", parts)
        self.has |= {p.partition for p in parts}

    def on_revoke(self, consumer, parts):
        self.told("revoke", parts)
        self.has -= {p.partition for p in parts}

    def on_lost(self, consumer, parts):
        self.told("lost", parts)
        self.has -= {p.partition for p in parts}

    def commit(self):
        try:
            for p in self.consumer.commit(asynchronous=False):
                if not p.error and p.offset >= 0:
                    self.committed[p.partition] = p.offset
        except KafkaException as e:
            self.errors.append(e.args[0].name())

    def run(self):
        n = 0
        while not self.stopped:
            m = self.consumer.poll(0.05)
            if m is None:
                continue
            if m.error():
                self.errors.append(m.error().name())
                if m.error().code() == KafkaError._FATAL:
                    self.fatal = m.error().name()
                    break
                continue
            self.read.setdefault(m.partition(), []).append((time.time(), int(m.value())))
            n += 1
            if self.commit_each and n % self.commit_each == 0:
                self.commit()
        if self.left or self.fatal:
            self.consumer.close()

    def count(self):
        return sum(len(v) for v in list(self.read.values()))

    def leave(self):
        self.left = self.stopped = True
        self.join()


class Process:
    """kcat -G, which can really be killed. Its standard error tells what it is assigned."""
    def __init__(self, group, name, *more):
        self.p = subprocess.Popen(
            ["kcat", "-b", broker, "-u", "-X", "session.timeout.ms=%d" % SESSION_MS,
             "-X", "heartbeat.interval.ms=300", "-X", "auto.offset.reset=earliest", *more,
             "-G", group, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors = [], []
        for stream, to in ((self.p.stdout, self.lines), (self.p.stderr, self.errors)):
            threading.Thread(target=self.follow, args=(stream, to), daemon=True).start()

    @staticmethod
    def follow(stream, to):
        for line in stream:
            to.append(line.rstrip("\n"))

    def parts(self):
        told = [e for e in self.errors if "rebalanced" in e or "assigned" in e]
        return told[-1].count("[") if told and "assigned" in told[-1] else 0

    def kill(self):
        self.p.send_signal(signal.SIGKILL)
        self.p.wait()

def stable(members, sizes):
    return until(40, lambda: sorted(len(m.has) for m in members) == sorted(sizes)
                 and len(set().union(*(m.has for m in members))) == sum(sizes))


def shares(members):
    return [sorted(m.has) for m in members]


# --- scenarios ---

def idle():
    """Three partitions, four members: one has nothing to do."""
    topic("idle", 3)
    w = Writer("idle", 3)
    members = [Member("idle", "idle") for _ in range(4)]
    # One that joins late may take the place of one that has read: all were told first.
    ok(until(40, lambda: all(m.past for m in members)) and stable(members, [0, 1, 1, 1]),
       "three of four have a partition each", shares(members))
    busy = [m for m in members if m.has]
    spare = next(m for m in members if not m.has)
    had = [m.count() for m in busy], spare.count()
    ok(until(20, lambda: all(m.count() > n for m, n in zip(busy, had[0])))
       and spare.count() == had[1], "which they read", had, [m.past for m in members])
    busy[0].leave()
    ok(stable(members, [0, 1, 1, 1]) and spare.has, "the idle one takes over when one leaves",
       shares(members))
    for m in members:
        m.leave()
    w.stop()


def dead():
    """kill -9: the partitions move when the session is over, and not long after."""
    topic("dead", 6)
    w = Writer("dead", 6)
    victim = Process("dead", "dead", "-X", "partition.assignment.strategy=range")
    m = Member("dead", "dead")
    ok(stable([m], [3]) and until(20, lambda: victim.parts() == 3), "two members share", m.has,
       victim.errors)
    victim.kill()
    start = time.time()
    ok(until(SESSION_MS / 1000 + 10, lambda: len(m.has) == 6), "the other one gets all", m.has)
    took = time.time() - start
    # the last heartbeat may have been 300 ms before the death, the next of the living 300 ms later
    ok(SESSION_MS / 1000 - 0.5 < took < SESSION_MS / 1000 + 2,
       "after the session timeout: %.1f s" % took)
    m.leave()
    w.stop()


def kcat():
    """What kcat -G prints, commits and goes on from."""
    topic("kcat", 2)
    p = Producer({"bootstrap.servers": broker})
    for i in range(100):
        p.produce("kcat", b"%d" % i, partition=i % 2)
    p.flush(20)
    one = Process("kcat", "kcat", "-e")
    ok(until(30, lambda: one.p.poll() is not None), "kcat -G -e reads to the end", one.errors)
    ok(sorted(map(int, one.lines)) == list(range(100)), "every record once", len(one.lines))
    for i in range(100, 120):
        p.produce("kcat", b"%d" % i, partition=i % 2)
    p.flush(20)
    two = Process("kcat", "kcat", "-e")
    ok(until(30, lambda: two.p.poll() is not None)
       and sorted(map(int, two.lines)) == list(range(100, 120)),
       "the next goes on where it was", two.lines[:3], two.errors)


def largest_gap(times, since, to):
    inside = [since] + [t for t, _ in times if since < t < to] + [to]
    return max(b - a for a, b in zip(inside, inside[1:]))


def cooperative():
    """Members that are not affected read on while others come and go."""
    topic("coop", 8)
    w = Writer("coop", 8, 0.003)
    kind = {"partition_assignment_strategy": "cooperative-sticky"}
    members = [Member("coop", "coop", **kind) for _ in range(2)]
    ok(stable(members, [4, 4]), "two share", shares(members))
    ok(until(20, lambda: all(len(v) > 50 for m in members for v in m.read.values())), "and read")
    before = [(m, set(m.has)) for m in members]
    start = time.time()
    third = Member("coop", "coop", **kind)
    members.append(third)
    ok(stable(members, [2, 3, 3]), "a third gets its share", shares(members))
    time.sleep(0.5)
    end = time.time()
    kept = [(m, p) for m, had in before for p in had & m.has]
    ok(len(kept) == 6, "six partitions stay", shares(members))
    taken = [p for m, _ in before for t, word, parts in m.past if word != "assign" and t > start
             for p in parts]
    ok(len(taken) == 2, "nothing but two partitions is revoked", taken)
    gaps = [largest_gap(m.read[p], start, end) for m, p in kept]
    ok(max(gaps) < 1.5, "and the others are read all the time: %.2f s at most" % max(gaps))
    start = time.time()
    third.leave()
    members.remove(third)
    ok(stable(members, [4, 4]), "it leaves", shares(members))
    end = time.time()
    gaps = [largest_gap(m.read[p], start, end) for m, p in kept]
    ok(max(gaps) < 1.5, "the others read on: %.2f s at most" % max(gaps))
    for m in members:
        m.leave()
    w.stop()
    once(members + [third], w, "coop")


def once(members, w, name):
    seen = {v for m in members for times in m.read.values() for _, v in times}
    missing = set(range(w.sent)) - seen
    tail = {v for v in missing if v > w.sent - 2000}      # what came when they had left
    ok(missing == tail, "%s: nothing was passed over" % name, sorted(missing - tail)[:10])


def static():
    """group.instance.id: back within the session without a rebalance; a second one fences."""
    topic("static", 4)
    w = Writer("static", 4)
    a = Member("static", "static", group_instance_id="a")
    b = Member("static", "static", group_instance_id="b")
    ok(stable([a, b], [2, 2]), "two share", shares([a, b]))
    had, past = set(b.has), len(a.past)
    b.leave()                   # a static member does not leave the group when it is closed
    again = Member("static", "static", group_instance_id="b")
    ok(until(20, lambda: again.has == had), "the one that comes back has what it had",
       again.has, had)
    ok(len(a.past) == past and len(a.has) == 2, "the other one was not disturbed", a.past)
    second = Member("static", "static", group_instance_id="b")
    ok(until(20, lambda: again.fatal), "a second one of that name fences the first", again.errors)
    ok(until(20, lambda: second.has == had), "and has its partitions", second.has, had)
    ok(len(a.past) == past, "without a rebalance", a.past)
    second.leave()
    ok(until(SESSION_MS / 1000 + 15, lambda: len(a.has) == 4),
       "all go to the other one when the session is over", a.has)
    a.leave()
    w.stop()


class PythonMember(threading.Thread):
    """kafka-python blocks while it joins, so that each needs a thread."""
    def __init__(self, group, name):
        import kafka
        super().__init__(daemon=True)
        self.consumer = kafka.KafkaConsumer(
            name, group_id=group, bootstrap_servers=broker, auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=300)
        self.has, self.got, self.stopped, self.places = set(), [], False, {}
        self.start()

    def run(self):
        while not self.stopped:
            for records in self.consumer.poll(100).values():
                self.got.extend(int(r.value) for r in records)
                self.consumer.commit()
            self.has = {tp.partition for tp in self.consumer.assignment()}
        self.places = {tp.partition: (self.consumer.position(tp), self.consumer.committed(tp))
                       for tp in self.consumer.assignment()}
        self.consumer.close()

    def leave(self):
        self.stopped = True
        self.join()


def python():
    """kafka-python: two members, commits, and the place that they go on from."""
    topic("python", 2)
    p = Producer({"bootstrap.servers": broker})
    for i in range(100):
        p.produce("python", b"%d" % i, partition=i % 2)
    p.flush(20)
    a = PythonMember("python", "python")
    ok(until(30, lambda: len(a.got) == 100) and sorted(a.got) == list(range(100)), "one reads all")
    b = PythonMember("python", "python")
    ok(stable([a, b], [1, 1]), "two share", shares([a, b]))
    for i in range(100, 140):
        p.produce("python", b"%d" % i, partition=i % 2)
    p.flush(20)
    ok(until(30, lambda: len(a.got + b.got) >= 140) and sorted(a.got + b.got) == list(range(140)),
       "they go on from what was committed", len(a.got + b.got))
    a.leave()
    ok(stable([b], [2]), "one takes over", b.has)
    b.leave()
    ok(b.places == {0: (70, 70), 1: (70, 70)}, "and knows the place", b.places)


def kills():
    """The coordinator and the log are killed under members that read and commit."""
    lab = os.environ.get("LAB")
    if not lab:
        return
    topic("kills", 6)
    w = Writer("kills", 6, 0.002)
    members = [Member("kills", "kills", commit_each=40, session_timeout_ms=10000)
               for _ in range(3)]
    ok(stable(members, [2, 2, 2]), "three share", shares(members))
    had, past = shares(members), [len(m.past) for m in members]
    best, back = {}, []
    for program in ("groupcoord", "logappend", "groupcoord", "logserve", "logappend"):
        n = [sum(len(v) for v in m.read.values()) for m in members]
        until(10, lambda: subprocess.run(["lab", "kill", "-d", lab, "1", program],
                                         capture_output=True).returncode == 0)
        ok(until(20, lambda: all(sum(len(v) for v in m.read.values()) > n[i] + 100
                                 for i, m in enumerate(members))), "%s: all read on" % program)
        for m in members:
            for p, offset in list(m.committed.items()):
                if offset < best.get(p, 0):
                    back.append((p, offset, best[p]))
                best[p] = max(offset, best.get(p, 0))
    ok(not back, "committed offsets never go back", back)
    ok(shares(members) == had and [len(m.past) for m in members] == past,
       "nobody was disturbed: members keep what they have", [m.past for m in members])
    again = Consumer({"bootstrap.servers": broker, "group.id": "kills"})
    kept = again.committed([TopicPartition("kills", p) for p in range(6)], timeout=20)
    ok(all(k.offset >= best.get(k.partition, 0) for k in kept), "what was committed is there",
       kept, best)
    again.close()
    w.stop()
    for m in members:
        m.leave()
    for p in range(6):
        values = [v for m in members for _, v in m.read.get(p, [])]
        ok(values == sorted(set(values)), "partition %d: in order, once" % p)


scenarios = (idle, dead, kcat, cooperative, static, python, kills)
for scenario in scenarios:
    if len(sys.argv) == 2 or scenario.__name__ in sys.argv[2:]:
        print("# %s: %s" % (scenario.__name__, scenario.__doc__.split("\n")[0]), flush=True)
        scenario()
print("1..%d" % count)
sys.exit(failures != 0)
