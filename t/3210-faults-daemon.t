#!/usr/bin/python3
# System calls of logappend and logsync fail: no answer says that it is safe after an error, a
# failed sync is never tried again and the service stays down, a full disk is over when there is
# room.
import os
import shutil
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, 't')
from port import Node, batch, read_log  # noqa: E402
from raw import Tap  # noqa: E402

tmp = os.path.abspath('build/tmp/3210-faults-daemon.%d' % os.getpid())
os.makedirs(tmp)
t = Tap()
STORAGE_ERROR = 56
nodes = 0


def node_with(**fault):
    """A node with a topic of two partitions and ten records in each; then the fault."""
    global nodes
    nodes += 1
    n = Node('%s/%d' % (tmp, nodes))
    n.topic('t', b't' * 16, 2)
    n.start()
    n.acked = {0: [], 1: []}
    for i in range(10):
        put(n, b'before %d' % i)
        put(n, b'before %d' % i, 1)
    n.stop() if fault.pop('clean', True) else n.kill()
    n.env.update({'LD_PRELOAD': os.path.abspath('build/crash/shim-fault.so'), **fault})
    return n


def put(n, value, partition=0):
    """The error code; None when there was no answer."""
    try:
        a = n.produce('t', batch([value]), partition=partition)
    except (OSError, EOFError):
        return None
    if a['ErrorCode'] == 0:
        n.acked[partition].append((a['BaseOffset'], value))
    return a['ErrorCode']


def heal(n):
    for k in ('LD_PRELOAD', 'FAULT', 'FAULT_PROGRAM', 'FAULT_WHILE'):
        n.env.pop(k, None)
    n.start()


def kept(n, what):
    """After a start without faults all that was acknowledged is there, and it goes on."""
    heal(n)
    good = put(n, b'after') == 0 and put(n, b'after', 1) == 0 and n.stop() == 0
    for partition, acked in n.acked.items():
        there = {b['base']: b['bytes'] for b in read_log(
            '%s/log/t-%d/%020d.log' % (n.dir, partition, 0))}
        good = good and all(v in there.get(o, b'') for o, v in acked)
    t.ok(good, what + ': nothing acknowledged is lost, and it goes on', n.said()[-1000:])


def ended(n):
    code, n.program = n.program.wait(20), None
    return code


def says(n, words, seconds=20):
    """logsync says it when logappend knows already, and may say it last."""
    end = time.time() + seconds
    while words not in n.said() and time.time() < end:
        time.sleep(0.02)
    return words in n.said()


def starts(n):
    try:
        n.start()
        return True
    except TimeoutError:
        return False


for error in ('EIO', 'ENOSPC'):
    n = node_with(FAULT='fdatasync:2:' + error, FAULT_PROGRAM='logsync')
    n.start()
    t.same(put(n, b'one'), 0, error + ' of a later sync: the first record is answered')
    t.same(put(n, b'two'), None, 'the one whose sync failed is not')
    t.same(ended(n), 102, 'logappend exits 102')
    t.ok(says(n, 'logsync: fatal: unable to sync'), 'logsync says why', n.said())
    kept(n, 'afterwards')

n = node_with(FAULT='syncfs:1:EIO', FAULT_PROGRAM='logappend', clean=False)
t.ok(not starts(n), 'EIO of the sync after a kill: it does not serve')
t.same(ended(n), 102, 'and exits 102')
t.ok(os.path.exists(n.dir + '/run/sync-failed'), 'the next start will read the disk itself')
kept(n, 'afterwards')

finish = ['/usr/bin/execlineb', '-S1', 'svc/logappend/finish']
t.same([subprocess.run(finish + [c, '0']).returncode for c in ('102', '100', '111', '0')],
       [125, 125, 0, 0], 'the service stays down after 102')

