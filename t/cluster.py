"""For tests that harm several nodes: a cluster of its own under clients that check every answer.

    cluster = Cluster(directory)     lab start -n 3; lab(words...), nodes, processes
    load = ClusterLoad(cluster, seed)    load.Load, with clients that go from node to node
    cluster.whole(partitions)        until every node sees all replicas of all topics in sync
    cluster.differences(topics)      what the replicas do not have in common
"""
import hashlib
import os
import random
import subprocess

import load
import raw
from load import Load, run, until


class Cluster:
    def __init__(self, directory, nodes=3, settings=()):
        os.environ['PATH'] = load.TOP + '/build/bin:' + os.environ['PATH']
        self.dir = directory
        self.first = int(run('bash', '-c', 'source t/lib.sh; ports; echo $port', '3400',
                             cwd=load.TOP).stdout)
        self.nodes = list(range(1, nodes + 1))
        self.broker = ','.join('127.0.0.1:%d' % self.port_of(n) for n in self.nodes)
        words = ['-n', str(nodes), '-p', str(self.first)]
        for s in settings:
            words += ['-c', s]
        self.started = self.lab('start', *words)

    def up(self, nodes):
        """All at once."""
        for p in [subprocess.Popen(['lab', 'up', '-d', self.dir, str(n)],
                                   stdout=subprocess.DEVNULL) for n in nodes]:
            p.wait()

    def port_of(self, node):
        return self.first + node - 1

    def lab(self, command, *words):
        return run('lab', command, '-d', self.dir, *map(str, words))

    def programs(self, node):
        directory = '%s/%d' % (self.dir, node)
        out = run(directory + '/svc/pids', directory).stdout.splitlines()
        return sorted({w.split('\t')[0] for w in out if not w.startswith('s6-')})

    def ask(self, node, api, version, **values):
        client = raw.Client(self.port_of(node), timeout=5)
        try:
            return client.call(api, version, **values)
        finally:
            client.close()

    def whole(self, seconds=60):
        """Until every node says of every partition that all its replicas are in sync."""
        def node_is(node):
            try:
                topics = self.ask(node, 'Metadata', 12, Topics=None)['Topics']
            except (OSError, EOFError):
                return False
            return all(p['LeaderId'] >= 0 and len(p['IsrNodes']) == len(p['ReplicaNodes'])
                       for t in topics for p in t['Partitions'])
        return until(lambda: all(node_is(n) for n in self.nodes), seconds, 0.05)

    def quorum_leader(self, seconds=30):
        found = []

        def one():
            for n in random.sample(self.nodes, len(self.nodes)):
                try:
                    a = self.ask(n, 'DescribeQuorum', 2, Topics=[{
                        'TopicName': '__cluster_metadata',
                        'Partitions': [{'PartitionIndex': 0}]}])
                    p = a['Topics'][0]['Partitions'][0]
                    if a['ErrorCode'] == 0 and p['ErrorCode'] == 0 and p['LeaderId'] > 0:
                        found.append(p['LeaderId'])
                        return True
                except (OSError, EOFError, IndexError):
                    pass
            return False
        return found[-1] if until(one, seconds, 0.05) else -1

    def differences(self, topics):
        """Of stopped nodes: partitions whose batches are not the same everywhere."""
        wrong = []
        for topic, n in topics.items():
            for i in range(n):
                sums = set()
                for node in self.nodes:
                    out = subprocess.run(['logdump', '%s/%d/log/%s-%d' % (
                        self.dir, node, topic, i)], capture_output=True)
                    sums.add((out.returncode, hashlib.sha256(out.stdout).hexdigest()))
                if len(sums) != 1 or [s for s in sums if s[0]]:
                    wrong.append('%s-%d: %s' % (topic, i, sorted(sums)))
        return wrong

    def check(self, node):
        """What logcheck finds in the directory of a stopped node."""
        got = run('logcheck', '%s/%d/log' % (self.dir, node))
        return got.returncode and (got.stdout + got.stderr)

    def wreck(self):
        run('bash', '-c', 'source t/lib.sh; lab_wreck "$1"', '3400', self.dir, cwd=load.TOP)

    def said(self, n=30):
        """The last lines of all programs together, in order of time."""
        return run('bash', '-c', 'cd "$1" && grep . */logs/*/current | sed "s,:, ," | '
                   'sort -k 3,3 | tail -n %d' % n, '-', self.dir).stdout


class ClusterLoad(Load):
    """Clients of a cluster: whoever's node is away goes to another one, a committer of offsets to
    the coordinator."""
    settings = {'socket.timeout.ms': 4000, 'topic.metadata.refresh.interval.ms': 2000}
    replicas = -1

    def __init__(self, cluster, seed, rate=300):
        self.choice = random.Random(seed)
        super().__init__(cluster, seed, rate)
        self.lenient = True

    def connect(self, state):
        nodes = self.node.nodes
        port = self.node.port_of(self.choice.choice(nodes))
        if state.get('group') and state.get('lost'):
            client = raw.Client(port, timeout=4)
            try:
                a = client.call('FindCoordinator', 4, KeyType=0,
                                CoordinatorKeys=[state['group']])['Coordinators'][0]
                if a['ErrorCode'] == 0:
                    port = a['Port']
            finally:
                client.close()
        return raw.Client(port, timeout=4)

    def ask(self, state, api, version, **values):
        answer, again = super().ask(state, api, version, **values)
        if again and api == 'CreateTopics':     # it lies in a node that was stopped, maybe
            self.repeated.update(t['Name'] for t in values['Topics'])
        return answer, again

    def settled(self, state, error_of, api, version, **values):
        def look(answer):
            error = error_of(answer)
            if error in (14, 15, 16) or error in load.RETRIABLE:
                state['lost'] = True
                if state.get('client'):
                    state['client'].close()
                state['client'] = None
            return error
        return super().settled(state, look, api, version, **values)
