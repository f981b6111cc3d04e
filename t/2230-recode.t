#!/bin/bash
# recode: every codec to every codec, ours and Kafka's; bombs; damage; requests of a co-process.
source t/lib.sh
cd "$tmp" || exit 1
mkdir kafka && tar -C kafka -xJf "$top/t/vectors/kafka-log.tar.xz"
first=00000000000000000000.log
seq 200000 | logappend -d numbers-0
for c in none gzip snappy lz4 zstd; do
	recode -c $c <numbers-0/$first >$c
	ok "$c and back" cmp <(recode <$c) numbers-0/$first
	ok "Kafka's $c" recode -c none <kafka/$c-0/$first
	recode -c zstd <kafka/$c-0/$first | recode | logappend -f -d again-$c-0
	is "Kafka's $c: the same records" "$(logdump again-$c-0 | cut -f2- | cksum)" \
		"$(logdump kafka/$c-0 | cut -f2- | cksum)"
done
ok 'they are smaller' test "$(stat -c %s gzip)" -lt $(($(stat -c %s none) / 2))
ok 'markers stay' cmp <(recode -c zstd <kafka/txn-0/$first | recode) kafka/txn-0/$first
recode -c lz4 <kafka/appendtime-0/$first | recode >back
ok 'append time stays' cmp back kafka/appendtime-0/$first

head -c 50000000 /dev/zero | logappend -d bomb-0
for c in gzip snappy lz4 zstd; do
	recode -c $c <bomb-0/$first >bomb.$c
	exits "$c: a bomb is refused" 1 recode -m 1000000 <bomb.$c
	like "$c: and why" "$(recode -m 1000000 <bomb.$c 2>&1)" 'larger than the limit'
	ok "$c: at the limit it is not" cmp <(recode -m 50000100 <bomb.$c) bomb-0/$first
	exits "$c: cut short" 1 recode < <(head -c 5000 $c)
done
exits 'rubbish' 1 recode < <(head -c 1000 /dev/urandom)
exits 'usage' 100 recode -c rar

python3 - >answers <<'P'
import os, socket, struct, subprocess
batch = open('zstd', 'rb').read()
n = struct.unpack('>i', batch[8:12])[0] + 12
batch = batch[:n]
ours, theirs = socket.socketpair()
p = subprocess.Popen(['recode'], stdin=theirs, stdout=theirs)
theirs.close()
def ask(kind, codec=255, flags=0, most=1 << 28, now=0, before=2**63 - 1, after=2**63 - 1, ts=0,
        offset=0, batch=batch):
    body = struct.pack('>BBBBIqqqqq', kind, codec, flags, 0, most, now, before, after, ts,
                       offset) + batch
    ours.sendall(struct.pack('>i', len(body)) + body)
    head = ours.recv(4, socket.MSG_WAITALL)
    a = ours.recv(struct.unpack('>i', head)[0], socket.MSG_WAITALL)
    error, bad, off, stamp = struct.unpack('>hHqq', a[:20])
    size = struct.unpack('>H', a[20:22])[0]
    return error, bad, off, a[22:22 + size].decode(), a
ts = struct.unpack('>q', batch[35:43])[0]
print('open', ask(2)[0], len(ask(2)[4]) > n)
print('time', ask(3, ts=0)[2], ask(3, offset=777)[2], ask(3, ts=ts + 1)[2])
print('check', ask(1, now=ts)[0])
print('compact', *ask(1, flags=1, now=ts)[:2])
print('old', *ask(1, now=ts + 10, before=5)[:2])
print('too large', ask(2, most=1000)[0])
print('corrupt', ask(2, batch=batch[:-1])[0], ask(2, batch=batch[:100] + b'x' + batch[101:])[0])
print('kind', ask(9)[0])
ours.close()
print('exit', p.wait())
P
is 'a co-process' "$(cat answers)" 'open 0 True
time 0 777 -1
check 0
compact 87 16
old 32 16
too large 10
corrupt 2 2
kind 42
exit 0'
done_testing
