#!/usr/bin/python3
# Each program is stopped for longer than anybody waits for it, and goes on later: nobody spins
# meanwhile, the node is fenced while it cannot serve and not any longer, no request is lost.
# COUNT and SECONDS (of each stop, until it is fenced at least) by hand, SEED, ONLY=program.
import os
import random
import shutil
import signal
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from load import LabNode, Load, cpu_seconds, name_of, until  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
count, seconds = int(os.environ.get('COUNT', 1)), float(os.environ.get('SECONDS', 1.2))
print('# SEED=%d COUNT=%d SECONDS=%g' % (seed, count, seconds), flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/3310-stopped.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
LEASED = {'logappend', 'logserve', 'metaserve'}
SPIN = 0.3    # of a core; a program that waits uses little, one that spins what it can get
# A third of a session is what a program may be silent for.
node = LabNode(tmp + '/lab', settings=['broker.session.timeout.ms=3000',
                                       'broker.heartbeat.interval.ms=500'])


def elect_said():
    with open(node.dir + '/logs/elect/current') as f:
        return [line.split('elect: info: ')[1].split(':')[0].strip() for line in f
                if 'fenced' in line]


def leader():
    client = raw.Client(node.port)
    answer = client.call('Metadata', 12, Topics=[{'Name': 'plain', 'TopicId': bytes(16)}])
    client.close()
    p = answer['Topics'][0]['Partitions'][0]
    return p['ErrorCode'], p['LeaderId'], len(answer['Brokers'])


def stop_one(program):
    wrong, before, pids = [], elect_said(), []
    if not until(lambda: pids.append(node.signal(program, signal.SIGSTOP)) or pids[-1] > 0, 20):
        return ['it does not run']
    pid = pids[-1]
    cpu = {p: (name, cpu_seconds(p)) for name, p in node.processes()}
    begin = time.time()
    try:
        if program in LEASED and not until(lambda: elect_said()[len(before):] == ['fenced'], 10):
            wrong.append('not fenced')
        elif program in LEASED - {'metaserve'} and not until(lambda: leader() == (5, -1, 0), 5):
            wrong.append('fenced, but Metadata says %s' % (leader(),))
        time.sleep(max(0, begin + seconds - time.time()))
        took = time.time() - begin
        for p, (name, used) in cpu.items():
            if cpu_seconds(p) - used > SPIN * took:
                wrong.append('%s uses %.2f s in %.2f' % (name, cpu_seconds(p) - used, took))
        if name_of(pid) != program:
            wrong.append('it is gone')
    finally:
        os.kill(pid, signal.SIGCONT)
    want = ['fenced', 'unfenced'] if program in LEASED else []
    if not until(lambda: elect_said()[len(before):] == want, 10):
        wrong.append('elect said %s' % elect_said()[len(before):])
    if not load.moved():
        wrong.append('it does not go on')
    if not until(lambda: leader() == (0, 1, 1), 5):
        wrong.append('Metadata says %s' % (leader(),))
    return wrong + load.wrong


try:
    if t.ok(node.running(), 'a node', node.started.stderr):
        load = Load(node, seed, rate=200)
        t.ok(load.moved() and until(lambda: 'recode' in node.programs(), 10),
             'clients are at work', *load.wrong)
        order = os.environ.get('ONLY', ' '.join(node.programs())).split() * count
        rng.shuffle(order)
        for program in order:
            begin = time.time()
            wrong = stop_one(program)
            t.ok(not wrong, '%s, %.0f s' % (program, time.time() - begin), *wrong, node.said())
            if wrong:
                break
        load.end()
        t.ok(not load.wrong, 'nothing is lost, doubled, moved or wrong: ' + ' '.join(
            '%s %d' % x for x in sorted(load.count.items())), *load.wrong, node.said(5))
        t.same(node.stop().returncode, 0, 'a clean stop')
finally:
    node.wreck()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
