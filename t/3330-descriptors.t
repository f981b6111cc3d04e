#!/usr/bin/python3
# Each program in turn has no descriptor left, under clients that check everything, while others
# want to connect: nobody spins, nothing is lost, and when there are descriptors again all is
# answered. SIGPIPE ends none of them. COUNT=rounds, SEED, ONLY=program.
import os
import random
import resource
import select
import shutil
import signal
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
import raw  # noqa: E402
from load import LabNode, Load, cpu_seconds, until  # noqa: E402
from raw import Tap  # noqa: E402

seed = int(os.environ.get('SEED', random.randrange(1 << 32)))
count, seconds = int(os.environ.get('COUNT', 1)), float(os.environ.get('SECONDS', 0.8))
print('# SEED=%d COUNT=%d' % (seed, count), flush=True)
rng = random.Random(seed)
tmp = os.path.abspath('build/tmp/3330-descriptors.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
SPIN = 0.35     # of a core
node = LabNode(tmp + '/lab')


def lowest_free(pid):
    used = {int(x) for x in os.listdir('/proc/%d/fd' % pid)}
    return next(n for n in range(1 << 20) if n not in used)


def limit(program, seconds=20):
    """Its pid, and the limits it had; None: it did not run in time. A co-process is not there
    before it is needed, and goes with its owner."""
    found = []

    def one():
        pid = node.pid(program)
        try:
            if pid > 0:
                had = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free(pid), had[1]))
                found.append((pid, had))
        except (ProcessLookupError, FileNotFoundError):
            pass    # it ended just now
        return found
    return found[0] if until(one, seconds) else None


def starve(program):
    wrong, clients = [], []
    limited = limit(program)
    if not limited:
        return ['it does not run'], False
    pid, limits = limited
    begin = time.time()
    cpu = {p: (name, cpu_seconds(p)) for name, p in node.processes()}
    for api, version, values in [('Metadata', 12, {'Topics': None}),
                                 ('DescribeLogDirs', 4, {'Topics': None})] * 10:
        clients.append(raw.Client(node.port))
        clients[-1].send(api, version, **values)
    time.sleep(seconds)
    took = time.time() - begin
    for p, (name, used) in cpu.items():
        if cpu_seconds(p) - used > SPIN * took:
            wrong.append('%s uses %.2f s in %.2f' % (name, cpu_seconds(p) - used, took))
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    except ProcessLookupError:
        pass    # it ended, and began again with all it may have
    answered = 0
    for c in clients:
        ready = select.select([c.socket], [], [], 10)[0]
        try:
            answered += bool(ready and c.receive())
        except (OSError, EOFError):
            pass
        c.close()
    if node.pid(program) == pid and answered != len(clients):
        wrong.append('%d of %d connections were answered' % (answered, len(clients)))
    if not node.ready() or not load.moved():
        wrong.append('it does not go on')
    return wrong + load.wrong, node.pid(program) == pid


try:
    if t.ok(node.running(), 'a node', node.started.stderr):
        load = Load(node, seed, rate=200)
        load.lenient = True
        t.ok(load.moved() and until(lambda: 'recode' in node.programs(), 10),
             'clients are at work', *load.wrong)
        order = os.environ.get('ONLY', ' '.join(node.programs())).split() * count
        rng.shuffle(order)
        for program in order:
            wrong, lived = starve(program)
            t.ok(not wrong, '%s has no descriptor left%s' % (
                program, '' if lived else ', and is started again'), *wrong, node.said())
            if wrong:
                break
        before = [node.pid(s) for s in node.services]
        for s in node.services:
            node.signal(s, signal.SIGPIPE)
        t.ok(load.moved(), 'SIGPIPE for all', *load.wrong)
        t.same([node.pid(s) for s in node.services], before, 'ends none')
        load.end()
        t.ok(not load.wrong, 'nothing is lost, doubled, moved or wrong: ' + ' '.join(
            '%s %d' % x for x in sorted(load.count.items())), *load.wrong, node.said(5))
        t.same(node.stop().returncode, 0, 'a clean stop')
finally:
    node.wreck()
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
