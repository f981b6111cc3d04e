#!/usr/bin/python3
"""Asks a broker what clients of classic groups ask, good and bad, by version, and prints a line for
each answer: VERSION QUESTION, a tab, the answer. Member ids are m1, m2 ... as they come.

    classic.py PORT
"""
import re
import sys

from raw import Client

port = int(sys.argv[1])
names = {}


def name(text):
    if re.search(r'-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', text):
        return names.setdefault(text, 'm%d' % (len(names) + 1))
    return text


def plain(v):
    if isinstance(v, dict):
        return '{%s}' % ' '.join('%s=%s' % (k, plain(x)) for k, x in v.items()
                                 if k not in ('ThrottleTimeMs', 'AuthorizedOperations'))
    if isinstance(v, list):
        return '[%s]' % ' '.join(sorted(plain(x) for x in v))
    if isinstance(v, bytes):
        return v.decode('latin-1')
    return name(v) if isinstance(v, str) else str(v)


class Member:
    """One client: its connection, and what it was told last."""
    def __init__(self, version, group, **more):
        self.c, self.version, self.group = Client(port), version, group
        self.id, self.generation, self.protocol = '', -1, None
        self.more = more

    def say(self, question, answer):
        print('%d %s: %s\t%s' % (self.version, self.group, question, plain(answer)), flush=True)

    def instance(self, values, least, version):
        if 'instance' in self.more and version >= least:
            values['GroupInstanceId'] = self.more['instance']

    def ask_join(self, protocols=(('range', b'r'),), **values):
        ask = {'GroupId': self.group, 'SessionTimeoutMs': 10000, 'MemberId': self.id,
               'ProtocolType': 'consumer',
               'Protocols': [{'Name': n, 'Metadata': m} for n, m in protocols]}
        if self.version >= 1:
            ask['RebalanceTimeoutMs'] = 20000
        self.instance(ask, 5, self.version)
        ask.update(values)
        self.c.send('JoinGroup', self.version, **ask)

    def joined(self, question):
        got = self.c.receive()
        if got['ErrorCode'] in (0, 79):
            self.id = got['MemberId']
            self.generation, self.protocol = got['GenerationId'], got['ProtocolName']
        self.say(question, got)

    def join(self, question, **values):
        self.ask_join(**values)
        self.joined(question)

    def ask_sync(self, assignments=(), **values):
        version = min(self.version, 5)
        ask = {'GroupId': self.group, 'GenerationId': self.generation, 'MemberId': self.id,
               'Assignments': [{'MemberId': m.id, 'Assignment': a} for m, a in assignments]}
        self.instance(ask, 3, version)
        if version >= 5:
            ask.update(ProtocolType='consumer', ProtocolName=self.protocol)
        ask.update(values)
        self.c.send('SyncGroup', version, **ask)

    def synced(self, question):
        self.say(question, self.c.receive())

    def sync(self, question, *args, **values):
        self.ask_sync(*args, **values)
        self.synced(question)

    def beat(self, question, **values):
        version = min(self.version, 4)
        ask = {'GroupId': self.group, 'GenerationId': self.generation, 'MemberId': self.id}
        self.instance(ask, 3, version)
        ask.update(values)
        self.say(question, self.c.call('Heartbeat', version, **ask))

    def leave(self, question, members=None, **values):
        version = min(self.version, 5)
        ask = {'GroupId': self.group}
        if version >= 3:
            me = {'MemberId': self.id}
            self.instance(me, 3, version)
            ask['Members'] = members if members is not None else [me]
        else:
            ask['MemberId'] = self.id
        ask.update(values)
        self.say(question, self.c.call('LeaveGroup', version, **ask))

    def commit(self, question, **values):
        ask = {'GroupId': self.group, 'GenerationIdOrMemberEpoch': self.generation,
               'MemberId': self.id,
               'Topics': [{'Name': 't', 'Partitions': [
                   {'PartitionIndex': 0, 'CommittedOffset': 5, 'CommittedMetadata': ''}]}]}
        self.instance(ask, 7, 8)
        ask.update(values)
        self.say(question, self.c.call('OffsetCommit', 8, **ask))

    def describe(self, question, groups=None):
        for version in (0, 3, 6):
            self.say('%s, v%d' % (question, version),
                     self.c.call('DescribeGroups', version, Groups=groups or [self.group]))

    def close(self):
        self.c.close()