# Checkpoints of the start and of the stop.
for error in ('EIO', 'EDQUOT'):
    for nth in range(1, 30):
        n = node_with(FAULT='fsync:%d:%s' % (nth, error), FAULT_PROGRAM='logappend', FAULT_FIRED=tmp
                      + '/fired')
        code = 0
        if starts(n):
            put(n, b'during')
            n.program.terminate()
        code = ended(n)
        if not os.path.exists(tmp + '/fired'):
            break
        os.unlink(tmp + '/fired')
        if code != 102:
            t.ok(False, '%s of the %dth fsync: exit %d' % (error, nth, code), n.said()[-500:])
        if os.path.exists(n.dir + '/log/.kafka_cleanshutdown') and code:
            t.ok(False, '%s of the %dth fsync: yet a clean stop' % (error, nth))
        n.kill()
        shutil.rmtree(n.dir)
    t.ok(nth > 3, '%s of %d syncs of small files: it ends with an error' % (error, nth - 1))

for error in ('ENOSPC', 'EDQUOT', 'short'):
    full = tmp + '/full'
    n = node_with(FAULT='pwritev:1:%s:ever' % error, FAULT_PROGRAM='logappend', FAULT_WHILE=full)
    n.env['FAULT'] = 'pwritev:1:%s:ever' % error
    n.start()
    end = n.slots()['t-0']['log_end']
    open(full, 'w').close()
    got = [put(n, b'no room %d' % i) for i in range(3)]
    if error == 'short':
        t.same(got, [0, 0, 0], 'short writes go on where they stopped')
    else:
        t.same(got, [STORAGE_ERROR] * 3, error + ': a retriable error')
        t.same(n.slots()['t-0']['log_end'], end, 'nothing of it is in the log')
    os.unlink(full)
    t.same([put(n, b'room'), put(n, b'room', 1)], [0, 0], 'with room it goes on by itself')
    t.same(n.stop(), 0, 'a clean stop')
    kept(n, error)

# A roll needs room for more than records; a partition that finds none waits and is not offline.
for call in ('open', 'pwrite', 'ftruncate', 'pwritev'):
    full = tmp + '/full'
    n = node_with(FAULT=call + ':1:ENOSPC:ever', FAULT_PROGRAM='logappend', FAULT_WHILE=full)
    n.start()
    n.config('t', segment_bytes='1048576', index_interval_bytes='0')
    for i in range(2):
        open(full, 'w').close()
        got = {put(n, b'%d:' % k + bytes(300000)) for k in range(5)}
        t.ok(STORAGE_ERROR in got and got <= {0, STORAGE_ERROR},
             'no room for %s: a retriable error' % call, got)
        os.unlink(full)
        t.same([put(n, b'%d:' % k + bytes(300000)) for k in range(5)], [0] * 5,
               'with room the roll is done')
    t.same(n.stop(), 0, 'a clean stop')
    heal(n)
    t.same(sorted(v for f in os.listdir(n.dir + '/log/t-0') if f.endswith('.log')
                  for b in read_log(n.dir + '/log/t-0/' + f) for v in [b['base']]),
           sorted(o for o, _ in n.acked[0]), call + ': what was acknowledged is there, once')
    n.stop()
    shutil.rmtree(n.dir)

n = node_with(FAULT='pwritev:2:EIO', FAULT_PROGRAM='logappend')
n.start()
t.same([put(n, b'1'), put(n, b'2'), put(n, b'3')], [0, STORAGE_ERROR, STORAGE_ERROR],
       'EIO of a write: no answer but an error, and the partition is offline')
t.same(put(n, b'other', 1), 0, 'others are not')
n.kill()
kept(n, 'EIO of a write')

bad = 0
for nth in list(range(1, 40, 3)) + [100, 200, 400, 800]:
    n = node_with(FAULT='malloc:%d:ENOMEM' % nth, FAULT_PROGRAM='logappend')
    if starts(n):
        put(n, b'little memory')
        n.kill()
    else:
        bad += n.program.wait(20) not in (111, -6)
        n.program = None
    heal(n)
    bad += put(n, b'after') != 0 or n.stop() != 0
    shutil.rmtree(n.dir)
t.same(bad, 0, 'without memory it ends, or goes on')
if not t.failures and not os.environ.get('KEEP'):
    shutil.rmtree(tmp)
t.done()
