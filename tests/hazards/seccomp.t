#!/usr/bin/env bash
# Programs that lock themselves in: not one system call more than their own.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in strict filtered threads refusing; do
	transcript "seccomp: $step" -- "$PROGS/hz_seccomp" $step
done

done_testing
