#!/bin/sh
# t/5605 with five voters.
VOTERS=5 ROUNDS=4 exec build/t/5605-voters.t
