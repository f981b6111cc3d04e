#!/bin/bash
# logserve through a node: Fetch, ListOffsets, DescribeLogDirs, sessions, waiting, deaths of others
source t/lib.sh
ports
lab_up -c fetch.max.bytes=3000000 -c max.incremental.fetch.session.cache.slots=20 || exit 1
python3 t/logserve.py "$port" "$lab"
