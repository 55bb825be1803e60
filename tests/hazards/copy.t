#!/usr/bin/env bash
# copy_file_range, sendfile and splice, between all sorts of ends.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in ranges whole_files holes itself refusals streams limited coherence; do
	transcript "copies: $step" -- "$PROGS/hz_copy" $step
done

done_testing
