#!/usr/bin/env python3
"""Plays broker 2 beside a real node 1 on PORT (controller on PORT+100), which leads a topic of two
replicas: registers, heartbeats, follows it, and stops following. Prints TAP lines."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from port import batch  # noqa: E402
from raw import Client, Tap  # noqa: E402

PORT, LAG_MS = int(sys.argv[1]), int(sys.argv[2])
t = Tap()


def until(fn, seconds=30):
    end = time.time() + seconds
    while not fn() and time.time() < end:
        time.sleep(0.02)
    return fn()


class Broker:
    """Broker 2 as the controller sees it: unfenced while it heartbeats."""
    def __init__(self, cluster):
        self.controller, self.cluster = Client(PORT + 100), cluster
        got = self.controller.call(
            'BrokerRegistration', 2, BrokerId=2, ClusterId=cluster, IncarnationId=os.urandom(16),
            Listeners=[dict(Name='PLAINTEXT', Host='127.0.0.1', Port=PORT + 1, SecurityProtocol=0)],
            Features=[dict(Name=name, MinSupportedVersion=0, MaxSupportedVersion=most) for
                      name, most in (('metadata.version', 33), ('kraft.version', 1),
                                     ('group.version', 1), ('transaction.version', 2))],
            LogDirs=[os.urandom(16)])
        self.error, self.epoch = got['ErrorCode'], got['BrokerEpoch']
        self.fenced, self.alive = True, True
        threading.Thread(target=self.live, daemon=True).start()

    def live(self):
        while self.alive:
            got = self.controller.call('BrokerHeartbeat', 1, BrokerId=2, BrokerEpoch=self.epoch,
                                       CurrentMetadataOffset=self.epoch, WantFence=False)
            self.fenced = got['IsFenced']
            time.sleep(0.5)


class Follower:
    def __init__(self, topic_id, broker_epoch, partition):
        self.client, self.topic_id, self.offset = Client(PORT), topic_id, 0
        self.broker_epoch, self.partition, self.epoch = broker_epoch, partition, 0
        self.following = self.busy = False
        self.error = 0

    def fetch(self, wait=0):
        got = self.client.call('Fetch', 15, MaxWaitMs=wait, MinBytes=1, MaxBytes=1 << 20,
                               ReplicaState=dict(ReplicaId=2, ReplicaEpoch=self.broker_epoch),
                               Topics=[dict(TopicId=self.topic_id, Partitions=[dict(
                                   Partition=self.partition, CurrentLeaderEpoch=self.epoch,
                                   FetchOffset=self.offset, LogStartOffset=0,
                                   PartitionMaxBytes=1 << 20)])])
        p = got['Responses'][0]['Partitions'][0]
        self.error = p['ErrorCode']
        if p['Records']:
            self.offset += sum(1 for _ in batches(p['Records']))
        return p

    def follow(self):
        self.following = True
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        self.busy = True
        while self.following:
            self.fetch(200)
            if self.error:
                time.sleep(0.05)
        self.busy = False


def batches(data):
    at = 0
    while at + 12 <= len(data):
        at += 12 + int.from_bytes(data[at + 8:at + 12], 'big')
        yield at


node = Client(PORT)


def metadata(topic):
    got = node.call('Metadata', 12, Topics=[dict(Name=topic, TopicId=bytes(16))])
    return got, got['Topics'][0]


def isr(partition=0):
    return sorted(next(p['IsrNodes'] for p in metadata('two')[1]['Partitions']
                       if p['PartitionIndex'] == partition))


def produce(acks=-1, timeout=30000, partition=0):
    got = node.call('Produce', 9, Acks=acks, TimeoutMs=timeout, TopicData=[dict(
        Name='two', PartitionData=[dict(Index=partition, Records=batch([b'x']))])])
    return got['Responses'][0]['PartitionResponses'][0]['ErrorCode']


broker = Broker(node.call('Metadata', 12, Topics=[])['ClusterId'])
t.same(broker.error, 0, 'registered')
t.ok(until(lambda: not broker.fenced), 'unfenced')
got = node.call('CreateTopics', 7, TimeoutMs=10000, Topics=[dict(
    Name='two', NumPartitions=-1, ReplicationFactor=-1, Assignments=[
        dict(PartitionIndex=0, BrokerIds=[1, 2])],
    Configs=[dict(Name='min.insync.replicas', Value='2')])])
t.same(got['Topics'][0]['ErrorCode'], 0, 'a topic of two replicas')
until(lambda: metadata('two')[1]['ErrorCode'] == 0)
topic_id = metadata('two')[1]['TopicId']
f = Follower(topic_id, broker.epoch, 0)
t.same(isr(), [1, 2], 'both are in sync at first')
t.same(f.fetch()['ErrorCode'], 0, 'the follower fetches')
f.follow()
t.same([produce() for _ in range(5)], [0] * 5, 'acks=all with a follower')
t.same(f.offset, 5, 'which has them')
f.following = False
until(lambda: not f.busy)
start = time.time()
t.same(produce(timeout=4 * LAG_MS), 7, 'acks=all without it: REQUEST_TIMED_OUT')
t.same(isr(), [1], 'it is out of the ISR')
t.same([produce(), produce(acks=1)], [19, 0], 'NOT_ENOUGH_REPLICAS, which acks=1 does not need')
f.follow()
t.ok(until(lambda: isr() == [1, 2]), 'it follows again and is back in the ISR')
t.same([produce() for _ in range(3)], [0] * 3, 'acks=all')
f.broker_epoch -= 1
t.ok(until(lambda: f.error == 6), 'an earlier life of it may not fetch')
f.broker_epoch += 1
broker.alive = False
t.ok(until(lambda: isr() == [1]), 'silent, it is fenced, and out')
t.ok(until(lambda: f.error == 0) and produce() == 19, 'though it still fetches')
again = Broker(broker.cluster)
t.ok(again.epoch > broker.epoch and until(lambda: not again.fenced), 'it is there again')
time.sleep(0.5)
t.same(isr(), [1], 'what its earlier life fetches does not bring it back')
f.broker_epoch = again.epoch
t.ok(until(lambda: isr() == [1, 2]), 'what it fetches itself does')
t.same([produce() for _ in range(3)], [0] * 3, 'acks=all')
f.following = again.alive = False
t.done()
