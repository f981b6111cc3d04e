#!/usr/bin/execlineb -P
fdmove -c 2 1
cd ../../home
s6-envdir env
logappend
