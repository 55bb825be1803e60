#!/usr/bin/env bash
# Shared mappings beside write calls: nothing lost, no error from fsync.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in one_process comings_and_goings other_process read_mappings self_buffer stored_meanwhile; do
	transcript "mapped: $step" -- "$PROGS/mapped" $step
	went_direct "mapped: $step"
done

done_testing
