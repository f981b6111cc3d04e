#!/usr/bin/python3
# Ten thousand groups with an offset each: all are there again soon after groupcoord is killed, in
# little memory. COUNT=N groups instead.
import os
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from raw import Client, Tap  # noqa: E402

COUNT = int(os.environ.get('COUNT', 10000))
os.environ['PATH'] = os.path.abspath('build/bin') + ':' + os.environ['PATH']
t = Tap()
lab = os.path.abspath('build/tmp/5682-groups-many.%d' % os.getpid())
port = int(subprocess.run(['bash', '-c', 'source t/lib.sh; ports; echo $port'], text=True,
                          capture_output=True).stdout)


def run(*words):
    return subprocess.run(words, capture_output=True, text=True)


def pid():
    for line in run('lab', 'pids', '-d', lab).stdout.split('\n'):
        if line.split('\t')[1:2] == ['groupcoord']:
            return int(line.split('\t')[2])


def resident():
    for line in open('/proc/%d/smaps_rollup' % pid()):
        if line.startswith('Pss_Anon:'):
            return int(line.split()[1]) * 1024


def name(i):
    return 'group-%06d' % i


def ready(c):
    while True:
        a = c.call('FindCoordinator', 4, CoordinatorKeys=[name(0)])['Coordinators'][0]
        if not a['ErrorCode'] and not c.call('ListGroups', 5)['ErrorCode']:
            return
        time.sleep(0.01)


def commit_all(c):
    """Those that were not taken: a coordinator that has just come up is still loading."""
    left = list(range(COUNT))
    while left:
        again = []
        for at in range(0, len(left), 500):
            for i in left[at:at + 500]:
                c.send('OffsetCommit', 8, GroupId=name(i), GenerationIdOrMemberEpoch=-1, Topics=[
                    dict(Name='t', Partitions=[dict(PartitionIndex=0, CommittedOffset=i)])])
            for i in left[at:at + 500]:
                if c.receive()['Topics'][0]['Partitions'][0]['ErrorCode']:
                    again.append(i)
        left = again


def listed():
    try:
        a = Client(port).call('ListGroups', 5)
        return -1 if a['ErrorCode'] else len(a['Groups'])
    except OSError:
        return -1


def main():
    r = run('lab', 'start', '-d', lab, '-p', str(port), '-c', 'odradek.flush=os')
    t.ok(r.returncode == 0, 'a node', r.stderr)
    run('topic', '-b', '127.0.0.1:%d' % port, 'make', '-p', '1', 't')
    c = Client(port)
    ready(c)
    before = resident()
    commit_all(c)
    t.same(listed(), COUNT, 'all groups are there')
    took = 100
    for _ in range(3):
        old, start = pid(), time.time()
        os.kill(old, 9)
        while listed() != COUNT and time.time() - start < 60:
            pass
        took = min(took, time.time() - start)
    print('# %.0f ms from the kill to the list of all' % (1000 * took), flush=True)
    t.ok(took < 3, 'and soon again after a kill', took)
    each = (resident() - before) / COUNT
    print('# %.0f bytes a group' % each, flush=True)
    t.ok(each < 2048, 'in 2 KiB a group', each)
    got = Client(port).call('OffsetFetch', 8, Groups=[
        dict(GroupId=name(i), Topics=[dict(Name='t', PartitionIndexes=[0])])
        for i in range(COUNT)])['Groups']
    wrong = [g['GroupId'] for g in got
             if g['ErrorCode'] or g['Topics'][0]['Partitions'][0]['CommittedOffset'] !=
             int(g['GroupId'].split('-')[1])]
    t.same((len(got), wrong[:3]), (COUNT, []), 'each with its offset, asked for at once')


try:
    main()
finally:
    run('lab', 'kill', '-d', lab, '1')
    run('bash', '-c', 'source t/lib.sh; lab_wreck "$1"; rm -rf "$1"', 'x', lab)
t.done()
