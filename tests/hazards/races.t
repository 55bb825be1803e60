#!/usr/bin/env bash
# Threads that change what a number means while a request uses it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in write read number; do
	transcript "races: $step" -- "$PROGS/races" $step
	went_direct "races: $step"
done

done_testing
