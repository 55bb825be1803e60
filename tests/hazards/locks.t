#!/usr/bin/env bash
# Locks survive whatever the shim does, and go when the program lets go.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in around_io siblings reused many open_file_locks; do
	transcript "locks: $step" -- "$PROGS/locks" $step
	went_direct "locks: $step"
done
for step in children over_exec neighbours waiting; do
	transcript "locks: $step" -- "$PROGS/locks_process" $step
	went_direct "locks: $step"
done
transcript "locks: child_routes" -- "$PROGS/locks_process" child_routes
is "$(json reasons.locked.bytes)" 0 "locks: a child is not held up by its parent's"

done_testing
