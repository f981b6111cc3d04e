#!/bin/bash
# A leader whose answers are wrong in every way.
source t/lib.sh
ports
python3 t/bad_leader.py "$port"
