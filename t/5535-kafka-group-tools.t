#!/bin/bash
# Apache Kafka's own tools for groups, and those that read as a member of one.
source t/lib.sh
ok 'a broker is up' broker_up -c group.initial.rebalance.delay.ms=0
b=(--bootstrap-server "$broker")

# Many runs of kafka-consumer-groups in one JVM: said() shows what the one with these options said.
run() {
	local line
	while read -r line; do
		case $line in
		kafka-*) echo "${kafka_class[${line%% *}]} --bootstrap-server \$B ${line#* }" ;;
		*) echo "${kafka_class[kafka-consumer-groups]} --bootstrap-server \$B $line" ;;
		esac
	done | kafka_java tools OFF 256M t/clients/Tools.java "$broker" >"$tmp/said" 2>"$tmp/words" ||
		diag "$(tail -n 20 "$tmp/words")"
}
said() { # said WORDS: what the run whose line ends in WORDS printed, and its exit code
	awk -v end="$*" '
		!/^== / { said = said $0 "\n"; next }
		substr($0, length($0) - length(end) + 1) == end { print said $2; exit }
		{ said = "" }' "$tmp/said" | tr -s ' ' | sed 's/ $//'
}

topic make -p 2 tool
seq 100 | logput -p 0 tool
seq 50 | logput -p 1 tool
is 'kafka-console-consumer --group' "$(kafka_tool kafka-console-consumer "${b[@]}" --topic tool \
	--group console --from-beginning --max-messages 150 2>/dev/null | sort -n | md5sum)" \
	"$( (seq 100; seq 50) | sort -n | md5sum)"
is 'kafka-console-consumer, group.protocol=consumer' \
	"$(kafka_tool kafka-console-consumer "${b[@]}" --topic tool --group young \
	--from-beginning --max-messages 150 \
	--command-property group.protocol=consumer 2>/dev/null | wc -l)" 150
kcat -b "$broker" -G member -q -X auto.offset.reset=earliest -X auto.commit.interval.ms=100 \
	-X client.id=kcat tool >"$tmp/kcat" 2>&1 &
reader=$!
committed() { group lag member 2>/dev/null | awk '{ n += $4 } END { exit n != 150 }'; }
ok 'a member' until_ok 30 committed
run <<-E
	--list
	--list --state
	--list --type consumer
	--describe --group member
	--describe --group member --members --verbose
	--describe --group member --state
	--describe --all-groups
	--delete --group member
	--reset-offsets --group member --all-topics --to-earliest --dry-run
	kafka-groups --list
	kafka-groups --list --consumer
E
is '--list' "$(said --list | sort | paste -sd,)" 0,console,member,young
like '--list --state' "$(said --list --state)" 'member Stable'
unlike '--list --type' "$(said --list --type consumer)" member
like '--list --type' "$(said --list --type consumer)" young
like '--describe' "$(said --describe --group member)" \
	$'member tool 0 100 100 0 kcat-[^ ]* /127.0.0.1 kcat\nmember tool 1 50 50 0 kcat'
like '--members --verbose' "$(said --members --verbose)" \
	'member kcat-[^ ]* /127.0.0.1 kcat 2 .*tool:0,1|member kcat-[^ ]* /127.0.0.1 kcat 2 .*tool\(0,1\)'
like '--describe --state' "$(said --group member --state)" "member $broker \(1\) range Stable 1"
like '--all-groups' "$(said --all-groups)" 'young tool'
like '--delete' "$(said --delete --group member)" 'GroupNotEmptyException'
like '--reset-offsets with a member' "$(said --to-earliest --dry-run)" 'inactive'
like 'kafka-groups' "$(said kafka-groups --list)$(said --list)" member
kill "$reader"
wait "$reader" 2>/dev/null

empty() { [ "$(group ls | awk -F'\t' '$1 == "member" { print $3 }')" = Empty ]; }
ok 'it leaves' until_ok 30 empty
now=$(date -u +%FT%T.000)
until_ok 5 eval '[ "$(date -u +%FT%T.000)" != "$now" ]'
seq 10 | logput -p 0 tool
r='--reset-offsets --group member'
printf '"tool",1,33\n' >"$tmp/plan.csv"
run <<-E
	$r --all-topics --to-earliest --dry-run
	$r --all-topics --to-earliest --execute
	$r --topic tool --to-offset 40 --execute
	$r --topic tool:0 --shift-by 7 --execute
	$r --topic tool:0 --shift-by -4 --execute
	$r --topic tool:1 --to-latest --execute
	$r --topic tool:0 --to-datetime $now --execute
	$r --topic tool:0 --by-duration PT1H --execute
	$r --all-topics --to-current --dry-run
	$r --all-topics --to-current --export --dry-run
	$r --from-file $tmp/plan.csv --execute
	--delete-offsets --group member --topic tool:0
	--describe --group member --offsets
	--delete --group member
	--delete --group console --group young
	--list --state
	--describe --group nobody
E
is '--to-earliest --dry-run' "$(said --to-earliest --dry-run | grep -c '^member tool [01] 0$')" 2
is '--to-earliest' "$(said --to-earliest --execute | grep -c '^member tool [01] 0$')" 2
is '--to-offset' "$(said --to-offset 40 --execute | grep -c '^member tool [01] 40$')" 2
like '--shift-by' "$(said --shift-by 7 --execute)" 'member tool 0 47'
like '--shift-by a negative number' "$(said --shift-by -4 --execute)" 'member tool 0 43'
like '--to-latest' "$(said --to-latest --execute)" 'member tool 1 50'
like '--to-datetime' "$(said "--to-datetime $now --execute")" 'member tool 0 100'
like '--by-duration' "$(said --by-duration PT1H --execute)" 'member tool 0 0'
is '--to-current' "$(said --to-current --dry-run | grep '^member' | sort)" \
	$'member tool 0 0\nmember tool 1 50'
like '--export' "$(said --export --dry-run)" 'tool"?,1,50'
like '--from-file' "$(said "--from-file $tmp/plan.csv --execute")" 'member tool 1 33'
like '--delete-offsets' "$(said --topic tool:0)" 'tool 0 Successful'
like 'of a group without members' "$(said --group member --offsets)" 'member tool 1 33 50 17 - - -'
unlike 'one is left' "$(said --group member --offsets)" 'tool 0'
like '--delete' "$(said --delete --group member)" 'successful'
unlike 'no group is left' "$(said --list --state)" 'member|console|young'
like 'no such group' "$(said --group nobody)" 'not exist|not found'

kafka_tool kafka-verifiable-consumer "${b[@]}" --topic tool --group-id verify --max-messages 160 \
	--reset-policy earliest --group-instance-id one >"$tmp/verify" 2>&1
is 'kafka-verifiable-consumer' "$(jq -Rsc 'split("\n") | map(fromjson?) | [
	(map(select(.name == "records_consumed").count) | add),
	(map(select(.name == "offsets_committed").success) | all)]' "$tmp/verify")" '[160,true]'
topic make -p 1 latency
like 'kafka-e2e-latency' "$(kafka_tool kafka-e2e-latency "${b[@]}" --topic latency \
	--num-records 100 --producer-acks all --record-size 100 2>&1)" 'Percentiles: 50th'
done_testing
