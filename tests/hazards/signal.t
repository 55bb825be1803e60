#!/usr/bin/env bash
# Signal handlers doing I/O, jumps out of them, cancelled threads, small stacks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in timer jumps handler_forks small_stacks cancel points; do
	transcript "signals: $step" -- "$PROGS/hz_signal" $step
	[ $step = points ] || went_direct "signals: $step"
done

done_testing
