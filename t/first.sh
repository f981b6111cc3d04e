#!/bin/bash
# What `make lab` shows: three nodes start, a real client writes and reads, they stay.
set -e
cd "$(dirname "$0")/.."
export PATH=$PWD/build/bin:$PATH
[ -d lab/1 ] || set -- -n 3 "$@" # nodes that are there stay as many as they are
at=$(lab start "$@" | tee /dev/stderr | sed -n 's/^ready //p')
seq 1 5 | sed 's/^/record number /' | kcat -b "$at" -P -t first -X acks=all
echo 'written with kcat; read back with kcat:'
kcat -b "$at" -C -t first -o beginning -e -q -f '  %t/%p offset %o: %s\n'
one=${at%%,*}
cat <<EOT

The nodes go on running, their data is in ./lab. Try, with build/bin on your PATH:
  seq 1000000 | kcat -b $one -P -t numbers       any Kafka client will do
  kcat -b $one -C -t numbers -o beginning -c 10
  topic ls; logdump lab/1/log/numbers-0 | tail
  lab pids; lab kill 1 logappend                everything may be killed at any time
  lab stop                                      keeps the data; lab start finds it again
  mandoc man/odradek.7 | more                   how it works
EOT
