#!/bin/bash
# Records leave by sendfile: gate and logserve neither read nor write them.
source t/lib.sh
lab_up -c odradek.flush=os
topic make -p 2 big
# what logserve has not seen growing it checks once, and reads for that
logget -e big >"$tmp/nothing"
logbench -n 40000 -s 1000 -B 65000 -c 2 -a 1 produce big >"$tmp/bench"
mapfile -t pids < <("$lab/1/svc/pids" "$lab/1" |
	awk '$1 == "gate" || $1 == "logserve" { print $2 }')
strace -f -q -o "$tmp/calls" -p "${pids[0]}" -p "${pids[1]}" \
	-e trace=read,readv,pread64,preadv,recvfrom,recvmsg,write,writev,sendto,sendmsg,sendfile &
tracer=$!
traced() {
	[ "$(cat "/proc/${pids[0]}/status" "/proc/${pids[1]}/status" | grep -c "TracerPid:.$tracer")" = 2 ]
}
until_ok 10 traced
ok 'consume' timeout 60 logbench -c 2 -F 1048576 consume big
kill $tracer
wait $tracer
total() { # total 1|0: bytes of sendfile, of all other calls
	awk -v only="$1" '{ sub(/^[0-9]+ +(<... )?/, "") }
		/= [0-9]+$/ && (/^sendfile/ == only) { n += $NF }
		END { print n + 0 }' "$tmp/calls"
}
ok "sendfile: $(total 1) bytes" test "$(total 1)" -ge 40000000
ok "all else: $(total 0) bytes" test "$(total 0)" -lt 4000000
done_testing
