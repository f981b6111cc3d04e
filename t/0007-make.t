#!/bin/bash
# make builds what cmd/ holds, once; nothing but the agreed names lies at the top.
source t/lib.sh
wanted=$(for f in cmd/*; do
	f=${f##*/}
	case $f in *.h) ;; *) echo "${f%.*}" ;; esac
done | sort | tr '\n' ' ')
is 'build/bin holds the programs of cmd/' "$(ls build/bin | sort | tr '\n' ' ')" "$wanted"
is 'a second make builds nothing' "$(make 2>&1)" "make: Nothing to be done for 'all'."
ok 'nor does make tests' make -q tests
ok 'the packages are there: a second make lab or make check installs nothing' \
	make -q build/need/build build/need/lab build/need/check
ok 'Apache Kafka is there' make -q "$kafka/ready"
allowed='^(\.git|\.ci|\.gitignore|Makefile|README|LICENSE|cmd|lib|svc|man|t|build|lab)$'
is 'the top level' "$(find . -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vE "$allowed")" ''
done_testing
