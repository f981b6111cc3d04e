#!/bin/bash
# A node whose files were damaged while it was down: a consumer that comes to a wrong batch gets
# CORRUPT_MESSAGE, for that partition only; what lies before and behind it is read as ever.
source t/lib.sh
ports
lab_up || exit 1
ok 'a topic' topic make -p 2 t
for p in 0 1; do
	for i in {10..39}; do echo "record $i of $p" | logput -p $p t >/dev/null; done
done
ok 'it stops' lab stop -d "$lab"
size=$(($(stat -c %s "$lab/1/log/t-0/00000000000000000000.log") / 30))
printf x | dd of="$lab/1/log/t-0/00000000000000000000.log" bs=1 seek=$((12 * size + size - 3)) \
	conv=notrunc status=none
ok 'and starts' lab start -d "$lab"
is 'the other partition is whole' "$(logget -o 0 -e -p 1 t 2>&1 | wc -l)" 30
at() { # at OFFSET: error code and bytes of an answer from there on
	python3 - "$port" "$1" <<-'P'
		import sys
		sys.path.insert(0, 't')
		from raw import Client
		a = Client(int(sys.argv[1])).call('Fetch', 12, MaxWaitMs=0, MinBytes=1, MaxBytes=1 << 20,
			Topics=[dict(Topic='t', Partitions=[dict(
				Partition=0, FetchOffset=int(sys.argv[2]), PartitionMaxBytes=1 << 20)])])
		p = a['Responses'][0]['Partitions'][0]
		print(p['ErrorCode'], len(p['Records'] or b''))
	P
}
like 'what lies before the damage is read' "$(at 0)" '^0 [1-9]'
is 'the batch itself is CORRUPT_MESSAGE' "$(at 12)" '2 0'
is 'all of it' "$(for i in {0..29}; do at "$i"; done | grep -c '^2 ')" 1
like 'what lies behind it is read' "$(at 13)" '^0 [1-9]'
like 'the file and the place are said' "$(cat "$lab"/1/logs/logserve/current)" \
	't-0/00000000000000000000.log at [0-9]+: bad crc'
done_testing
