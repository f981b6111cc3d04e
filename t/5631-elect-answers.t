#!/bin/bash
# elect answers what changes topics, configs, features, leaders and replicas
# with the codes, words and configs of Apache Kafka.
. "$(dirname "$0")/lib.sh"
ports
driver=$top/build/t/5630-elect-answers.t
# Kafka's new clusters have a cluster-wide min.insync.replicas, which comes with a feature.
same() { diff <(grep -v ' min.insync.replicas=' "$tmp/theirs") \
	<(grep -v ' min.insync.replicas=' "$tmp/ours"); }

ok 'elect answers' env ANSWERS="$tmp/ours" "$driver"
ok 'Apache Kafka runs' apache_start "$tmp/a" "$port"
ok 'Apache Kafka answers' env APACHE="127.0.0.1:$port" ANSWERS="$tmp/theirs" "$driver"
apache_stop "$tmp/a"
ok 'both say the same' same
done_testing
