#!/bin/bash
# topic, conf, broker and quorum on a node of ours.
source t/lib.sh
source t/commands.sh
lab_up || { fail 'a node starts'; done_testing; }
topic_suite
conf_suite
node_suite
like 'conf tells when records are on disk' "$(conf broker 1)" $'(^|\n)odradek.flush\tsync\t'
done_testing
