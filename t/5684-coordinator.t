#!/bin/bash
# The life of a coordinator: its writes are fenced by leader epoch, it waits for its partitions, it
# outlives those it depends on, and lets go of what is no longer there.
source t/lib.sh
ok 'a node' lab_up -c offsets.topic.num.partitions=3 -c num.partitions=1
asks() { # asks API VERSION EXPRESSION ARGS: the answer a, as an expression sees it
	python3 - "$port" "$@" <<-'P'
		import sys
		sys.path.insert(0, 't')
		from raw import Client
		port, api, version, expression, args = sys.argv[1:]
		a = Client(int(port), timeout=60).call(api, int(version), **eval('dict(%s)' % args))
		print(eval(expression))
	P
}
commit() { # commit OFFSET
	asks OffsetCommit 8 "a['Topics'][0]['Partitions'][0]['ErrorCode']" \
		"GroupId='g', GenerationIdOrMemberEpoch=-1, Topics=[dict(Name='orders', Partitions=[
			dict(PartitionIndex=0, CommittedOffset=$1)])]"
}
committed() {
	asks OffsetFetch 8 "a['Groups'][0]['ErrorCode'] or [x['CommittedOffset']
		for t in a['Groups'][0]['Topics'] for x in t['Partitions']]" \
		"Groups=[dict(GroupId='g', Topics=[dict(Name='orders', PartitionIndexes=[0])])]"
}
find() { asks FindCoordinator 4 "a['Coordinators'][0]['ErrorCode']" "CoordinatorKeys=['g']"; }
is_now() { [ "$("${@:2}")" = "$1" ]; }

topic make orders >/dev/null
is 'without the topic there is no coordinator' "$(commit 1)" 16
is 'the first question makes it' "$(find)" 15
ok 'and then there is one' until_ok 10 is_now 0 find
ok 'which takes commits' until_ok 10 is_now 0 commit 5
is 'and has them' "$(committed)" '[5]'

produced() { # produced LISTENER EPOCH: the error of a Produce with that epoch in its tagged field
	(cd "$lab/1" && python3 - "$top/t" "$@") <<-'P'
		import struct, sys
		sys.path.insert(0, sys.argv[1])
		import raw
		from port import Port, batch, LOCAL, BROKER
		listener, epoch = (LOCAL if sys.argv[2] == 'local' else BROKER), int(sys.argv[3])
		plain, tag = raw.put_fields, raw.varint(10000) + b'\4' + struct.pack('>i', epoch)
		def put(fields, values, version, flexible):
		    out = plain(fields, values, version, flexible)
		    if [f.name for f in fields] == ['Index', 'Records']:
		        out = out[:-1] + b'\1' + tag
		    return out
		raw.put_fields = put
		p = Port('run/logappend')
		n = p.send('Produce', 11, listener=listener, Acks=-1, TimeoutMs=5000, TopicData=[dict(
		    Name='orders', PartitionData=[dict(Index=0, Records=batch([b'x']))])])
		a = p.receive(n)
		print(a['Responses'][0]['PartitionResponses'][0]['ErrorCode'])
	P
}
is 'its epoch is checked: the one in force' "$(produced local 0)" 0
is 'another' "$(produced local 1)" 74
is 'nobody else has one' "$(produced broker 1)" 0

lab pause -d "$lab" 1 logserve
lab kill -d "$lab" 1 groupcoord
ok 'while it loads it says so' until_ok 10 is_now 14 committed
ok 'with a silent program the node gives up its partitions' until_ok 20 is_now 16 committed
lab resume -d "$lab" 1 logserve
ok 'then it has everything' until_ok 20 is_now '[5]' committed

s6-svc -wD -d "$lab/1/run/s6/logappend"
is 'without logappend a commit fails in time' "$(commit 7)" 16
s6-svc -u "$lab/1/run/s6/logappend"
ok 'it is taken again' until_ok 20 is_now 0 commit 8
is 'the failed one is not there' "$(committed)" '[8]'

lab pause -d "$lab" 1 logappend
(commit 9 >"$tmp/late") &
ok 'behind a logappend that stands still' lab resume -d "$lab" 1 logappend
wait
is 'it is only late' "$(cat "$tmp/late")" 0

topic rm __consumer_offsets >/dev/null
ok 'without its topic it lets go' until_ok 10 is_now 16 committed
find >/dev/null
ok 'a new one is empty' until_ok 20 is_now '[-1]' committed
ok 'and good' until_ok 10 is_now 0 commit 10
lab_down
done_testing
