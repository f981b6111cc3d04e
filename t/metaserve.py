"""The checks of t/5300-metaserve.t: metaserve.py PORT LAB CLUSTER_ID."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from raw import Client, Tap, closes, encode, KEYS, ROOT  # noqa: E402

port, lab, cluster = int(sys.argv[1]), sys.argv[2], sys.argv[3]
t = Tap()
c = Client(port)
ALL_OF_TOPIC, ALL_OF_CLUSTER, NOT_ASKED = 3576, 8096, -2147483648


def create(name, partitions, **configs):
    answer = c.call('CreateTopics', 7, Topics=[dict(
        Name=name, NumPartitions=partitions, ReplicationFactor=1,
        Configs=[dict(Name=k.replace('_', '.'), Value=v) for k, v in configs.items()])], TimeoutMs=10000)
    return answer['Topics'][0]


def advertised():
    out = {}
    for line in open(os.path.join(ROOT, 'lib/wire/table.api')):
        w = line.split()
        if w and w[0].isdigit() and w[3] != '-' and w[4] != '-':
            low, _, high = w[3].partition('-')
            out[int(w[0])] = (int(low), int(high or low))
    return out


def api_versions():
    want = advertised()
    for v in range(5):
        kw = dict(ClientSoftwareName='raw', ClientSoftwareVersion='1.0-x') if v > 2 else {}
        a = c.call('ApiVersions', v, **kw)
        got = {k['ApiKey']: (k['MinVersion'], k['MaxVersion']) for k in a['ApiKeys']}
        t.same((a['ErrorCode'], got), (0, want), 'ApiVersions %d advertises the table' % v)
    names = [f['Name'] for f in a['SupportedFeatures']]
    t.same(sorted(names), ['eligible.leader.replicas.version', 'group.version', 'kraft.version',
                           'metadata.version'], 'features of version 4')
    final = {f['Name']: f['MaxVersionLevel'] for f in a['FinalizedFeatures']}
    t.same(final.get('metadata.version'), 25, 'the finalized metadata.version')
    t.same(final.get('group.version'), 1, 'and group.version')
    t.ok(a['FinalizedFeaturesEpoch'] >= 0, 'and its epoch')
    a = c.call('ApiVersions', 3, ClientSoftwareName='raw', ClientSoftwareVersion='1')
    t.ok(all(f['MinVersion'] > 0 for f in a['SupportedFeatures']), 'version 3 hides minimum 0')
    for name, version in (('', '1'), ('-a', '1'), ('a', '1.'), ('a b', '1'), ('a', '')):
        a = c.call('ApiVersions', 3, ClientSoftwareName=name, ClientSoftwareVersion=version)
        t.same((a['ErrorCode'], a['ApiKeys']), (42, []), 'client software %r %r' % (name, version))
    for v in (5, 99, 32767, -1):
        c.send_frame(KEYS['ApiVersions'].to_bytes(2, 'big') + v.to_bytes(2, 'big', signed=True) +
                     (77).to_bytes(4, 'big') + b'\xff\xff\xff\xff')
        got = c.receive_frame()
        t.same(got.hex(), '0000004d' + '0023' + '00000001' + '0012' '0000' '0004',
               'version %d is answered as version 0 with the range (KIP-511)' % v)
    d = Client(port + 100)
    a = d.call('ApiVersions', 4, ClientSoftwareName='raw', ClientSoftwareVersion='1')
    keys = [k['ApiKey'] for k in a['ApiKeys']]
    t.ok(52 in keys and 0 not in keys and 18 in keys, 'the controller listener has its own list', keys)


def metadata():
    first = create('meta-a', 2)
    create('meta-b', 1)
    tid = first['TopicId']
    for v in range(14):
        a = c.call('Metadata', v, Topics=[dict(Name='meta-a')])
        broker = a['Brokers'][0]
        t.same((len(a['Brokers']), broker['NodeId'], broker['Host'], broker['Port']),
               (1, 1, '127.0.0.1', port), 'Metadata %d: the broker' % v)
        topic = a['Topics'][0]
        t.same((len(a['Topics']), topic['ErrorCode'], topic['Name'], topic.get('TopicId', tid),
                topic.get('IsInternal', False), len(topic['Partitions'])),
               (1, 0, 'meta-a', tid, False, 2), 'Metadata %d: the topic' % v)
        p = topic['Partitions'][1]
        t.same((p['ErrorCode'], p['PartitionIndex'], p['LeaderId'], p.get('LeaderEpoch', 0),
                p['ReplicaNodes'], p['IsrNodes'], p.get('OfflineReplicas', [])),
               (0, 1, 1, 0, [1], [1], []), 'Metadata %d: the partition' % v)
        if v >= 1:
            t.same(a['ControllerId'], 1, 'Metadata %d: a controller' % v)
        if v >= 2:
            t.same(a['ClusterId'], cluster, 'Metadata %d: the cluster' % v)
    both = {'meta-a', 'meta-b'}
    t.ok(both <= {x['Name'] for x in c.call('Metadata', 0, Topics=[])['Topics']}, 'version 0: empty is all')
    t.same(c.call('Metadata', 1, Topics=[])['Topics'], [], 'version 1: empty is none')
    t.ok(both <= {x['Name'] for x in c.call('Metadata', 1, Topics=None)['Topics']}, 'version 1: null is all')
    a = c.call('Metadata', 12, Topics=[dict(Name='meta-b'), dict(Name='meta-b')])
    t.same(len(a['Topics']), 1, 'a topic asked for twice is answered once')
    a = c.call('Metadata', 12, Topics=[dict(TopicId=tid, Name=None)])
    t.same((a['Topics'][0]['ErrorCode'], a['Topics'][0]['Name']), (0, 'meta-a'), 'by id')
    a = c.call('Metadata', 12, Topics=[dict(TopicId=b'\7' * 16, Name=None)])
    t.same((a['Topics'][0]['ErrorCode'], a['Topics'][0]['Name'], a['Topics'][0]['TopicId']),
           (100, None, b'\7' * 16), 'an unknown id')
    a = c.call('Metadata', 11, Topics=[dict(TopicId=tid, Name='x')])
    t.same(a['Topics'][0]['ErrorCode'], 42, 'ids are no use in version 11')
    a = c.call('Metadata', 10, Topics=[dict(Name=None)])
    t.same(a['Topics'][0]['ErrorCode'], 42, 'nor is no name')
    a = c.call('Metadata', 8, Topics=[dict(Name='meta-a')], IncludeClusterAuthorizedOperations=True,
               IncludeTopicAuthorizedOperations=True)
    t.same((a['ClusterAuthorizedOperations'], a['Topics'][0]['TopicAuthorizedOperations']),
           (ALL_OF_CLUSTER, ALL_OF_TOPIC), 'authorized operations')
    a = c.call('Metadata', 8, Topics=[dict(Name='meta-a')])
    t.same((a['ClusterAuthorizedOperations'], a['Topics'][0]['TopicAuthorizedOperations']),
           (NOT_ASKED, NOT_ASKED), 'not asked for')
    return tid


def creation():
    a = c.call('Metadata', 4, Topics=[dict(Name='not-made')], AllowAutoTopicCreation=False)
    t.same(a['Topics'][0]['ErrorCode'], 3, 'an unknown topic is not made when the client forbids it')
    for name in ('', '.', '..', 'a b', 'a/b', '../x', 'x' * 250, 'caf\u00e9'):
        a = c.call('Metadata', 4, Topics=[dict(Name=name)])
        t.same(a['Topics'][0]['ErrorCode'], 17, 'no topic name: %r' % name[:20])
    a = c.call('Metadata', 4, Topics=[dict(Name='meta-a'), dict(Name='made-now')])
    got = {x['Name']: (x['ErrorCode'], len(x['Partitions'])) for x in a['Topics']}
    t.same(got, {'meta-a': (0, 2), 'made-now': (0, 3)}, 'a topic is made and answered at once')
    many = [Client(port) for _ in range(100)]
    began = time.monotonic()
    for x in many:
        x.send('Metadata', 9, Topics=[dict(Name='storm')])
    topics = [x.receive()['Topics'][0] for x in many]
    t.ok(time.monotonic() - began < 10, 'a hundred clients ask for the same new topic')
    t.same({(x['ErrorCode'], x['TopicId'] if 'TopicId' in x else 0) for x in topics}, {(0, 0)},
           'and all get it')
    a = c.call('Metadata', 9, Topics=[dict(Name='__consumer_offsets')])
    x = a['Topics'][0]
    t.same((x['ErrorCode'], x['IsInternal'], len(x['Partitions'])), (0, True, 50),
           'an internal topic is made as its coordinator needs it')
    for x in many:
        x.close()


def cluster_and_coordinators():
    for v in range(3):
        a = c.call('DescribeCluster', v, IncludeClusterAuthorizedOperations=True)
        b = a['Brokers'][0]
        t.same((a['ErrorCode'], a['ClusterId'], a['ControllerId'], a['ClusterAuthorizedOperations'],
                b['BrokerId'], b['Host'], b['Port'], b.get('IsFenced', False)),
               (0, cluster, 1, ALL_OF_CLUSTER, 1, '127.0.0.1', port, False), 'DescribeCluster %d' % v)
    t.same(c.call('DescribeCluster', 1, EndpointType=2)['ErrorCode'], 114, 'controllers are asked elsewhere')
    t.same(c.call('DescribeCluster', 1, EndpointType=9)['ErrorCode'], 115, 'an unknown type of endpoint')
    until = time.time() + 20
    while c.call('FindCoordinator', 3, Key='g')['ErrorCode'] == 15 and time.time() < until:
        time.sleep(0.01)
    for v in range(4):
        a = c.call('FindCoordinator', v, Key='g')
        t.same((a['ErrorCode'], a['NodeId'], a['Host'], a['Port']), (0, 1, '127.0.0.1', port),
               'FindCoordinator %d' % v)
    for v in range(4, 7):
        a = c.call('FindCoordinator', v, CoordinatorKeys=['x', 'y'])
        got = [(x['Key'], x['ErrorCode'], x['NodeId'], x['Port']) for x in a['Coordinators']]
        t.same(got, [('x', 0, 1, port), ('y', 0, 1, port)], 'of several groups, %d' % v)
        a = c.call('FindCoordinator', v, KeyType=1, CoordinatorKeys=['x', 'y'])
        got = [(x['Key'], x['ErrorCode'], x['NodeId']) for x in a['Coordinators']]
        t.same(got, [('x', 15, -1), ('y', 15, -1)], 'FindCoordinator %d' % v)
    a = c.call('FindCoordinator', 5, KeyType=2, CoordinatorKeys=['x'])
    t.same(a['Coordinators'][0]['ErrorCode'], 42, 'no share coordinators before version 6')
    a = c.call('FindCoordinator', 1, KeyType=7, Key='x')
    t.same(a['ErrorCode'], 42, 'an unknown type of key')


def pages():
    create('page-a', 60)
    create('page-b', 5)

    def ask(**kw):
        a = c.call('DescribeTopicPartitions', 0, **kw)
        parts = [(x['Name'], len(x['Partitions']), x['ErrorCode']) for x in a['Topics']]
        cursor = a['NextCursor'] and (a['NextCursor']['TopicName'], a['NextCursor']['PartitionIndex'])
        return parts, cursor
    names = [dict(Name=n) for n in ('page-b', 'page-a', 'none', 'page-b', 'no/name')]
    parts, cursor = ask(Topics=names)
    t.same(parts, [('no/name', 0, 17), ('none', 0, 3), ('page-a', 50, 0)], 'the limit of the broker')
    t.same(cursor, ('page-a', 50), 'and where to go on')
    parts, cursor = ask(Topics=names, Cursor=dict(TopicName='page-a', PartitionIndex=50))
    t.same((parts, cursor), ([('page-a', 10, 0), ('page-b', 5, 0)], None), 'the next page')
    parts, cursor = ask(Topics=[dict(Name='page-b')], ResponsePartitionLimit=2)
    t.same((parts, cursor), ([('page-b', 2, 0)], ('page-b', 2)), 'the limit of the client')
    parts, cursor = ask(Topics=[dict(Name='page-a'), dict(Name='page-b')], ResponsePartitionLimit=10,
                        Cursor=dict(TopicName='page-a', PartitionIndex=50))
    t.same(cursor, ('page-b', 0), 'a limit that a topic fills exactly')
    parts, cursor = ask(Topics=[dict(Name='page-b')], Cursor=dict(TopicName='page-a', PartitionIndex=0))
    t.same(parts, [('page-b', 0, 42)], 'a cursor on what is not asked for')
    parts, cursor = ask(Topics=[dict(Name='page-b')], Cursor=dict(TopicName='page-b', PartitionIndex=-1))
    t.same(parts, [('page-b', 0, 42)], 'a negative cursor')
    parts, cursor = ask(Topics=[], Cursor=dict(TopicName='page-b', PartitionIndex=0))
    t.ok(('page-b', 5, 0) in parts and all(p[0] >= 'page-b' for p in parts), 'all topics from a cursor on')
    a = c.call('DescribeTopicPartitions', 0, Topics=[dict(Name='page-b')])['Topics'][0]
    p = a['Partitions'][0]
    t.same((a['TopicAuthorizedOperations'], p['LeaderId'], p['IsrNodes'], p['EligibleLeaderReplicas'],
            p['LastKnownElr'], p['OfflineReplicas']), (ALL_OF_TOPIC, 1, [1], [], [], []), 'a partition')


def configs():
    create('conf-a', 1, retention_ms='1234', cleanup_policy='compact')

    def ask(version, kind, name, keys=None, **kw):
        a = c.call('DescribeConfigs', version, Resources=[dict(
            ResourceType=kind, ResourceName=name, ConfigurationKeys=keys)], **kw)
        r = a['Results'][0]
        return r, {x['Name']: x for x in r['Configs']}
    for v in range(1, 5):
        r, all_ = ask(v, 2, 'conf-a', IncludeSynonyms=True)
        t.same((r['ErrorCode'], r['ResourceType'], r['ResourceName']), (0, 2, 'conf-a'), 'topic, version %d' % v)
        x = all_['retention.ms']
        t.same((x['Value'], x['ConfigSource'], x['ReadOnly'], x['IsSensitive'], x.get('ConfigType', 5)),
               ('1234', 1, False, False, 5), 'an override')
        t.same([(s['Name'], s['Value'], s['Source']) for s in all_['cleanup.policy']['Synonyms']],
               [('cleanup.policy', 'compact', 1), ('log.cleanup.policy', 'delete', 5)], 'and what is under it')
        x = all_['segment.bytes']
        t.same((x['Value'], x['ConfigSource']), ('1073741824', 5), 'a default')
    r, some = ask(4, 2, 'conf-a', ['retention.ms', 'no.such'], IncludeDocumentation=True)
    t.same(list(some), ['retention.ms'], 'only what is asked for')
    t.ok(some['retention.ms']['Documentation'], 'with its words')
    t.same(some['retention.ms']['Synonyms'], [], 'without synonyms')
    t.same(ask(4, 2, 'nowhere')[0]['ErrorCode'], 3, 'an unknown topic')
    t.same(ask(4, 2, 'no/name')[0]['ErrorCode'], 17, 'no topic name')
    r, all_ = ask(4, 4, '1', IncludeSynonyms=True)
    x = all_['max.request.partition.size.limit']
    t.same((r['ErrorCode'], x['Value'], x['ConfigSource'], x['ReadOnly']), (0, '50', 4, True),
           'a static setting of the broker')
    t.ok(not all_['log.retention.ms']['ReadOnly'], 'a setting that may be changed')
    secret = all_.get('ssl.keystore.password')
    t.ok(secret is None or (secret['IsSensitive'] and secret['Value'] is None), 'secrets are not told')
    t.same(ask(4, 4, '2')[0]['ErrorCode'], 42, 'another broker')
    t.same(ask(4, 4, 'x')[0]['ErrorCode'], 42, 'no broker id')
    c.call('IncrementalAlterConfigs', 1, Resources=[dict(ResourceType=4, ResourceName='', Configs=[
        dict(Name='log.retention.ms', ConfigOperation=0, Value='77777')])])
    r, all_ = ask(4, 4, '', IncludeSynonyms=True)
    t.same({n: (x['Value'], x['ConfigSource']) for n, x in all_.items()}, {'log.retention.ms': ('77777', 3)},
           'what is set for all brokers')
    r, some = ask(4, 2, 'page-b', ['retention.ms'], IncludeSynonyms=True)
    t.same((some['retention.ms']['Value'], some['retention.ms']['ConfigSource']), ('77777', 3),
           'and what topics have of it')
    t.same(ask(4, 8, '1')[0]['ErrorCode'], 0, 'loggers of this broker: none')
    t.same(ask(4, 8, '')[0]['ErrorCode'], 42, 'loggers of nobody')
    r, some = ask(4, 16, 'sub')
    t.same((r['ErrorCode'], some['interval.ms']['Value']), (0, '300000'), 'client metrics')
    t.same(ask(4, 16, '')[0]['ErrorCode'], 42, 'client metrics of nothing')
    group_configs(ask)
    t.same(ask(4, 3, 'g')[0]['ErrorCode'], 42, 'an unknown type of resource')


def group_configs(ask):
    def alter(name, value, group='grp'):
        return c.call('IncrementalAlterConfigs', 1, Resources=[dict(
            ResourceType=32, ResourceName=group, Configs=[
                dict(Name=name, ConfigOperation=0, Value=value)])])['Responses'][0]
    name = 'consumer.heartbeat.interval.ms'
    t.same(alter(name, '9000')['ErrorCode'], 0, 'a config of a group')
    r, some = ask(4, 32, 'grp', IncludeSynonyms=True)
    t.same((r['ErrorCode'], some[name]['Value'], some[name]['ConfigSource']), (0, '9000', 8),
           'and it has it')
    t.same(some[name]['Synonyms'][-1]['Name'], 'group.consumer.heartbeat.interval.ms',
           'before that of all groups')
    r, some = ask(4, 32, 'another')
    t.same((some[name]['Value'], some[name]['ConfigSource']), ('5000', 5), 'which others have')
    a = alter(name, '4999')
    t.same((a['ErrorCode'], a['ErrorMessage']),
           (40, name + ' must be in the range 5000 to 15000 inclusive.'), 'out of its limits')
    t.same(alter(name, 'often')['ErrorCode'], 40, 'no number')
    t.same(alter('retention.ms', '1')['ErrorCode'], 40, 'no config of groups')
    t.same(alter(name, '9000', '')['ErrorCode'], 42, 'nobody\'s')
    t.same(ask(4, 32, '')[0]['ErrorCode'], 42, 'configs of no group')


def resources():
    t.same(c.call('ListConfigResources', 0), dict(ThrottleTimeMs=0, ErrorCode=0, ConfigResources=[]),
           'ListConfigResources 0: client metrics, none')
    a = c.call('ListConfigResources', 1, ResourceTypes=[2, 4])
    got = {(x['ResourceType'], x['ResourceName']) for x in a['ConfigResources']}
    t.ok((2, 'conf-a') in got and (4, '1') in got and (8, '1') not in got, 'topics and brokers')
    a = c.call('ListConfigResources', 1)
    got = {(x['ResourceType'], x['ResourceName']) for x in a['ConfigResources']}
    t.ok((2, 'conf-a') in got and (8, '1') in got, 'all types')
    t.same(c.call('ListConfigResources', 1, ResourceTypes=[3])['ErrorCode'], 35, 'an unknown type')


def malformed():
    body = encode('MetadataRequest', 4, dict(Topics=[dict(Name='meta-a')]))
    head = b'\0\3\0\4\0\0\0\1\xff\xff'
    for cut in range(len(body)):
        d = Client(port)
        d.send_frame(head + body[:cut])
        if not t.ok(closes(d), 'Metadata cut at %d closes the connection' % cut):
            break
    for n in (0x7fffffff, 0x10000000, 2):
        d = Client(port)
        d.send_frame(head + n.to_bytes(4, 'big') + body[4:])
        t.ok(closes(d), 'a count of %#x closes the connection' % n)
    t.same(c.call('Metadata', 1, Topics=[])['Topics'], [], 'others are served')


def until(fn, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if fn(Client(port)):
                return True
        except (EOFError, OSError):
            pass
        time.sleep(0.02)
    return False


def deaths():
    def known(d):
        return d.call('Metadata', 12, Topics=[dict(Name='meta-a')])['Topics'][0]['ErrorCode'] == 0

    def made(d):
        a = d.call('Metadata', 9, Topics=[dict(Name='after')])
        return a['Topics'][0]['ErrorCode'] == 0 and len(a['Topics'][0]['Partitions']) == 3
    subprocess.run(['lab', 'kill', '-d', lab, '1', 'elect'], check=True)
    t.ok(known(Client(port)), 'while elect is away metadata is told')
    t.ok(until(made), 'when it is back a topic is made')
    subprocess.run(['lab', 'kill', '-d', lab, '1', 'metaserve'], check=True)
    t.ok(until(known), 'metaserve is killed and comes back with all it knew')


api_versions()
metadata()
creation()
cluster_and_coordinators()
pages()
configs()
resources()
malformed()
deaths()
t.done()
