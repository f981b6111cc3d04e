#!/bin/bash
# logdump over the log directory of a real Apache Kafka node.
source t/lib.sh
cd "$tmp" || exit 1
mkdir kafka && tar -C kafka -xJf "$top/t/vectors/kafka-log.tar.xz"
want=$(python3 -c 'for i in range(300): print(("value %d of TOPIC " % i) * (1 + i % 5))')
for t in none gzip snappy lz4 zstd appendtime; do
	is "$t: values" "$(logdump "kafka/$t-0" | cut -f6 | cksum)" \
		"$(sed "s/TOPIC/$t/g" <<<"$want" | cksum)"
done
is 'columns' "$(logdump -o 3:4 kafka/gzip-0 | cut -f1,2,3,5,6,7)" \
	$'gzip-0\t3\t64\tk3\tvalue 3 of gzip value 3 of gzip value 3 of gzip value 3 of gzip \th=x3,n'
is 'a header line' "$(logdump -H kafka/none-0 | head -n 1)" \
	$'PARTITION\tOFFSET\tBYTES\tTIMESTAMP\tKEY\tVALUE\tHEADERS'
is 'a range' "$(logdump -o 297 kafka/none-0 | cut -f2 | paste -sd' ')" '297 298 299'
is 'of files' "$(logdump -o 2:4 kafka/none-0/*.log | cut -f2 | paste -sd' ')" '2 3'
is 'JSON' "$(logdump -J kafka/zstd-0 | jq -s 'map(.offset) | add')" $((299 * 150))
is 'batches: records' "$(logdump -b kafka/lz4-0 | awk '{ n += $4 } END { print n }')" 300
like 'batches: codec' "$(logdump -b kafka/lz4-0 | cut -f8,9,16 | sort -u)" $'lz4\tcreate\tok'
is 'append time' "$(logdump -b kafka/appendtime-0 | cut -f9 | sort -u)" append
is 'markers' "$(logdump kafka/txn-0 | grep -c 'COMMIT.*{"coordinatorEpoch":0}')" 4
is 'kinds' "$(logdump -b kafka/txn-0 | cut -f15 | sort | uniq -c | awk '{ print $2, $1 }')" \
	$'marker 6\ntransactional 30'
is 'txnindex' "$(logdump kafka/txn-0/*.txnindex | cut -f1-3)" $'txn-0\t6\t11\ntxn-0\t24\t29'
is 'snapshot' "$(logdump kafka/txn-0/*.snapshot | cut -f3-6)" $'2\t4\t28\t0\n2\t4\t34\t0'
is 'index' "$(logdump kafka/none-0/*.index | wc -l)" $(($(stat -c %s kafka/none-0/*.index) / 8))
is 'timeindex' "$(logdump kafka/none-0/*.timeindex | wc -l)" \
	$(($(stat -c %s kafka/none-0/*.timeindex) / 12))
is 'epochs' "$(logdump kafka/txn-0/leader-epoch-checkpoint)" $'txn-0\t0\t0'
is 'checkpoint' "$(logdump kafka/replication-offset-checkpoint | grep gzip)" $'gzip-0\t300'
like 'topic id' "$(logdump kafka/txn-0/partition.metadata)" $'^txn-0\t.{22}$'
is 'meta.properties' "$(logdump kafka/meta.properties | cut -f2,4)" $'1\t1'
like 'clean shutdown' "$(logdump kafka/.kafka_cleanshutdown)" '^[0-9]+$'
metadata=$(logdump kafka/__cluster_metadata-0)
for type in LEADER_CHANGE FeatureLevelRecord RegisterBrokerRecord TopicRecord PartitionRecord \
	ConfigRecord; do
	like "metadata: $type" "$metadata" $'\t'"$type"$'\t\\{'
done
like 'a topic in it' "$metadata" '"name":"appendtime"'
like 'snapshots of it' "$(logdump kafka/__cluster_metadata-0/*.checkpoint)" $'SNAPSHOT_HEADER\t\\{'
printf '\tt\\' | logappend -d odd-0
is 'escapes' "$(logdump odd-0 | cut -f6)" '\tt\\'
printf x | dd of=kafka/none-0/00000000000000000000.log bs=1 seek=200 conv=notrunc status=none
logdump kafka/none-0 >out 2>err
is 'damage: exit code' $? 1
like 'damage: where' "$(cat err)" 'none-0/00000000000000000000.log at [0-9]+: bad crc'
ok 'damage: the rest is there' test "$(wc -l <out)" -gt 200
exits 'no such file' 111 logdump nowhere
exits 'no such kind of file' 100 logdump "$top/Makefile"
exits 'usage' 100 logdump
ok 'a closed pipe' bash -c 'set -o pipefail
	logdump kafka/gzip-0 | head -n 1 >/dev/null || [ $? = 141 ]'
done_testing
