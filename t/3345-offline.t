#!/usr/bin/python3
# A partition whose disk does not take a write is offline, through the whole node: it answers
# KAFKA_STORAGE_ERROR to all, which clients try again, and no other partition notices; after a start
# of the writer it is back with all that was acknowledged.
import os
import shutil
import sys

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from load import LabNode, until  # noqa: E402
from port import batch, produce_request  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/3345-offline.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
STORAGE_ERROR, bad = 56, tmp + '/bad'
node = LabNode(tmp + '/lab', environment={
    'LD_PRELOAD': os.path.abspath('build/crash/shim-fault.so'), 'FAULT_PROGRAM': 'logappend',
    'FAULT': 'pwritev:1:EIO:ever', 'FAULT_WHILE': bad})


def produce(partition, value, acks=-1):
    answer = client.call('Produce', 9, **produce_request('t', batch([value]), acks, partition))
    p = answer['Responses'][0]['PartitionResponses'][0]
    return p['ErrorCode'], p['BaseOffset']


def fetch(partition, version=12):
    answer = client.call('Fetch', version, ReplicaId=-1, MaxWaitMs=100, MinBytes=1,
                         MaxBytes=1 << 20, SessionEpoch=-1, Topics=[{'Topic': 't', 'Partitions': [{
                             'Partition': partition, 'CurrentLeaderEpoch': -1, 'FetchOffset': 0,
                             'LastFetchedEpoch': -1, 'LogStartOffset': -1,
                             'PartitionMaxBytes': 1 << 20}]}])
    p = answer['Responses'][0]['Partitions'][0]
    return p['ErrorCode'], p['Records'] or b''


def end_of(partition):
    p = client.call('ListOffsets', 7, ReplicaId=-1, Topics=[{'Name': 't', 'Partitions': [{
        'PartitionIndex': partition, 'CurrentLeaderEpoch': -1, 'Timestamp': -1}]}])[
            'Topics'][0]['Partitions'][0]
    return p['ErrorCode'], p['Offset']


def epoch_end(partition):
    answer = client.call('OffsetForLeaderEpoch', 4, ReplicaId=-1, Topics=[{
        'Topic': 't', 'Partitions': [
            {'Partition': partition, 'CurrentLeaderEpoch': -1, 'LeaderEpoch': 0}]}])
    return answer['Topics'][0]['Partitions'][0]['ErrorCode']


def delete_records(partition):
    return client.call('DeleteRecords', 2, TimeoutMs=5000, Topics=[{'Name': 't', 'Partitions': [
        {'PartitionIndex': partition, 'Offset': 1}]}])['Topics'][0]['Partitions'][0]['ErrorCode']


def offline():
    t.same((produce(0, b'x')[0], produce(0, b'x', 1)[0]), (STORAGE_ERROR, STORAGE_ERROR), 'Produce')
    t.same((fetch(0)[0], end_of(0)[0]), (STORAGE_ERROR, STORAGE_ERROR), 'Fetch, ListOffsets')
    t.same((epoch_end(0), delete_records(0)), (STORAGE_ERROR, STORAGE_ERROR),
           'OffsetForLeaderEpoch, DeleteRecords')


try:
    if not t.ok(node.running(), 'a node', node.started.stderr):
        t.done()
    client = raw.Client(node.port)
    made = client.call('CreateTopics', 7, TimeoutMs=10000, Topics=[{
        'Name': 't', 'NumPartitions': 2, 'ReplicationFactor': 1}])
    t.same(made['Topics'][0]['ErrorCode'], 0, 'a topic of two partitions')
    t.same([produce(i, b'before %d.' % i) for i in (0, 1, 0, 1)], [(0, 0), (0, 0), (0, 1), (0, 1)],
           'records')
    open(bad, 'w').close()
    t.same(produce(0, b'lost'), (STORAGE_ERROR, -1), 'EIO of a write')
    os.unlink(bad)
    offline()
    t.same((produce(1, b'beside')[0], fetch(1)[0], end_of(1)), (0, 0, (0, 3)),
           'the other partition notices nothing')
    before = node.pid('logappend')
    node.kill('logserve')
    t.ok(node.ready(), 'another logserve')
    offline()
    t.same(node.pid('logappend'), before, 'the writer is the same')
    t.ok('t-0: offline' in node.said(20), 'it said so')
    node.kill('logappend')
    t.ok(node.ready(), 'another writer')
    t.ok(until(lambda: produce(0, b'after')[0] == 0, 10), 'the partition is back')
    error, data = fetch(0)
    t.ok(error == 0 and b'before 0.' in data and b'after' in data and b'lost' not in data,
         'with what was acknowledged', error, data)
    t.same(end_of(0), (0, 3), 'and nothing else')
    t.same(node.stop().returncode, 0, 'a clean stop')
finally:
    node.wreck()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
