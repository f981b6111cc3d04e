"""Three members of a group that live while the broker under them changes.

    moving.py HOST:PORT     topic `moving` has six partitions; each line of input
                            asks for one of output: how many members have read on, how often
                            partitions were assigned or revoked. At the end of input: how many
                            partitions were read in order, each record once, and how many
                            committed offsets are where they should be.
"""
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

broker = sys.argv[1]
PARTITIONS, MEMBERS = 6, 3
stopped = False
read = {p: [] for p in range(PARTITIONS)}
committed = {}


def write():
    # one request in flight: while a broker starts it may refuse one and take the next
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "log_level": 0,
                         "linger.ms": 1, "reconnect.backoff.max.ms": 200,
                         "max.in.flight.requests.per.connection": 1})
    n = 0
    while not stopped:
        producer.produce("moving", b"%d" % n, partition=n % PARTITIONS)
        n += 1
        producer.poll(0.002)
    producer.flush(60)


class Member(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.n, self.told = 0, 0
        self.consumer = Consumer({
            "bootstrap.servers": broker, "group.id": "moving", "log_level": 0,
            "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "session.timeout.ms": 60000, "heartbeat.interval.ms": 500,
            "reconnect.backoff.max.ms": 200})
        self.consumer.subscribe(["moving"], on_assign=self.tell, on_revoke=self.tell)
        self.start()

    def tell(self, consumer, parts):
        self.told += 1

    def run(self):
        while not stopped:
            m = self.consumer.poll(0.05)
            if m is None or m.error():
                continue
            read[m.partition()].append(int(m.value()))
            self.n += 1
            if self.n % 50 == 0:
                try:
                    for p in self.consumer.commit(asynchronous=False):
                        if not p.error and p.offset >= 0:
                            committed[p.partition] = p.offset
                except KafkaException:
                    pass


writer = threading.Thread(target=write)
writer.start()
members = [Member() for _ in range(MEMBERS)]
end = time.time() + 60
while sum(len(m.consumer.assignment()) == PARTITIONS / MEMBERS for m in members) < MEMBERS \
        and time.time() < end:
    time.sleep(0.05)
for line in sys.stdin:
    was, end = [m.n for m in members], time.time() + 60
    while sum(m.n > n + 100 for m, n in zip(members, was)) < MEMBERS and time.time() < end:
        time.sleep(0.05)
    print(sum(m.n > n + 100 for m, n in zip(members, was)), sum(m.told for m in members),
          flush=True)
stopped = True
writer.join()
for m in members:
    m.join()
kept = Consumer({"bootstrap.servers": broker, "group.id": "moving"}).committed(
    [TopicPartition("moving", p) for p in range(PARTITIONS)], timeout=30)
print(sum(values == sorted(set(values)) and len(values) == (values[-1] // PARTITIONS) + 1
          for values in read.values()),
      sum(k.offset >= committed[k.partition] > 0 for k in kept), flush=True)