def life(version):
    """Two members come, work and go."""
    a, b = (Member(version, 'life%d' % version) for _ in 'ab')
    a.join('a joins')
    if version >= 4:
        a.join('with its id')
    a.describe('completing')
    a.beat('a heartbeat before the assignment')
    a.commit('a commits before the assignment')
    a.sync('a is assigned', [(a, b'all')])
    a.describe('stable')
    a.beat('a heartbeat')
    a.commit('a commits')
    a.sync('a asks again')
    if version >= 4:
        b.join('b joins')
    b.ask_join()
    while a.c.call('Heartbeat', 0, GroupId=a.group, GenerationId=a.generation,
                   MemberId=a.id)['ErrorCode'] != 27:
        pass
    a.beat('a is to join again')
    a.commit('a commits')
    a.sync('a asks for its assignment')
    a.describe('preparing')
    a.join('a joins again')
    b.joined('b has joined')
    b.ask_sync()
    a.sync('a assigns', [(a, b'one'), (b, b'two')])
    b.synced('b is assigned')
    b.join('b joins again, with nothing new')
    b.commit('b commits')
    a.describe('two members')
    b.leave('b leaves')
    b.leave('once more')
    b.beat('a heartbeat of one that has left')
    a.join('a is alone')
    a.sync('a is assigned', [(a, b'all')])
    a.leave('a leaves')
    a.describe('empty')
    a.close()
    b.close()


def mistakes(version):
    """What is refused, and how."""
    m = Member(version, 'mistakes%d' % version)
    m.join('no group', GroupId='')
    m.join('a short session', SessionTimeoutMs=5999)
    m.join('a long session', SessionTimeoutMs=1800001)
    m.join('an id that nobody has', MemberId='nobody')
    m.sync('SyncGroup to no group', GroupId='', ProtocolName='range')
    m.sync('SyncGroup to a group that is not there', GroupId='none', ProtocolName='range')
    m.beat('Heartbeat to no group', GroupId='')
    m.beat('Heartbeat to a group that is not there', GroupId='none')
    m.leave('LeaveGroup to no group', GroupId='')
    m.leave('LeaveGroup to a group that is not there', GroupId='none')
    m.describe('groups that are not there', ['none', ''])
    m.join('no protocols', protocols=())
    m.join('no type', ProtocolType='')
    m.join('joins')
    if version >= 4:
        m.beat('Heartbeat before it has joined')
        m.join('with its id')
    for word, values in (('an old generation', {'GenerationId': 0}),
                         ('a generation to come', {'GenerationId': 2}),
                         ('no id', {'MemberId': ''}), ('an unknown id', {'MemberId': 'x'})):
        m.sync('SyncGroup with ' + word, **values)
        m.beat('Heartbeat with ' + word, **values)
    if version >= 5:
        m.sync('SyncGroup with another protocol', ProtocolName='other')
        m.sync('SyncGroup with another type', ProtocolType='connect')
        m.sync('SyncGroup without a protocol', ProtocolName=None)
    m.sync('is assigned', [(m, b'a')])
    for word, values in (('an old generation', {'GenerationIdOrMemberEpoch': 0}),
                         ('no generation', {'GenerationIdOrMemberEpoch': -1}),
                         ('no id', {'MemberId': ''}), ('an unknown id', {'MemberId': 'x'}),
                         ('neither', {'MemberId': '', 'GenerationIdOrMemberEpoch': -1})):
        m.commit('OffsetCommit with ' + word, **values)
    other = Member(version, m.group)
    other.join('another protocol', protocols=(('other', b''),))
    other.join('another type', ProtocolType='connect')
    m.leave('leaves')
    m.commit('OffsetCommit of one that has left')
    m.commit('OffsetCommit of nobody', MemberId='', GenerationIdOrMemberEpoch=-1)
    m.close()
    other.close()


