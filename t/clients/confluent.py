"""python3-confluent-kafka: librdkafka's producer, consumer and admin client. Prints TAP."""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

broker = sys.argv[1]
count = 0


def ok(good, name):
    global count
    count += 1
    print("%s %d - %s" % ("ok" if good else "not ok", count, name), flush=True)


def code_of(future):
    try:
        future.result(10)
        return None
    except KafkaException as e:
        return e.args[0].name()


admin = AdminClient({"bootstrap.servers": broker})
for topic, f in admin.create_topics([NewTopic("cf", 4, 1, config={"retention.ms": "100000"})]).items():
    ok(code_of(f) is None, "create " + topic)
ok(code_of(admin.create_topics([NewTopic("cf", 4, 1)])["cf"]) == "TOPIC_ALREADY_EXISTS", "exists")
ok(code_of(admin.create_topics([NewTopic("cf-rf", 1, 3)])["cf-rf"]) == "INVALID_REPLICATION_FACTOR",
   "replication factor 3 on one node")
ok(code_of(admin.create_topics([NewTopic("cf-v", 1, 1)], validate_only=True)["cf-v"]) is None
   and "cf-v" not in admin.list_topics(timeout=10).topics, "validate only")
ok(code_of(admin.create_topics([NewTopic("cf-c", 1, 1, config={"no.such": "1"})])["cf-c"])
   == "INVALID_CONFIG", "an unknown config")
ok(code_of(admin.create_partitions([NewPartitions("cf", 6)])["cf"]) is None, "grow")
ok(code_of(admin.create_partitions([NewPartitions("cf", 6)])["cf"]) == "INVALID_PARTITIONS", "not less")
res = ConfigResource("topic", "cf")
conf = admin.describe_configs([res])[res].result(10)
ok(conf["retention.ms"].value == "100000" and conf["segment.bytes"].value == "1073741824", "configs")
ok(any(s.startswith("log.segment.bytes") for s in conf["segment.bytes"].synonyms), "synonyms")
node = ConfigResource("broker", "1")
ok(admin.describe_configs([node])[node].result(10)["num.partitions"].value is not None, "broker configs")

md = admin.list_topics(timeout=10)
ok(len(md.topics["cf"].partitions) == 6 and md.cluster_id and md.controller_id >= 0, "metadata")

for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    done = []
    p = Producer({"bootstrap.servers": broker, "compression.type": codec,
                  "enable.idempotence": True, "linger.ms": 5})
    for i in range(5000):
        p.produce("cf", b"%s %d" % (codec.encode(), i), key=b"%d" % i, partition=1,
                  headers={"h": b"%d" % i}, timestamp=1700000000000 + i if codec == "none" else 0,
                  on_delivery=lambda e, m: done.append((e, m.offset())))
        p.poll(0)
    p.flush(20)
    ok(len(done) == 5000 and all(e is None for e, _ in done)
       and [o for _, o in done] == list(range(done[0][1], done[0][1] + 5000)),
       "%s: delivered in order with dense offsets" % codec)

c = Consumer({"bootstrap.servers": broker, "group.id": "none", "enable.auto.commit": False,
              "check.crcs": True, "enable.partition.eof": True})
c.assign([TopicPartition("cf", 1, 0)])
got = []
end = time.time() + 20
while time.time() < end:
    m = c.poll(1)
    if m is None:
        continue
    if m.error():
        if m.error().code() == KafkaError._PARTITION_EOF:
            break
        raise KafkaException(m.error())
    got.append(m)
want = [b"%s %d" % (k, i) for k in (b"none", b"gzip", b"snappy", b"lz4", b"zstd") for i in range(5000)]
ok([m.value() for m in got] == want, "every record of every codec, in order, once")
ok([m.offset() for m in got] == list(range(len(want))), "offsets are dense")
ok(got[3].timestamp() == (1, 1700000000003) and got[3].headers() == [("h", b"3")], "time and header")
ok(c.get_watermark_offsets(TopicPartition("cf", 1)) == (0, 25000), "watermarks")
t = c.offsets_for_times([TopicPartition("cf", 1, 1700000002000)], timeout=10)[0]
ok(t.offset == 2000, "offset for a time")
c.close()
ok(code_of(admin.delete_topics(["cf"])["cf"]) is None, "delete")
ok(code_of(admin.delete_topics(["cf"])["cf"]) == "UNKNOWN_TOPIC_OR_PART", "and it is gone")
print("1..%d" % count)
