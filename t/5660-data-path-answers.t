#!/bin/bash
# What clients send to topics and ask of them, good and bad, has the answers of Apache Kafka 4.4.
# AGAINST=apache asks a real one and keeps what it says in t/vectors/data-path.txt.gz.
. "$(dirname "$0")/lib.sh"
answers=t/vectors/data-path.txt.gz

# What differs by design: questions, and why.
differences() {
	cat <<-'D'
		Metadata.* no id, no name                   a client's mistake: INVALID_REQUEST
		DescribeTopicPartitions.0 no name           a client's mistake: INVALID_TOPIC_EXCEPTION
		DescribeConfigs.4 (all of a topic|no keys)  Kafka sets min.insync.replicas for a new cluster
		DescribeConfigs.4 broker 0?1                the node's number is node.id, broker.id is not set
		FindCoordinator.[56] share                  there is no coordinator of share groups
		Produce.* null records                      Kafka never answers; we do
		Produce.* rubbish behind                    Kafka drops what lies behind a batch; we refuse
		Produce.* too short by one                  the same
		Produce.9 no partitions                     each topic of the question is in the answer
		Produce.9 one good, one bad                 in the order of the question
		Produce.9 delta                             Kafka stores offsets that are not in order
		Produce.9 made gzip, bad delta              Kafka makes them anew; we refuse
		Produce.9 codec [567]                       UNKNOWN_SERVER_ERROR; CORRUPT_MESSAGE says more
		Produce.9 .*(gzip|zstd) that is none        a compressed batch is opened only if a rule asks
		Produce.9 gzip, (deltas|one claimed|count)  the same
		Produce.9 transactional id, its batch       there are no transactions: INVALID_TXN_STATE
		Fetch.* max 300                             an answer has whole batches only
		Fetch.* max -1                              as 0; Kafka has UNKNOWN_SERVER_ERROR
		Fetch.* session: one more topic             Kafka names what is unknown last, apart
		(Fetch|ListOffsets).* isolation [23]        as 0; Kafka has UNKNOWN_SERVER_ERROR
		(ListOffsets|DeleteRecords).* twice         each question has an answer
		ListOffsets.8 trimmed, time -3              Kafka names a record below the log start
		OffsetForLeaderEpoch.* of -2                no epoch: as -1
	D
}
# Its own words with an error are for people: Produce has more of them than Kafka.
same() {
	differences | sed -E 's/   *.*//; s/^/^/; s/\.\* /\\.[0-9]+ .*/' >"$tmp/not"
	zcat "$answers" | told >"$tmp/theirs"
	told <"$tmp/answers" >"$tmp/ours"
	diff "$tmp/theirs" "$tmp/ours"
}
told() { grep -vE -f "$tmp/not" | sed -E '/^Produce/s/ErrorMessage=(words|null)/ErrorMessage/g'; }
ask() { python3 t/datapath.py "$port" >"$tmp/answers"; }

ok 'a broker' broker_up
ok 'it answers' ask && [ "${AGAINST:-}" = apache ] &&
	gzip -n9 <"$tmp/answers" >"$answers"
ok 'with the answers of Apache Kafka' same
done_testing
