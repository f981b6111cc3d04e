#!/bin/bash
# The commands work on Apache Kafka as they do on a node of ours.
source t/lib.sh
source t/commands.sh
ports
apache_start "$tmp/apache" "$port" || { fail 'Apache Kafka starts'; done_testing; }
export ODRADEK_BROKERS=127.0.0.1:$port
topic_suite
conf_suite
node_suite
put_get_suite
done_testing
