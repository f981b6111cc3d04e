#!/bin/bash
# logput sends a key where Apache Kafka's Java producer sends it.
source t/lib.sh
lab_up || { fail 'a node starts'; done_testing; }
{
	seq 500 | sed 's/.*/key-&/'
	printf '%s\n' a ab abc abcd abcde '' ' ' 'ключ' '日本語' \
		"$(head -c 300 /dev/zero | tr '\0' k)"
} | sed 's/.*/&\tvalue of &/' >"$tmp/in"
topic make -p 7 java ours
kafka_tool kafka-console-producer --bootstrap-server "$ODRADEK_BROKERS" --topic java \
	--reader-property parse.key=true <"$tmp/in" >"$tmp/producer" 2>&1 ||
	diag "$(tail -n 5 "$tmp/producer")"
ok 'put' logput -K '\t' ours <"$tmp/in"
logget -e -f '%p %k %s\n' java | sort >"$tmp/java"
logget -e -f '%p %k %s\n' ours | sort >"$tmp/ours"
is 'all records of Java are there' "$(wc -l <"$tmp/java")" 510
ok 'each key in the same partition' cmp "$tmp/java" "$tmp/ours"
is 'all partitions are used' "$(cut -d ' ' -f 1 "$tmp/ours" | sort -u | wc -l)" 7
n=$(grep -c '^3 ' "$tmp/ours")
kafka_tool kafka-console-consumer --bootstrap-server "$ODRADEK_BROKERS" --topic ours --partition 3 \
	--offset earliest --max-messages "$n" --formatter-property print.key=true >"$tmp/read" 2>/dev/null
is 'Java reads what logput wrote' "$(md5sum <"$tmp/read")" "$(logget -e -p 3 -K '\t' ours | md5sum)"
done_testing
