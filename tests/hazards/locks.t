#!/usr/bin/env bash
# Locks survive whatever the shim does, and go when the program lets go.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in around_io siblings unseen many open_file_locks children over_exec; do
	transcript "locks: $step" -- "$PROGS/locks" $step
done

done_testing
