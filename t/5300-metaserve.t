#!/bin/bash
# metaserve through a node: every API and version that it answers, with exact errors
source t/lib.sh
ports
lab_up -c default.replication.factor=1 -c num.partitions=3 -c max.request.partition.size.limit=50 ||
	exit 1
python3 t/metaserve.py "$port" "$lab" \
	"$(sed -n 's/^cluster.id=//p' "$lab/1/log/meta.properties")"
