#!/usr/bin/python3
"""How long something takes that a cluster does, seen by a client that tries again every 5 ms.

    gap.py PORTS TOPIC PARTITIONS acks CMD...     from the start of CMD (which hurts the cluster) to
                                                  the first acknowledgement, acks=all, of a record
                                                  that was sent after CMD, on the last partition
    gap.py PORTS TOPIC PARTITIONS commits CMD...  the longest gap between two offsets that a group
                                                  committed, from CMD on
    gap.py PORTS TOPIC PARTITIONS moved NODE CMD...   from CMD until NODE leads nothing
    gap.py PORTS TOPIC PARTITIONS joined NODE CMD...  from CMD until it is in every ISR
    gap.py PORTS - 0 controller, coordinator      the node that is the active controller, that has
                                                  the group of commits

Milliseconds are printed. PORTS: 9092,9093,9094 of nodes 1, 2, 3.
"""
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from port import batch, produce_request  # noqa: E402
from raw import Client  # noqa: E402

ANSWER_S, PAUSE_S, PATIENCE_S, WARM, QUIET_S = 0.25, 0.005, 90, 20, 3
LOST = (OSError, EOFError, ValueError)
ports = [int(p) for p in sys.argv[1].split(',')]
topic, partitions = sys.argv[2], int(sys.argv[3])


class Anybody:
    """Calls that any node answers: the next one when one does not."""
    def __init__(self, start=0):
        self.client, self.next = None, start

    def call(self, api, version, **values):
        while True:
            try:
                if not self.client:
                    self.next += 1
                    self.client = Client(ports[self.next % len(ports)], timeout=ANSWER_S)
                return self.client.call(api, version, **values)
            except LOST:
                if self.client:
                    self.client.close()
                self.client = None
                time.sleep(PAUSE_S)

    def topic(self):
        return self.call('Metadata', 8, Topics=[{'Name': topic}])['Topics'][0]['Partitions']


class Tried:
    """Something that is done again and again: successes are (sent, answered) in seconds."""
    def __init__(self, start):
        self.any, self.node, self.last, self.count, self.after = Anybody(start), None, 0, 0, None
        self.longest = 0
        self.marked = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sent = time.monotonic()
            if not self.once():
                if self.node:
                    self.node.close()
                self.node = None
                time.sleep(PAUSE_S)
                continue
            now = time.monotonic()
            if self.marked is not None:
                self.longest = max(self.longest, now - self.last)
            self.last = now
            self.count += 1
            if self.marked is not None and sent > self.marked and self.after is None:
                self.after = now
            time.sleep(PAUSE_S)

    def once(self):
        try:
            if not self.node:
                port = self.find()
                if port is None:
                    return False
                self.node = Client(port, timeout=ANSWER_S)
            return self.work()
        except LOST:
            return False


class Produced(Tried):
    def __init__(self, partition):
        self.partition = partition
        self.records = batch([b'x' * 100])
        super().__init__(partition)

    def find(self):
        for p in self.any.topic():
            if p['PartitionIndex'] == self.partition and p['LeaderId'] > 0:
                return ports[p['LeaderId'] - 1]
        return None

    def work(self):
        a = self.node.call('Produce', 9, **produce_request(
            topic, self.records, -1, self.partition, 30000))
        return a['Responses'][0]['PartitionResponses'][0]['ErrorCode'] == 0


class Committed(Tried):
    def find(self):
        a = self.any.call('FindCoordinator', 3, Key='gap', KeyType=0)
        return ports[a['NodeId'] - 1] if a['ErrorCode'] == 0 and a['NodeId'] > 0 else None

    def work(self):
        a = self.node.call('OffsetCommit', 8, GroupId='gap', GenerationIdOrMemberEpoch=-1, Topics=[{
            'Name': topic, 'Partitions': [{'PartitionIndex': 0, 'CommittedOffset': self.count}]}])
        return a['Topics'][0]['Partitions'][0]['ErrorCode'] == 0


def until(done):
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            sys.exit('gap.py: not within %d s' % PATIENCE_S)
        time.sleep(PAUSE_S)


def hurt(command):
    start = time.monotonic()
    subprocess.run(command, check=True)
    return start


def tried(all_of_them, command):
    until(lambda: all(t.count >= WARM for t in all_of_them))
    start = time.monotonic()
    for t in all_of_them:    # gaps count from here on
        t.marked = float('inf')
    subprocess.run(command, check=True)
    over = time.monotonic()
    for t in all_of_them:
        t.marked = over
    until(lambda: all(t.after for t in all_of_them))
    return start


def main():
    mode, rest = sys.argv[4], sys.argv[5:]
    if mode == 'controller':
        a = Anybody().call('DescribeQuorum', 0, Topics=[{
            'TopicName': '__cluster_metadata', 'Partitions': [{'PartitionIndex': 0}]}])
        print(a['Topics'][0]['Partitions'][0]['LeaderId'])
        return
    if mode == 'coordinator':
        look, found = Anybody(), {'NodeId': -1}
        while found['NodeId'] < 1:    # the first question makes the topic
            found = look.call('FindCoordinator', 3, Key='gap', KeyType=0)
            time.sleep(PAUSE_S)
        print(found['NodeId'])
        return
    if mode == 'acks':
        all_of_them = [Produced(p) for p in range(partitions)]
        start = tried(all_of_them, rest)
        seconds = max(t.after for t in all_of_them) - start
    elif mode == 'commits':
        one = Committed(0)
        tried([one], rest)
        time.sleep(QUIET_S)
        seconds = one.longest
    else:
        node, look = int(rest[0]), Anybody(int(rest[0]))
        start = hurt(rest[1:])
        if mode == 'moved':
            until(lambda: all(p['LeaderId'] not in (-1, node) for p in look.topic()))
        else:
            until(lambda: all(node in p['IsrNodes'] for p in look.topic()))
        seconds = time.monotonic() - start
    print('%.1f' % (seconds * 1000))


main()
