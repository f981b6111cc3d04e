#!/bin/bash
# The writers of logs are killed before each system call that changes files, one after the other:
# what was acknowledged is there, and a second recovery changes nothing. SEED, OPS and STRIDE by
# hand: STRIDE=1 kills at every call, 0 (the default here) at some 150 calls a script.
source t/lib.sh
seed=${SEED:-$((RANDOM << 15 | RANDOM))} stride=${STRIDE:-0} points=${POINTS:-150}
echo "# SEED=$seed"
RANDOM=$seed
step=$top/build/crash/step drive=$top/build/crash/drive
where=$(mktemp -d "/dev/shm/odradek-crash.XXXXXX") || exit 1 # a kill does not need a disk
at_exit rm -rf "$where"
cd "$where" || exit 1
again() { # again COMMAND...: kills it before call 1, 2, ... ; each time: fresh, it, then checked
	local name=$1 n last=0 by killed=0
	shift
	fresh
	"$step" 0 count "$@" >out 2>err </dev/null || { fail "$name: runs"; diag "$(cat err)"; return; }
	read -r last _ <count
	by=$stride
	((by > 0)) || by=$((last / points + 1))
	for ((n = 1 + (by > 1 ? RANDOM % by : 0); n <= last; n += by)); do
		fresh
		"$step" "$n" count "$@" >out 2>err </dev/null
		[ $? = 137 ] || break # another time makes a call less
		((++killed))
		checked >wrong 2>&1 || break
	done
	if ((n <= last || killed == 0)); then
		fail "$name: killed at call $n of $last ($(cut -d' ' -f2 count))"
		diag "$(cat wrong)"
		[ -z "${KEEP:-}" ] || cp -r "$where" "$tmp"
	else
		pass "$name: killed at $killed of $last calls"
	fi
}

properties="version=1
cluster.id=$(random_id)
node.id=1
directory.id=$(random_id)"

# --- lib/log, by the script of drive.c ----------------------------------------
fresh() {
	rm -rf log
	mkdir log
	echo "$properties" >log/meta.properties
}
checked() { # with the page of the killed owner, and without
	rm -rf lost && cp -r log lost && "$drive" check log "$seed" "$ops" out page && logcheck log &&
		"$drive" check lost "$seed" "$ops" out && logcheck lost && rm -r lost
}
ops=${OPS:-60}
for ((i = 0; i < 3; i++)); do
	again "script $seed" "$drive" run log "$seed" "$ops"
	((++seed))
done

# --- its recovery, killed too ----------------------------------------
# shellcheck disable=SC2218
fresh
"$step" $((300 + seed % 100)) count "$drive" run log "$seed" "$ops" >dots 2>err
cp -r log crashed
fresh() { rm -rf log; cp -r crashed log; }
checked() { "$drive" check log "$seed" "$ops" dots && logcheck log; }
points=60
again "the recovery of script $seed" "$drive" open log "$seed" "$ops" dots
checked() { "$drive" check log "$seed" "$ops" dots page && logcheck log; }
again "its recovery with a page" "$drive" open log "$seed" "$ops" dots page

# --- logappend -d ----------------------------------------
seq -f 'record %06.0f' 1 6000 >numbers
fresh() { rm -rf n-0; }
append() { logappend -d n-0 -c segment.bytes=65600 -c segment.index.bytes=240 <"$1"; }
sums() { (cd n-0 && cksum -- *); }
whole() { # n-0 holds the first records of the input, in whole batches
	local n
	logdump n-0 | cut -f 6 >got
	n=$(wc -l <got)
	head -n "$n" numbers | cmp - got
}
checked() {
	append /dev/null && sums >first && append /dev/null && sums | diff first - && logcheck n-0 &&
		whole
}
export -f append
again 'logappend -d' bash -c 'append numbers'
files=$(find "$where/n-0" -name '*.log' -o -name '*.index' -o -name '*.timeindex' \
	-o -name '*.snapshot' | paste -sd,)
kafka_tool kafka-dump-log --deep-iteration --index-sanity-check --files "$files" >dump 2>&1
is "Kafka's dump tool reads all of it" \
	"$(grep -iE 'isvalid: false|mismatch|error|exception' dump)" ''
done_testing
