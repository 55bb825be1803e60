#!/usr/bin/env bash
# Threads cancelled in wrapped reads and writes: of pipes, and of files.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in deferred any_time; do
	transcript "cancelled: $step" -- "$PROGS/hz_cancel" $step
	went_direct "cancelled: $step"
	is "$(json reasons.pool_empty.bytes)" 0 "cancelled: $step: every chunk of the pool came back"
done
transcript "which calls are cancellation points" -- "$PROGS/hz_cancel" points
transcript "the only thread cancelled" -- "$PROGS/hz_cancel" alone

done_testing
