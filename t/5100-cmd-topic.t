#!/bin/bash
# topic, conf, broker and quorum on a node of ours.
source t/lib.sh
source t/commands.sh
lab_up || { fail 'a node starts'; done_testing; }
topic_suite
conf_suite
node_suite
like 'conf tells when records are on disk' "$(conf broker 1)" $'(^|\n)odradek.flush\tsync\t'
says 'quorum remove of the last' 1 '^quorum: 1: VOTER_NOT_FOUND: The last voter' quorum remove 1
says 'of nobody' 1 '^quorum: remove: nobody has this id' quorum remove 7
says 'add of nobody' 1 '^quorum: add: nobody has this id' quorum add 7@127.0.0.1:1234
says 'add of one that is there' 1 '^quorum: 1@.*: DUPLICATE_VOTER: ' \
	quorum add "1@127.0.0.1:1:$(quorum show | cut -f 9)"
says 'add nowhere' 100 '^quorum: usage: ' quorum add 7
done_testing
