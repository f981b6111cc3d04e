# shellcheck shell=bash disable=SC2016
# What topic, conf, broker, quorum, logput, logget and group do, whichever node $ODRADEK_BROKERS is:
# our own (5100, 5110, 5125) and Apache Kafka (5190).

says() { # says NAME CODE REGEX CMD...: exit code, and one line on standard error that looks so
	local name=$1 want=$2 like=$3 got=0
	shift 3
	"$@" >"$tmp/.says" 2>"$tmp/.words" || got=$?
	is "$name: exit code" "$got" "$want"
	like "$name: words" "$(cat "$tmp/.words")" "$like"
	is "$name: one line" "$(wc -l <"$tmp/.words")" 1
}

topic_suite() {
	is 'ls shows nothing on a fresh node' "$(topic ls)" ''
	ok 'make' topic make -p 3 -r 1 -c retention.ms=3600000 alpha
	is 'ls' "$(topic ls | cut -f 1-4)" $'alpha\t3\t1\tfalse'
	is 'ls -H' "$(topic -H ls | head -n 1)" $'TOPIC\tPARTITIONS\tREPLICAS\tINTERNAL\tID'
	is 'ls -J' "$(topic ls -J | jq -c '[.topic,.partitions,.replicas,.internal,(.id|length)]')" \
		'["alpha",3,1,false,22]'
	says 'make again' 1 '^topic: make alpha: TOPIC_ALREADY_EXISTS: ' topic make alpha
	ok 'make -e' topic make -e alpha
	says 'make with a bad name' 1 '^topic: make a/b: INVALID_TOPIC_EXCEPTION: ' topic make a/b
	says 'make with a bad config' 1 '^topic: make beta: INVALID_CONFIG: ' \
		topic make -c retention.ms=soon beta
	says 'make with too many replicas' 1 '^topic: make beta: INVALID_REPLICATION_FACTOR: ' \
		topic make -r 3 beta
	ok 'make -n' topic make -n beta
	is 'which made nothing' "$(topic ls | cut -f 1)" alpha
	says 'an option after the name is no topic' 100 '^topic: usage' topic make beta -p 3
	ok 'make several' topic make -p 1 beta gamma
	says 'one of two fails' 1 '^topic: make beta: TOPIC_ALREADY_EXISTS: ' topic make -p 1 beta delta
	is 'and the other is made' "$(topic ls | cut -f 1 | paste -sd,)" alpha,beta,delta,gamma

	seq 10 | logput -p 1 alpha
	is 'show' "$(topic show alpha | cut -f 1-3,5-)" \
		$'alpha\t0\t1\t1\t1\t-\t0\t0\t-\nalpha\t1\t1\t1\t1\t-\t0\t10\t-\nalpha\t2\t1\t1\t1\t-\t0\t0\t-'
	is 'show -J' "$(topic show -J alpha |
		jq -c 'select(.partition==1)|[.replicas,.isr,.offline,.end]')" \
		'[[1],[1],[],10]'
	is 'show -u: nothing is under-replicated' "$(topic show -u)" ''
	says 'show what is not there' 1 '^topic: show nothere: UNKNOWN_TOPIC_OR_PARTITION: ' \
		topic show nothere
	like 'on a terminal rows are aligned under a header' \
		"$(script -qec 'topic show alpha' /dev/null | head -n 1)" '^TOPIC  PARTITION  LEADER  EPOCH'

	ok 'grow' topic grow alpha 5
	is 'to five' "$(topic show alpha | wc -l)" 5
	says 'grow to fewer' 1 '^topic: grow alpha: INVALID_PARTITIONS: ' topic grow alpha 2

	is 'trim one partition' "$(topic trim alpha 1 4)" $'alpha\t1\t0\t4'
	is 'records before are gone' "$(logget -e -p 1 alpha | paste -sd,)" 5,6,7,8,9,10
	says 'trim beyond the end' 1 '^topic: trim alpha: OFFSET_OUT_OF_RANGE: ' topic trim alpha 1 99
	is 'trim all only tells' "$(topic trim alpha all -1 2>"$tmp/words" | sed -n 2p)" $'alpha\t1\t4\t10'
	is 'nothing is lost' "$(logget -e alpha | wc -l)" 6
	ok 'trim -x all' topic trim -x alpha all -1
	is 'all is gone' "$(logget -e alpha)" ''

	says 'rm what is not there' 1 '^topic: rm nothere: UNKNOWN_TOPIC_OR_PARTITION: ' topic rm nothere
	ok 'rm' topic rm beta gamma delta
	is 'leaves one' "$(topic ls | cut -f 1)" alpha

	says 'nobody there' 111 '^topic: 127.0.0.1:1: Connection refused$' topic -b 127.0.0.1:1 ls
	ok 'the second broker of a list' topic -b "127.0.0.1:1,$ODRADEK_BROKERS" ls
	says 'no verb' 100 '^topic: usage: ' topic
	says 'an unknown option' 100 '^topic: .*' topic ls -Q
	says 'a list that is none' 100 '^topic: usage: ' topic -b 'x:y' ls
}

