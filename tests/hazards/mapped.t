#!/usr/bin/env bash
# Shared mappings beside write calls: nothing lost, no error from fsync.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in one_process comings_and_goings other_process read_mappings self_buffer stored_meanwhile; do
	transcript "mapped: $step" -- "$PROGS/mapped" $step
	went_direct "mapped: $step"
done

# Where cachestat tells nothing, the mark on a file that this process has mapped
# has to do alone.
for step in seen seen_meanwhile; do
	transcript "mapped, no cachestat: $step" -- "$PROGS/refused" ENOSYS cachestat "$PROGS/mapped" $step
done
went_direct "mapped, no cachestat"
ok "$([ "$(json reasons.mapped.bytes)" -gt 0 ]; echo $?)" "mapped, no cachestat: the mark held writes back"

transcript "mapped, no cachestat: a_thread" -- "$PROGS/refused" ENOSYS cachestat "$PROGS/mapped_races" a_thread
went_direct "mapped, no cachestat: a_thread"
transcript "mapped: pages that come and go" -- "$PROGS/mapped_races" other_process
went_direct "mapped: pages that come and go"

done_testing
