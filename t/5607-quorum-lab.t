#!/bin/bash
# The quorum of three whole nodes: what the quorum command and Apache Kafka's own say of it, and
# change in it.
source t/lib.sh
roles() { quorum show | cut -f 1,2 | sort; }
follower() { quorum show | awk -F '\t' '$2 == "voter" { print $1, $9; exit }'; }
voters_are() { [ "$(quorum show | awk -F '\t' '$2 != "observer"' | wc -l)" = "$1" ]; }

lab_up -n 3 || { fail 'three nodes start'; done_testing; }
is 'three voters' "$(roles | cut -f 1 | paste -sd,)" 1,2,3
for i in 0 1 2; do
	is "node $((i + 1)) knows the same" "$(quorum -b "127.0.0.1:$((port + i))" show | cut -f 1,2)" \
		"$(quorum show | cut -f 1,2)"
done
kafka_tool kafka-metadata-quorum --bootstrap-server "$ODRADEK_BROKERS" describe --replication \
	>"$tmp/theirs" 2>&1
is 'the same for Apache Kafka'"'"'s command' \
	"$(awk '$1 ~ /^[0-9]+$/ { print $1, $2 }' "$tmp/theirs" | sort)" \
	"$(quorum show | awk '{ print $1, $9 }' | sort)"

read -r id directory < <(follower)
ok 'Apache Kafka'"'"'s command removes a voter' kafka_tool kafka-metadata-quorum \
	--bootstrap-server "$ODRADEK_BROKERS" remove-controller --controller-id "$id" \
	--controller-directory-id "$directory"
is 'it only follows now' "$(quorum show | awk -v n="$id" '$1 == n { print $2 }')" observer
ok 'quorum add' until_ok 10 quorum add "$id@127.0.0.1:$((port + 99 + id))"
ok 'it votes again' voters_are 3
id=$(quorum show | awk '$2 == "leader" { print $1 }')
ok 'quorum remove of the leader' quorum remove "$id"
ok 'another one leads' until_ok 10 voters_are 2
ok 'topics are made' until_ok 10 topic make -p 2 -r 3 after
ok 'it is added again' until_ok 10 quorum add "$id@127.0.0.1:$((port + 99 + id))"
ok 'three voters again' voters_are 3
kafka_tool kafka-dump-log --cluster-metadata-decoder \
	--files "$lab/$id/log/__cluster_metadata-0/00000000000000000000.log" >"$tmp/dump" 2>&1
is 'every change is a record of Kafka'"'"'s' "$(grep -c KRaftVoters "$tmp/dump")" 5
lab_down
done_testing