conf_suite() {
	ok 'a topic' topic make -p 1 configured
	ok 'set' conf topic configured retention.ms=1000 cleanup.policy=compact
	is 'show' "$(conf topic configured |
		awk -F'\t' '$3 == "topic" { print $1 "=" $2 "," $4 "," $5 }')" \
		$'cleanup.policy=compact,list,false\nretention.ms=1000,long,false'
	is 'topic conf is the same' "$(topic conf configured)" "$(conf topic configured)"
	ok 'add to a list' conf topic configured cleanup.policy+=delete
	is 'two policies' "$(conf topic configured | awk '$1 == "cleanup.policy" { print $2 }')" \
		compact,delete
	ok 'take away' conf topic configured cleanup.policy-=compact
	ok 'unset' topic conf configured retention.ms-
	is 'what is left' "$(conf topic configured | awk '$3 == "topic" { print $1, $2 }')" \
		'cleanup.policy delete'
	like 'defaults with -a' "$(conf -a topic configured)" \
		$'(^|\n)segment.bytes\t1073741824\tdefault\tint\tfalse($|\n)'
	like 'words with -d' "$(conf -adJ topic configured |
		jq -r 'select(.key=="segment.bytes").words')" '[a-z]{4}'
	says 'a bad value' 1 '^conf: topic configured: INVALID_CONFIG: ' \
		conf topic configured retention.ms=x
	says 'an unknown key' 1 '^conf: topic configured: INVALID_CONFIG: ' conf topic configured no.such=1
	says 'no such topic' 1 '^conf: topic nothere: UNKNOWN_TOPIC_OR_PARTITION: ' conf topic nothere
	says 'check only' 1 'INVALID_CONFIG' conf -n topic configured retention.ms=x
	ok 'check only, good' conf -n topic configured retention.ms=5
	unlike 'changes nothing' "$(conf topic configured)" 'retention.ms'
	like 'a broker' "$(conf broker 1)" $'(^|\n)node.id\t1\tstatic\tint\ttrue'
	ok 'for all brokers' conf cluster log.retention.ms=86400000
	until_ok 10 grep -q . <(conf cluster | grep log.retention.ms)
	until_ok 10 cluster_wide
	is 'it holds for a broker' "$(conf broker 1 | grep '^log.retention.ms')" \
		$'log.retention.ms\t86400000\tcluster\tlong\tfalse'
	ok 'for one' conf broker 1 log.retention.ms=96400000
	until_ok 10 one_broker
	is 'which wins' "$(conf broker 1 | grep '^log.retention.ms' | cut -f 2,3)" $'96400000\tbroker'
	ok 'and off again' conf broker 1 log.retention.ms-
	ok 'both' conf cluster log.retention.ms-
	says 'read-only' 1 '^conf: broker 1: INVALID_REQUEST: ' conf broker 1 node.id=2
	says 'no such broker' 1 '^conf: ' conf broker 77
	says 'no change' 100 '^conf: usage: ' conf topic configured what
	topic rm configured
}
cluster_wide() { conf broker 1 | grep -q $'^log.retention.ms.*cluster'; }
one_broker() { conf broker 1 | grep -q $'^log.retention.ms.*broker'; }

