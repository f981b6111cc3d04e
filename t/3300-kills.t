#!/usr/bin/python3
# kill -9 of each program, of pairs within a second, of one that recovers, of the whole node, under
# clients that check everything: nothing acknowledged is lost or doubled, order is kept, clients
# that retry see no error, the node comes back by itself. COUNT=25 for the full counts, SEED,
# ONLY=phase.
import itertools
import os
import random
import shutil
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from load import LabNode, Load, name_of, until  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
count = int(os.environ.get('COUNT', 1))
only = os.environ.get('ONLY', 'each pairs recovery node').split()
print('# SEED=%d COUNT=%d' % (seed, count), flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/3300-kills.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
node = LabNode(tmp + '/lab')


def kill(program):
    with load.excuse(program == 'gate'):
        if node.kill(program) < 0:
            load.complain('nothing to kill:', program)


def phase(name, fn, *args):
    if name.split()[0] not in only or load.wrong:
        return
    begin = time.time()
    n = fn(*args)
    ready, moved = node.ready(), load.moved()
    t.ok(ready and moved and not load.wrong, '%s: %d times, %.0f s' % (
        name, n, time.time() - begin), 'ready %s, moved %s' % (ready, moved), dict(load.count),
        *load.wrong, node.said())


def each(programs):
    order = programs * count
    rng.shuffle(order)
    for program in order:
        kill(program)
        time.sleep(rng.uniform(0.02, 0.4))
    return len(order)


def pairs(programs):
    every = list(itertools.combinations(programs, 2))
    rng.shuffle(every)
    every = every if count > 1 else every[:4]
    for pair in every:
        for program in rng.sample(pair, 2):
            kill(program)
            time.sleep(rng.uniform(0, 0.5))
    return len(every)


def recovery(services):
    """Again as soon as it is there again, or a little later."""
    order = services * count if count > 1 else rng.sample(services, 3)
    for program in order:
        kill(program)
        until(lambda: name_of(node.pid(program)) == program, 10, 0)
        time.sleep(rng.uniform(0, 0.03))
        kill(program)
        time.sleep(rng.uniform(0, 0.4))
    return len(order)


def whole(n):
    """Every third time it is killed again while it starts."""
    for i in range(n):
        with load.excuse():
            node.kill_all()
            if i % 3 == 2:
                start = subprocess.Popen(['lab', 'up', '-d', node.lab, '1'],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.uniform(0, 0.4))
                node.kill_all()
                start.wait()
                node.kill_all()
            up = node.up()
            if up.returncode:
                load.complain('lab up', up.stderr[-500:])
        time.sleep(rng.uniform(0, 1))
    return n


try:
    if t.ok(node.running(), 'a node', node.started.stderr):
        load = Load(node, seed)
        t.ok(load.moved(), 'clients are at work', *load.wrong)
        t.ok(until(lambda: set(node.programs()) > set(node.services) | {'recode'}, 10),
             'programs: ' + ' '.join(node.programs()))
        programs = node.programs()
        phase('each', each, programs)
        load.lenient = True    # three deaths under one request, or more than two seconds away
        phase('pairs', pairs, programs)
        phase('recovery', recovery, node.services)
        phase('node', whole, 20 if count > 1 else 3)
        load.end()
        t.ok(not load.wrong, 'nothing is lost, doubled, moved or wrong: ' + ' '.join(
            '%s %d' % x for x in sorted(load.count.items())), *load.wrong, node.said(5))
        t.same(node.stop().returncode, 0, 'a clean stop')
        logs = [d.path for d in os.scandir(node.dir + '/log') if d.is_dir()]
        found = subprocess.run(['logcheck'] + logs, capture_output=True, text=True)
        t.ok(found.returncode == 0, 'logcheck is content', found.stdout[-2000:], found.stderr)
finally:
    node.wreck()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
