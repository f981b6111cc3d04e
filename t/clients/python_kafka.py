"""python3-kafka 2.0.2: a second opinion on every byte. Prints TAP; argument: HOST:PORT."""
import sys
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (InvalidPartitionsError, InvalidTopicError, MessageSizeTooLargeError,
                          TopicAlreadyExistsError, UnknownTopicOrPartitionError)

broker = sys.argv[1]
count = 0


def ok(good, name):
    global count
    count += 1
    print("%s %d - %s" % ("ok" if good else "not ok", count, name), flush=True)


def raises(error, name, call):
    try:
        got = call()
        ok(False, "%s (got %r)" % (name, got))
    except error:
        ok(True, name)


def read(topic, n, partition=0, offset=0, **conf):
    c = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=10000, **conf)
    tp = TopicPartition(topic, partition)
    c.assign([tp])
    c.seek(tp, offset)
    got = []
    for r in c:
        got.append(r)
        if len(got) == n:
            break
    c.close()
    return got


admin = KafkaAdminClient(bootstrap_servers=broker)
admin.create_topics([NewTopic("py", 3, 1), NewTopic("py-assigned", -1, -1,
                    replica_assignments={0: [1], 1: [1]})])
raises(TopicAlreadyExistsError, "a topic that exists", lambda: admin.create_topics([NewTopic("py", 1, 1)]))
raises(InvalidTopicError, "a topic name with a slash",
       lambda: admin.create_topics([NewTopic("../x", 1, 1)]))
ok("py" in admin.list_topics(), "the topic is listed")
ok(len(admin.describe_topics(["py-assigned"])[0]["partitions"]) == 2, "manual assignment")
admin.create_partitions({"py": NewPartitions(5)})
ok(len(admin.describe_topics(["py"])[0]["partitions"]) == 5, "partitions grow")
raises(InvalidPartitionsError, "partitions do not shrink",
       lambda: admin.create_partitions({"py": NewPartitions(2)}))

for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    for acks in (0, 1, "all"):
        topic = "py-%s-%s" % (codec, acks)
        p = KafkaProducer(bootstrap_servers=broker, compression_type=codec, acks=acks, linger_ms=5)
        values = [("%s %d " % (topic, i)).encode() * 10 for i in range(2000)]
        sent = [p.send(topic, key=b"k%d" % i, value=v, headers=[("n", b"%d" % i)])
                for i, v in enumerate(values)]
        p.flush()
        failed = [f.exception for f in sent if f.failed()]
        if failed:
            print("# %d failed: %r" % (len(failed), failed[0]))
        p.close()
        got = read(topic, len(values))
        ok([r.value for r in got] == values and [r.offset for r in got] == list(range(2000))
           and got[7].key == b"k7" and got[7].headers == [("n", b"7")],
           "codec %s, acks %s: the same records, in order, once" % (codec, acks))
        if [r.value for r in got] != values:
            print("# %d records, the first wrong one is %s" % (len(got), next(
                (repr((r.offset, r.value, v)) for r, v in zip(got, values) if r.value != v), "none")))

p = KafkaProducer(bootstrap_servers=broker)
at = int(time.time() * 1000)
m = p.send("py", key=b"k", value=None, partition=3, timestamp_ms=at - 5000).get(10)
ok((m.partition, m.offset, m.timestamp) == (3, 0, at - 5000), "a null value at a time of ours")
p.send("py", value=b"", partition=3, timestamp_ms=at).get(10)
r = read("py", 2, partition=3)
ok(r[0].value is None and r[1].value == b"" and r[1].key is None, "null and empty stay apart")
c = KafkaConsumer(bootstrap_servers=broker)
tp = TopicPartition("py", 3)
found = c.offsets_for_times({tp: at - 4000})[tp]
ok((found.offset, found.timestamp) == (1, at), "an offset by time")
ok(c.offsets_for_times({tp: at + 4000})[tp] is None, "no offset after the last record")
ok(c.beginning_offsets([tp])[tp] == 0 and c.end_offsets([tp])[tp] == 2, "first and last offsets")
ok(c.partitions_for_topic("py") == {0, 1, 2, 3, 4}, "partitions of a topic")
raises(MessageSizeTooLargeError, "a record larger than max.message.bytes", lambda: KafkaProducer(
    bootstrap_servers=broker, max_request_size=1 << 22).send("py", b"x" * (1 << 21)).get(10))

conf = ConfigResource(ConfigResourceType.TOPIC, "py", {"retention.ms": "12345"})
admin.alter_configs([conf])
entry = {e[0]: e for e in admin.describe_configs(
    [ConfigResource(ConfigResourceType.TOPIC, "py")])[0].resources[0][4]}
ok(entry["retention.ms"][1] == "12345" and entry["cleanup.policy"][1] == "delete",
   "a config is altered and described")
admin.delete_topics(["py"])
raises(UnknownTopicOrPartitionError, "a topic that is gone", lambda: admin.delete_topics(["py"]))
ok("py" not in admin.list_topics(), "a deleted topic is not listed")
print("1..%d" % count)