node_suite() {
	local port=${ODRADEK_BROKERS##*:}
	is 'broker ls' "$(broker ls)" $'1\t127.0.0.1\t'"$port"$'\t-\tserving'
	is 'broker show' "$(broker show 1 | cut -f 1-5,11)" $'1\t127.0.0.1\t'"$port"$'\t-\tserving\t-'
	like 'its log directory' "$(broker show | cut -f 6-10)" \
		$'^/[^\t]*\t[0-9]+\t[0-9]+\t[0-9]+\t[0-9]+$'
	is 'its listeners' "$(broker show | cut -f 12)" "PLAINTEXT://127.0.0.1:$port"
	says 'no such broker' 1 '^broker: show' broker show 5
	like 'quorum show' "$(quorum show | head -n 1)" $'^1\tleader\t[0-9]+\t[0-9]+\t[0-9]+\t0\t'
	is 'quorum show -J' "$(quorum -J show | head -n 1 | jq -c '[.node,.role,.lag]')" '[1,"leader",0]'
	says 'usage' 100 '^quorum: usage: ' quorum hide
}

same() { cmp -s "$tmp/in" "$tmp/out"; }
put_get_suite() {
	local z f
	topic make -p 1 lines
	seq 300000 >"$tmp/in"
	ok 'put' logput lines <"$tmp/in"
	logget -e lines >"$tmp/out"
	ok 'get: the same bytes' same
	kcat -b "$ODRADEK_BROKERS" -C -t lines -e -q >"$tmp/out"
	ok 'kcat reads the same' same
	is '-c' "$(logget -c 3 lines | paste -sd,)" 1,2,3
	is '-o OFFSET' "$(logget -o 299998 -e lines | paste -sd,)" 299999,300000
	is '-o -N' "$(logget -o -2 -e lines | paste -sd,)" 299999,300000
	is '-n' "$(logget -n 1 -e lines)" 300000
	is '-n more than there is' "$(logget -n 999999999 -e lines | wc -l)" 300000
	is '-o end -e' "$(logget -o end -e lines)" ''
	says 'an offset beyond' 1 '^logget: lines 0: OFFSET_OUT_OF_RANGE' logget -o 300001 lines
	says 'no such topic' 1 '^logget: nothere: UNKNOWN_TOPIC_OR_PARTITION' logget nothere
	says 'no such partition' 1 '^logget: lines: no such partition' logget -p 1 lines
	says 'put: no such partition' 1 '^logput: lines: no such partition' logput -p 1 lines </dev/null
	logget lines | head -n 1 >/dev/null
	is 'SIGPIPE is obeyed' "${PIPESTATUS[0]}" 141

	topic make -p 1 parts
	printf 'a=1\nb=\nc\n\n=\n' | logput -K = -Z -H h1=v1 -H h2 -H h3= parts
	f='h1=v1,h2=NULL,h3=;'
	is 'keys, nulls, headers' "$(logget -e -f '%k|%K|%s|%S|%h;' parts)" \
		"a|1|1|1|${f}b|1||-1|$f|-1|c|1|$f|-1||-1|$f|-1||-1|$f"
	f='%t %p %o %T [%k] %K [%s] %S %R %h\x21\t%%\n'
	logget -e -f "$f" parts >"$tmp/out"
	kcat -b "$ODRADEK_BROKERS" -C -t parts -e -q -f "$f" >"$tmp/in"
	ok 'formats are those of kcat' same
	logget -e -J parts >"$tmp/out"
	kcat -b "$ODRADEK_BROKERS" -C -t parts -e -q -J >"$tmp/in"
	ok 'so is JSON' same
	logget -e -Z -K ' -> ' parts >"$tmp/out"
	kcat -b "$ODRADEK_BROKERS" -C -t parts -e -q -Z -K ' -> ' >"$tmp/in"
	ok 'and NULL' same

	topic make -p 1 zero
	printf 'a\nb\0c\0d' >"$tmp/in"
	logput -0 zero <"$tmp/in"
	logget -e -D '|' zero >"$tmp/out"
	is 'NUL ends records' "$(cat "$tmp/out")" $'a\nb|c|d|'
	is '-0' "$(logget -e -0 zero | xxd -p)" 610a620063006400
	printf 'x::y::' | logput -D :: -k all zero
	is 'longer delimiters, a key for all' "$(logget -e -n 2 -K : zero | paste -sd,)" all:x,all:y
	printf '\n\n' | logput zero
	is 'empty lines are records' "$(logget -e -n 2 -f '%S,' zero)" 0,0,
	is 'no input, no record' "$(: | logput zero; logget -e zero | wc -l)" 8

	topic make -p 4 spread
	seq 1000 | sed 's/.*/key-&:&/' | logput -i -K : spread
	is 'all partitions' "$(logget -e spread | sort -n | md5sum)" "$(seq 1000 | md5sum)"
	is 'each has some' "$(topic show spread | awk '$9 > 100' | wc -l)" 4
	is 'two of them' "$(logget -e -p 1,3 spread | wc -l)" \
		"$(topic show spread | awk '$2 % 2 { n += $9 } END { print n }')"
	topic make -p 4 unkeyed
	seq 200000 | logput -B 20000 unkeyed
	is 'without keys every partition gets batches' "$(topic show unkeyed | awk '$9 > 1000' | wc -l)" 4

	topic make -p 1 times
	printf 'old\n' | logput times
	z=$(logget -e -f '%T' times)
	until_ok 5 later "$z"
	printf 'new\n' | logput times
	is '-o s@' "$(logget -e -o "s@$((z + 1))" times)" new
	is '-o e@' "$(logget -o "e@$((z + 1))" times)" old
	is '-o s@ in the future' "$(logget -e -o "s@$((z + 99999999))" times)" ''

	for z in none gzip snappy lz4 zstd; do
		topic make -p 1 "codec-$z"
		seq 20000 | kcat -b "$ODRADEK_BROKERS" -P -t "codec-$z" -z "${z/none/none}" 2>/dev/null
		seq 20001 40000 | logput -i -z "$z" "codec-$z"
		is "$z, from kcat and from logput" "$(logget -e "codec-$z" | md5sum)" "$(seq 40000 | md5sum)"
		is "$z, for kcat" "$(kcat -b "$ODRADEK_BROKERS" -C -t "codec-$z" -e -q | md5sum)" \
			"$(seq 40000 | md5sum)"
	done

	topic make -p 1 -c max.message.bytes=30000 small
	seq 100000 >"$tmp/in"
	ok 'batches larger than a topic takes' logput -i small <"$tmp/in"
	logget -e small >"$tmp/out"
	ok 'become smaller ones' same
	ok 'compressed too' logput -i -z lz4 small <"$tmp/in"
	logget -e -o 100000 small >"$tmp/out"
	ok 'the same' same
	{ echo first; head -c 40000 /dev/zero | tr '\0' x; echo; } >"$tmp/in"
	says 'a record that is too large' 1 \
		'^logput: small 0: record 2: MESSAGE_TOO_LARGE: ' logput small <"$tmp/in"
	is 'the one before is there' "$(logget -e -n 1 small)" first

	topic make -p 1 mib
	head -c 1000000 /dev/urandom | base64 -w 0 | head -c 1000000 >"$tmp/in"
	ok 'a record of a million bytes' logput mib <"$tmp/in"
	logget -e -D '' mib >"$tmp/out"
	ok 'comes back' same

	for z in 0 1 all; do
		topic make -p 1 "acks-$z"
		seq 50000 | logput -a "$z" "acks-$z"
		is "acks $z" "$(logget -c 50000 "acks-$z" | md5sum)" "$(seq 50000 | md5sum)"
	done

	topic make -p 1 follow
	logget follow >"$tmp/out" &
	local reader=$!
	{ echo one; until_ok 10 grep -q one "$tmp/out"; echo two; } | logput follow
	ok 'a reader at the end gets what comes' until_ok 10 grep -q two "$tmp/out"
	kill "$reader"
	wait "$reader" 2>/dev/null

	says 'usage of logput' 100 '^logput: usage: ' logput
	says '-i needs all' 100 '^logput: usage: ' logput -i -a 1 lines
	says 'usage of logget' 100 '^logget: usage: ' logget -o soon lines
	says 'an unknown format' 100 '^logget: usage: ' logget -f '%q' lines
	says 'nobody there' 111 '^logput: 127.0.0.1:1: Connection refused' logput -b 127.0.0.1:1 lines
}
later() { [ "$(date +%s%3N)" -gt "$(($1 + 2))" ]; }

members() { [ "$(group show "$1" 2>/dev/null | cut -f 6 | grep -vc '^-$')" = "$2" ]; }
assigned() { [ "$(group show "$1" 2>/dev/null | cut -f 12 | grep -c :)" = "$2" ]; }
committed() {
	[ "$(group lag "$1" 2>/dev/null | awk '{ n += $4 } END { print n + 0 }')" = "$2" ]
}
judged() { group lag -s -l 0 "$@" | cut -f 2,3,10 | paste -sd' '; }
behind=0
falls_behind() { # a group of its own each time: what a group did before counts too
	((++behind))
	group reset -x -t judged "slow$behind" offset 50 >/dev/null && seq 100 | logput judged &&
		group reset -x -t judged "slow$behind" offset 60 >/dev/null &&
		[ "$(judged "slow$behind")" = $'judged\t0\tWARN' ]
}
stops() { [ "$(judged -W 1 idle)" = $'judged\t0\tSTOP' ]; }
group_suite() {
	local reader other z
	topic make -p 2 ga gb
	topic make -p 1 judged
	seq 100 | logput -p 0 ga
	seq 30 | logput -p 1 ga
	seq 10 | logput -p 0 gb
	is 'ls: no group yet' "$(group ls)" ''
	kcat -b "$ODRADEK_BROKERS" -G readers -X auto.offset.reset=earliest \
		-X auto.commit.interval.ms=100 ga gb \
		>"$tmp/got" 2>"$tmp/kcat" &
	reader=$!
	ok 'a member comes' until_ok 30 assigned readers 1
	ok 'it has committed all' until_ok 30 committed readers 140
	is 'ls' "$(group ls)" $'readers\tclassic\tStable\tconsumer\t1'
	is 'ls -H' "$(group -H ls | head -n 1)" $'GROUP\tTYPE\tSTATE\tPROTOCOL\tCOORDINATOR'
	is 'show' "$(group show readers | cut -f 1-5,7-8,10-12)" \
		$'readers\tclassic\tStable\trange\t-\t-\trdkafka\t-\tga,gb\tga:0,1 gb:0,1'
	is 'lag' "$(group lag readers | cut -f 1-6,8)" $'readers\tga\t0\t100\t100\t0\trdkafka
readers\tga\t1\t30\t30\t0\trdkafka
readers\tgb\t0\t10\t10\t0\trdkafka\nreaders\tgb\t1\t-\t0\t-\trdkafka'
	is 'lag -J' "$(group lag -J readers | jq -c '[.topic,.partition,.lag]' | tail -n 1)" \
		'["gb",1,null]'
	says 'a group with members stays' 1 '^group: rm readers: NON_EMPTY_GROUP: ' group rm readers
	says 'and is not reset' 1 '^group: reset readers: NON_EMPTY_GROUP: it has 1 members' \
		group reset -x readers earliest
	kcat -b "$ODRADEK_BROKERS" -G readers gb >/dev/null 2>&1 &
	other=$!
	ok 'one more member' until_ok 30 assigned readers 2
	says 'it subscribes to other topics' 0 \
		'^group: show readers: members subscribe to different topics: rdkafka: gb?.*; rdkafka: ' \
		group show readers
	kill "$reader" "$other"
	wait "$reader" "$other" 2>/dev/null
	ok 'they leave' until_ok 30 members readers 0
	is 'the group is empty' "$(group ls | cut -f 1,3)" $'readers\tEmpty'
	seq 7 | logput -p 1 ga
	is 'lag -w' "$(group lag -w '>5' | cut -f 1-6)" $'readers\tga\t1\t30\t37\t7'
	is 'lag -t' "$(group lag -t ga:0 -t gb readers | cut -f 2,3 | paste -sd' ')" $'ga\t0 gb\t0'
	says 'no such group' 1 '^group: lag nobody: GROUP_ID_NOT_FOUND: ' group lag nobody

	is 'reset only tells' "$(group reset readers earliest 2>"$tmp/words")" \
		$'readers\tga\t0\t100\t0\nreaders\tga\t1\t30\t0\nreaders\tgb\t0\t10\t0'
	is 'and says so' "$(cat "$tmp/words")" 'group: nothing is committed yet: -x does it'
	is 'nothing is changed' "$(group lag readers | cut -f 4 | paste -sd,)" 100,30,10
	ok 'reset -x' group reset -x readers latest
	is 'to the ends' "$(group lag readers | cut -f 4 | paste -sd,)" 100,37,10
	ok 'to an offset' group reset -x -t ga readers offset 20
	ok 'by a shift' group reset -x -t ga:1 readers shift -5
	is 'it is so' "$(group lag readers | cut -f 4 | paste -sd,)" 20,15,10
	says 'too far' 0 '^group: reset readers ga 1: -84 is outside: 0$' \
		group reset -x -t ga:1 readers shift -99
	z=$(logget -e -n 1 -p 1 -f '%T' ga)
	ok 'to a time' group reset -x -t ga readers time "$z"
	is 'what is older is behind' "$(group lag -t ga:1 readers | cut -f 4)" \
		"$(logget -e -p 1 -o "s@$z" -f '%o\n' ga | head -n 1)"
	ok 'a time as text' group reset -x readers time 2020-01-02T03:04:05.678Z
	is 'everything is later' "$(group lag readers | cut -f 4 | paste -sd,)" 0,0,0
	group reset -t gb readers latest 2>/dev/null | sed 's/10$/3/' |
		ok 'a plan, changed' group reset -x -
	is 'was carried out' "$(group lag -t gb readers | cut -f 3,4 | paste -sd,)" $'0\t3,1\t0'
	says 'a line that is none' 100 '^group: usage: line 1 is not' group reset - <<<'a b c'
	ok 'offsets of one topic go' group rm -t gb readers
	is 'the others stay' "$(group lag readers | cut -f 2 | paste -sd,)" ga,ga
	ok 'rm' group rm readers
	is 'it is gone' "$(group ls)" ''
	says 'rm again' 1 '^group: rm readers: GROUP_ID_NOT_FOUND: ' group rm readers

	seq 100 | logput judged
	ok 'a group of commits' group reset -x -t judged idle offset 10
	ok 'is made by a reset' group reset -x -t judged falls offset 10
	ok 'and by another' group reset -x -t judged falls offset 20
	is 'lag falls: OK' "$(judged falls)" $'judged\t0\tOK'
	ok 'the same offset' group reset -x -t judged idle offset 10
	is 'twice: STALL' "$(judged idle)" $'judged\t0\tSTALL'
	ok 'an offset behind it' group reset -x -t judged falls offset 15
	is 'a step back: WARN' "$(judged falls)" $'judged\t0\tWARN'
	ok 'to the end' group reset -x -t judged grows latest
	seq 100 | logput judged
	ok 'a little further' group reset -x -t judged grows shift 5
	is 'no lag at a time: OK' "$(judged grows)" $'judged\t0\tOK'
	ok 'behind, and further behind: WARN' until_ok 10 falls_behind
	exits 'any that is bad: 1' 1 group lag -s -l 0
	ok 'none over the threshold: 0' group lag -s
	ok 'silence: STOP' until_ok 10 stops
	ok 'they go' group rm idle falls grows $(seq -f 'slow%.0f' "$behind")
	topic rm ga gb judged

	says 'no verb' 100 '^group: usage: ' group
	says 'a condition that is none' 100 '^group: usage: ' group lag -w '~3'
	says 'a time that is none' 100 '^group: usage: ' group reset g time today
	says 'nobody there' 111 '^group: 127.0.0.1:1: Connection refused' group -b 127.0.0.1:1 ls
}

# logget as a member of groups, alone and with kcat.
shared_by() { # shared_by GROUP N: N members have partitions, 4 of them in all
	local parts
	parts=$(group show "$1" 2>/dev/null | cut -f 12 | grep -o '[0-9,]*$' | tr ',' '\n')
	[ "$(grep -c . <<<"$parts")" = 4 ] && assigned "$1" "$2"
}
committed_some() { [ "$(group lag "$1" 2>/dev/null | cut -f 4)" -gt 0 ] 2>/dev/null; }
has_lines() { [ "$(cat "${@:2}" 2>/dev/null | wc -l)" -ge "$1" ]; }
member_suite() {
	local a b z
	topic make -p 4 four
	topic make -p 1 other
	seq 4000 | sed 's/.*/&:&/' | logput -K : four
	seq 500 | logput other
	is 'a member reads all of two topics' "$(logget -g alone -e four other | sort -n | md5sum)" \
		"$( (seq 4000; seq 500) | sort -n | md5sum)"
	is 'and has committed it' "$(group lag alone | awk '{ n += $4; l += $6 } END { print n, l }')" \
		'4500 0'
	is 'the next finds nothing' "$(logget -g alone -e four other)" ''
	is 'and has left' "$(group ls | cut -f 1,3)" $'alone\tEmpty'
	is '-c: so many' "$(logget -g counted -c 7 other | paste -sd,)" 1,2,3,4,5,6,7
	is 'and as many are committed' "$(group lag counted | cut -f 4)" 7
	is 'the next goes on there' "$(logget -g counted -c 2 other | paste -sd,)" 8,9
	is '-o end: only what comes' "$(logget -g late -o end -e other)" ''
	is 'which is committed too' "$(group lag late | cut -f 4)" 500
	is 'at most once' "$(logget -m -g most -c 3 other | paste -sd,)" 1,2,3
	is 'goes on behind what it had' "$(logget -m -g most -e other | wc -l)" 497
	logget -g pipe other | head -n 3 >/dev/null
	is 'a reader that goes away: SIGPIPE' "${PIPESTATUS[0]}" 141
	ok 'but it has left the group first' members pipe 0

	logget -g pair -f '%p %s\n' four >>"$tmp/a" &
	a=$!
	logget -g pair -f '%p %s\n' four >>"$tmp/b" &
	b=$!
	ok 'two members share' until_ok 30 shared_by pair 2
	ok 'and read all' until_ok 30 has_lines 4000 "$tmp/a" "$tmp/b"
	: >"$tmp/a"
	: >"$tmp/b"
	seq 5001 9000 | sed 's/.*/&:&/' | logput -K : four
	ok 'what comes then' until_ok 30 has_lines 4000 "$tmp/a" "$tmp/b"
	is 'comes once' "$(cut -d' ' -f 2 "$tmp/a" "$tmp/b" | sort -n | md5sum)" \
		"$(seq 5001 9000 | md5sum)"
	is 'each partition to one' "$( (cut -d' ' -f 1 "$tmp/a" | sort -u
		cut -d' ' -f 1 "$tmp/b" | sort -u) | sort | paste -sd,)" 0,1,2,3
	kill "$b"
	wait "$b"
	is 'SIGTERM is a clean end' $? 0
	ok 'and leaves all to the other' until_ok 5 shared_by pair 1
	logget -g pair four >/dev/null &
	b=$!
	ok 'a third comes' until_ok 30 shared_by pair 2
	kill -9 "$b"
	wait "$b" 2>/dev/null
	ok 'and dies: its partitions move' until_ok 30 shared_by pair 1
	kcat -b "$ODRADEK_BROKERS" -G pair four >/dev/null 2>&1 &
	b=$!
	ok 'kcat shares with logget, which leads' until_ok 30 shared_by pair 2
	kill -INT "$a"
	wait "$a"
	is 'SIGINT is a clean end' $? 0
	ok 'kcat has all' until_ok 30 shared_by pair 1
	logget -g pair four >/dev/null &
	a=$!
	ok 'logget shares with kcat, which leads' until_ok 30 shared_by pair 2
	kill "$a" "$b"
	wait "$a" "$b" 2>/dev/null

	topic make -p 1 many
	seq 300000 | logput many
	rm -f "$tmp/got"
	logget -g slow many > >(head -n 100 >"$tmp/got"; until_ok 60 test -e "$tmp/done") &
	a=$!
	ok 'a reader that does not read on' until_ok 30 has_lines 100 "$tmp/got"
	ok 'keeps its member' members slow 1
	kill "$a"
	wait "$a"
	is 'which ends cleanly when it is told' $? 0
	: >"$tmp/done"
	z=$(group lag slow | cut -f 4)
	ok "what is committed ($z) was written" test "$z" -ge 100 -a "$z" -lt 100000
	logget -g crash many >"$tmp/first" &
	a=$!
	ok 'a member' until_ok 30 committed_some crash
	kill -9 "$a"
	wait "$a" 2>/dev/null
	logget -g crash -e many >"$tmp/second"
	is 'is killed: nothing is lost' \
		"$( (head -n "$(wc -l <"$tmp/first")" "$tmp/first"
			cat "$tmp/second") | sort -n | uniq | md5sum)" \
		"$(seq 300000 | md5sum)"
	group rm alone counted late most pipe pair slow crash
	topic rm four other many
	says 'usage: a member chooses no partitions' 100 '^logget: usage: ' logget -g g -p 1 t
	says 'usage: nor offsets' 100 '^logget: usage: ' logget -g g -o 5 t
	says 'usage: -m is for members' 100 '^logget: usage: ' logget -m t
}
