#!/bin/bash
# logput and logget on a node of ours.
source t/lib.sh
source t/commands.sh
lab_up || { fail 'a node starts'; done_testing; }
put_get_suite
done_testing