def statics(version):
    """Static members come back, are fenced and taken out."""
    a, b = (Member(version, 'static%d' % version, instance=i) for i in 'ab')
    a.join('a joins')
    b.ask_join()
    while a.c.call('Heartbeat', 3, GroupId=a.group, GenerationId=a.generation, MemberId=a.id,
                   GroupInstanceId='a')['ErrorCode'] != 27:
        pass
    a.join('a joins again')
    b.joined('b has joined')
    b.ask_sync()
    a.sync('a assigns', [(a, b'one'), (b, b'two')])
    b.synced('b is assigned')
    a.describe('static members')
    old, b.id = b.id, ''
    b.join('b comes back')
    b.sync('and has what it had')
    was, b.id = b.id, old
    b.beat('the old id in Heartbeat')
    b.join('the old id in JoinGroup')
    b.sync('the old id in SyncGroup')
    b.commit('the old id in OffsetCommit')
    b.leave('the old id in LeaveGroup')
    b.id = was
    a.id = ''
    a.join('the leader comes back')
    a.sync('and has what it had')
    a.beat('a heartbeat')
    a.join('an instance that nobody has', MemberId=a.id, GroupInstanceId='c')
    a.beat('an instance that nobody has', GroupInstanceId='c')
    if version >= 3:
        a.leave('members are taken out by name', [
            {'MemberId': '', 'GroupInstanceId': 'b'}, {'MemberId': '', 'GroupInstanceId': 'c'},
            {'MemberId': ''}, {'MemberId': 'x', 'GroupInstanceId': 'a'}])
    b.beat('one that was taken out')
    a.close()
    b.close()


def types(version):
    """Protocols by votes; other types than consumer."""
    a, b = (Member(version, 'types%d' % version) for _ in 'ab')
    kind = {'ProtocolType': 'connect'}
    a.join('a joins', protocols=(('x', b'1'), ('y', b'2')), **kind)
    if version >= 4:
        a.join('with its id', protocols=(('x', b'1'), ('y', b'2')), **kind)
        b.join('b joins', protocols=(('y', b'3'), ('z', b'4')), **kind)
    b.ask_join(protocols=(('y', b'3'), ('z', b'4')), **kind)
    while a.c.call('Heartbeat', 0, GroupId=a.group, GenerationId=a.generation,
                   MemberId=a.id)['ErrorCode'] != 27:
        pass
    a.join('a joins again', protocols=(('x', b'1'), ('y', b'2')), **kind)
    b.joined('b has joined')
    b.ask_sync(**({'ProtocolType': 'connect'} if version >= 5 else {}))
    a.sync('a assigns', [(a, b'one'), (b, b'two')],
           **({'ProtocolType': 'connect'} if version >= 5 else {}))
    b.synced('b is assigned')
    a.describe('of type connect')
    a.leave('a leaves')
    b.leave('b leaves')
    a.describe('the type stays')
    a.close()
    b.close()


def lists():
    c = Client(port)
    for version in range(6):
        more = [{}]
        if version >= 4:
            more += [{'StatesFilter': ['Stable']}, {'StatesFilter': ['empty', 'Dead']},
                     {'StatesFilter': ['nonsense']}]
        if version >= 5:
            more += [{'TypesFilter': ['Classic']}, {'TypesFilter': ['consumer']},
                     {'TypesFilter': ['nonsense']}]
        for values in more:
            got = c.call('ListGroups', version, **values)
            got['Groups'] = [g for g in got['Groups'] if g['GroupId'][-1:] == '9']
            print('%d ListGroups %s\t%s' % (version, values, plain(got)), flush=True)


Client(port).call('CreateTopics', 5, Topics=[{'Name': 't', 'NumPartitions': 1,
                                              'ReplicationFactor': 1}], TimeoutMs=10000)
c = Client(port)
while c.call('FindCoordinator', 3, Key='life9')['ErrorCode'] or c.call(
        'DescribeGroups', 0, Groups=['life9'])['Groups'][0]['ErrorCode']:
    pass
for v in range(2, 10):
    life(v)
    mistakes(v)
    if v >= 5:
        statics(v)
    types(v)
lists()
