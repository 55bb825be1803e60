#!/usr/bin/env bash
# Processes and threads sharing offsets, files and blocks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in readers writers followers placers mixed freshness; do
	transcript "shared: $step" -- "$PROGS/shared" $step
	went_direct "shared: $step"
done

done_testing
