#!/bin/bash
# replicate and logappend follow a leader of ours, beside a metadata log that the test writes.
source t/lib.sh
ports
python3 t/follower.py "$port"
