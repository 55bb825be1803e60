#!/usr/bin/env bash
# Descriptors closed unseen, everything closed, programs started at once.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in reuse replaced close_all daemon_like redirection text_busy races; do
	transcript "closing: $step" -- "$PROGS/hz_close" $step
done

done_testing
