#!/bin/bash
# Each call that changes files, and malloc, fails at its first, second, ... time, once and for
# ever: logappend -d says so, never ends well with records missing, and the next opening finds a
# whole log.
source t/lib.sh
where=$(mktemp -d "/dev/shm/odradek-faults.XXXXXX") || exit 1
at_exit rm -rf "$where"
cd "$where" || exit 1
most=${MOST:-12} # times of each; MOST=1000 for all
seq -f 'record %06.0f' 1 6000 >numbers
append() { logappend -d n-0 -c segment.bytes=65600 -c segment.index.bytes=240; }
fault() { # fault CALL:N:ERROR...: append under it; false when it met no call
	rm -rf n-0 fired
	FAULT=$1 FAULT_FIRED=$where/fired LD_PRELOAD=$top/build/crash/shim-fault.so append \
		<numbers >out 2>err
	code=$?
	[ -e fired ]
}
prefix() { # the log is openable and holds the first records, all of them after a good end
	append </dev/null >out 2>err2 || { cat err2; return 1; }
	logdump n-0 | cut -f 6 >got
	[ "$1" = 0 ] && { cmp numbers got; return; }
	cmp -n "$(stat -c %s got)" numbers got && logcheck n-0
}
try() { # try CALL ERROR [ever]
	local call=$1 error=$2 n name="$*" met=0
	for ((n = 1; n <= most; n++)); do
		fault "$call:$n:$error${3:+:$3}" || break
		((++met))
		case $error,$code in
		EINTR,0 | short,0) ;;
		*,111 | *,0) ;;
		*) fail "$name: the ${n}th: exit $code" && return; diag "$(cat err)"; return ;;
		esac
		if [ "$code" != 0 ] && [ "$(wc -l <err)" != 1 ]; then
			fail "$name: the ${n}th: one line says why"
			diag "$(cat err)"
			return
		fi
		prefix "$code" >wrong 2>&1 || {
			fail "$name: the ${n}th: what is left, after exit $code"
			diag "$(cat err wrong)"
			return
		}
	done
	pass "$name: failed at $met calls"
}
for call in write pwrite pwritev fsync fdatasync ftruncate open rename unlink mkdir; do
	for error in EIO ENOSPC EDQUOT; do
		try "$call" "$error"
		try "$call" "$error" ever
	done
done
for call in write pwrite pwritev; do
	try "$call" EINTR
	try "$call" short
	try "$call" short ever
done
try malloc ENOMEM
try malloc ENOMEM ever
done_testing
