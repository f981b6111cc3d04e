#!/bin/bash
# group and logget -g on a node of ours.
source t/lib.sh
source t/commands.sh
lab_up -c group.initial.rebalance.delay.ms=0 || { fail 'a node starts'; done_testing; }
group_suite
member_suite
done_testing
