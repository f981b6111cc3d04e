#!/usr/bin/env python3
"""Plays brokers beside a real node 1 on PORT (controller on PORT+100): they register, heartbeat,
fetch what node 1 leads so that it takes them into the ISR, and where they lead say that everybody
is in sync. Until killed."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from raw import Client  # noqa: E402

PORT = int(sys.argv[1])
UPDATE_VERSION, NOT_CONTROLLER = 95, 41


def count(data):
    at = n = 0
    while at + 12 <= len(data):
        n += int.from_bytes(data[at + 23:at + 27], 'big') + 1
        at += 12 + int.from_bytes(data[at + 8:at + 12], 'big')
    return n


class Broker:
    def __init__(self, id, cluster):
        self.id, self.node, self.controller = id, Client(PORT), Client(PORT + 100)
        self.register(cluster)

    def register(self, cluster):
        """Again while the session of an earlier player lasts."""
        got = self.controller.call(
            'BrokerRegistration', 2, BrokerId=self.id, ClusterId=cluster,
            IncarnationId=os.urandom(16),
            Listeners=[dict(Name='PLAINTEXT', Host='127.0.0.1', Port=PORT + self.id - 1,
                            SecurityProtocol=0)],
            Features=[dict(Name=name, MinSupportedVersion=0, MaxSupportedVersion=most) for
                      name, most in (('metadata.version', 33), ('kraft.version', 1),
                                     ('group.version', 1), ('transaction.version', 2),
                                     ('eligible.leader.replicas.version', 1))],
            LogDirs=[os.urandom(16)])
        if got['ErrorCode']:
            time.sleep(0.2)
            return self.register(cluster)
        self.epoch, self.offsets, self.versions, self.beat_at = got['BrokerEpoch'], {}, {}, 0

    def turn(self, topics):
        if time.time() > self.beat_at:
            self.controller.call('BrokerHeartbeat', 1, BrokerId=self.id, BrokerEpoch=self.epoch,
                                 CurrentMetadataOffset=1 << 40, WantFence=False)
            self.beat_at = time.time() + 0.3
        for topic in topics:
            for p in topic['Partitions']:
                if p['LeaderId'] == 1 and self.id in p['ReplicaNodes']:
                    self.fetch(topic['TopicId'], p)
                if p['LeaderId'] == self.id and set(p['IsrNodes']) != set(p['ReplicaNodes']):
                    self.lead(topic['TopicId'], p)

    def fetch(self, topic, p):
        key = topic, p['PartitionIndex']
        got = self.node.call(
            'Fetch', 15, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 20,
            ReplicaState=dict(ReplicaId=self.id, ReplicaEpoch=self.epoch),
            Topics=[dict(TopicId=topic, Partitions=[dict(
                Partition=p['PartitionIndex'], CurrentLeaderEpoch=p['LeaderEpoch'],
                FetchOffset=self.offsets.get(key, 0), LogStartOffset=0,
                PartitionMaxBytes=1 << 20)])])['Responses'][0]['Partitions'][0]
        if got['Records']:
            self.offsets[key] = self.offsets.get(key, 0) + count(got['Records'])

    def lead(self, topic, p):
        """The partition's epoch is in no answer for clients: the controller says which way."""
        key = topic, p['PartitionIndex']
        for _ in range(100):
            version = self.versions.get(key, 0)
            got = self.controller.call(
                'AlterPartition', 3, BrokerId=self.id, BrokerEpoch=self.epoch,
                Topics=[dict(TopicId=topic, Partitions=[dict(
                    PartitionIndex=p['PartitionIndex'], LeaderEpoch=p['LeaderEpoch'],
                    NewIsrWithEpochs=[dict(BrokerId=id, BrokerEpoch=-1)
                                      for id in p['ReplicaNodes']],
                    LeaderRecoveryState=0, PartitionEpoch=version)])])
            error = got['Topics'][0]['Partitions'][0]['ErrorCode'] if got['Topics'] else -1
            if error == UPDATE_VERSION:
                self.versions[key] = version + 1
            elif error == NOT_CONTROLLER and version:
                self.versions[key] = 0
            else:
                return


node = Client(PORT)
cluster = node.call('Metadata', 12, Topics=[])['ClusterId']
players = [Broker(int(id), cluster) for id in sys.argv[2:]]
while True:
    topics = node.call('Metadata', 12, Topics=None)['Topics']
    for player in players:
        player.turn(topics)
    time.sleep(0.05)
