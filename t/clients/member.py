"""A member of a group: python3-confluent-kafka or python3-kafka. Prints the values that it gets.

member.py confluent|kafka BROKER GROUP TOPIC [KEY=VALUE...], until SIGTERM, then leaves. Settings
are those of the library."""
import signal
import sys

library, broker, group, topic, *settings = sys.argv[1:]
settings = dict(s.split("=", 1) for s in settings)
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))

if library == "confluent":
    from confluent_kafka import Consumer
    c = Consumer({"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest",
                  "session.timeout.ms": 6000, "heartbeat.interval.ms": 300,
                  "auto.commit.interval.ms": 200, **settings})
    c.subscribe([topic])
    while not stopped:
        m = c.poll(0.2)
        if m is not None and not m.error():
            print(m.value().decode(), flush=True)
    c.close()
else:
    from kafka import KafkaConsumer
    c = KafkaConsumer(topic, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest",
                      session_timeout_ms=6000, heartbeat_interval_ms=300,
                      auto_commit_interval_ms=200, **settings)
    while not stopped:
        for records in c.poll(200).values():
            for r in records:
                print(r.value.decode(), flush=True)
    c.close()
