"""The questions of t/5683-offsets-answers.t about committed offsets: offsets.py PORT. One line an
answer, without what differs from run to run."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from raw import Client  # noqa: E402

port = int(sys.argv[1])
c = Client(port)


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items() if k not in ('ThrottleTimeMs',)}
    if isinstance(x, (list, tuple)):
        return sorted((plain(v) for v in x), key=lambda v: json.dumps(v, sort_keys=True))
    return x.hex() if isinstance(x, bytes) else x


def say(what, answer):
    print('%s: %s' % (what, json.dumps(plain(answer), sort_keys=True)), flush=True)


def ask(api, version, what='', **kw):
    say('%s %d%s' % (api, version, what and ', ' + what), c.call(api, version, **kw))


def part(i, offset, metadata='', epoch=-1):
    more = {} if epoch < 0 else dict(CommittedLeaderEpoch=epoch)
    return dict(PartitionIndex=i, CommittedOffset=offset, CommittedMetadata=metadata, **more)


def topic(name, *parts):
    return [dict(Name=name, Partitions=list(parts))]


def commit(version, group, topics, what='', **kw):
    ask('OffsetCommit', version, what, GroupId=group, Topics=topics,
        **dict(dict(GenerationIdOrMemberEpoch=-1, MemberId=''), **kw))


def fetch(version, group, what='', topics=None, **kw):
    if version < 8:
        ask('OffsetFetch', version, what, GroupId=group, Topics=topics, **kw)
    else:
        ask('OffsetFetch', version, what, Groups=[dict(GroupId=group, Topics=topics)], **kw)


def index(name, *partitions):
    return [dict(Name=name, Partitions=[dict(PartitionIndex=i) for i in partitions])]


def both(name, *partitions):
    return [dict(Name=name, PartitionIndexes=list(partitions))]


for _ in range(1000):
    if all(x['ErrorCode'] == 0 for x in
           c.call('FindCoordinator', 4, CoordinatorKeys=['g%d' % i for i in range(100)])['Coordinators']):
        break
    time.sleep(0.02)
c.call('CreateTopics', 7, TimeoutMs=10000, Topics=[
    dict(Name='t', NumPartitions=3, ReplicationFactor=1, Configs=[]),
    dict(Name='u', NumPartitions=1, ReplicationFactor=1, Configs=[])])
for _ in range(1000):
    a = c.call('OffsetCommit', 8, GroupId='first', GenerationIdOrMemberEpoch=-1,
               Topics=topic('t', part(2, 1)) + topic('u', part(0, 1)))
    if not any(p['ErrorCode'] for x in a['Topics'] for p in x['Partitions']):
        break
    time.sleep(0.02)

for v in range(2, 10):
    g = 'g%d' % v
    commit(v, g, topic('t', part(0, 10 + v), part(1, 20 + v, 'said')) + topic('u', part(0, v)))
    commit(v, g, topic('t', part(3, 1)) + topic('none', part(0, 1)), 'what is not there')
    commit(v, g, topic('t', part(0, 99), part(3, 1)), 'some of it')
    commit(v, g, [], 'nothing')
    commit(v, g, topic('t', part(0, 1, None)), 'no metadata')
    commit(v, g, topic('t', part(0, 1, 'x' * 4097), part(1, 77)), 'metadata too long')
    commit(v, g, topic('t', part(0, 1)), 'a member', GenerationIdOrMemberEpoch=1, MemberId='m')
    commit(v, 'n%d' % v, topic('t', part(0, 1)), 'a member of no group',
           GenerationIdOrMemberEpoch=1, MemberId='m')
    commit(v, g, topic('t', part(0, 5)), 'a generation without a member',
           GenerationIdOrMemberEpoch=3)
    if v >= 6:
        commit(v, g, topic('t', part(0, 6, 'e', 4)), 'with an epoch')
    if v >= 7:
        commit(v, g, topic('t', part(0, 7)), 'with an instance', GroupInstanceId='i')
    if v <= 4:
        commit(v, g, topic('t', part(0, 8)), 'with a retention', RetentionTimeMs=1000000)
    commit(v, '', topic('t', part(0, v)), 'the empty group')
for v in range(1, 10):
    g = 'g%d' % max(v, 2)
    fetch(v, g, 'some', both('t', 0, 1, 2, 7) + both('none', 0))
    fetch(v, g, 'no topics', [])
    fetch(v, 'nobody', 'no such group', both('t', 0))
    fetch(v, '', 'the empty group', both('t', 0))
    if v >= 2:
        fetch(v, g, 'all')
        fetch(v, 'nobody', 'all of no such group')
    if v >= 7:
        fetch(v, g, 'stable', both('t', 0, 1), RequireStable=True)
for v in (8, 9):
    ask('OffsetFetch', v, 'several', Groups=[
        dict(GroupId='g8', Topics=both('t', 0)), dict(GroupId='g9', Topics=None),
        dict(GroupId='nobody', Topics=None)])
ask('OffsetFetch', 9, 'as a member', Groups=[
    dict(GroupId='g9', MemberId='m', MemberEpoch=3, Topics=both('t', 0))])
for v in range(6):
    ask('ListGroups', v)
for s in (['Empty'], ['empty', 'Stable'], ['Dead'], [' EMPTY '], ['nonsense']):
    ask('ListGroups', 4, str(s), StatesFilter=s)
for s in (['classic'], ['Consumer'], ['nonsense'], ['CLASSIC', 'consumer']):
    ask('ListGroups', 5, str(s), TypesFilter=s)
for v in range(7):
    kw = dict(IncludeAuthorizedOperations=True) if v >= 3 else {}
    ask('DescribeGroups', v, Groups=['g2', 'nobody', ''], **kw)
    ask('DescribeGroups', v, 'none', Groups=[])
for v in (0, 1):
    ask('ConsumerGroupDescribe', v, GroupIds=['g2', 'nobody', ''], IncludeAuthorizedOperations=True)
ask('OffsetDelete', 0, GroupId='g2', Topics=index('t', 0, 7) + index('none', 0))
fetch(9, 'g2', 'after it')
ask('OffsetDelete', 0, 'no such group', GroupId='nobody', Topics=index('t', 0))
ask('OffsetDelete', 0, 'the empty group', GroupId='', Topics=index('t', 0))
ask('OffsetDelete', 0, 'nothing', GroupId='g3', Topics=[])
for v in range(3):
    ask('DeleteGroups', v, GroupsNames=['g%d' % (v + 4), 'nobody', 'g%d' % (v + 4)])
    ask('DeleteGroups', v, 'none', GroupsNames=[])
    fetch(9, 'g%d' % (v + 4), 'after it')
ask('DeleteGroups', 2, 'the empty group', GroupsNames=[''])
ask('ListGroups', 5, 'at last')
ask('OffsetDelete', 0, 'all', GroupId='g3', Topics=index('t', 0, 1) + index('u', 0))
fetch(9, 'g3', 'after it')
