#!/usr/bin/env bash
# vfork, posix_spawn, fork beside threads, raw clone, exec, every kind of end.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in vforked spawned attributes forks_and_threads execs; do
	transcript "processes: $step" -- "$PROGS/hz_process" $step
	went_direct "processes: $step"
done
transcript "processes: ends" -- "$PROGS/hz_process" ends
for step in raw_children clones same_memory strays raw_strays unshared; do
	transcript "processes: $step" -- "$PROGS/hz_clone" $step
	went_direct "processes: $step"
	[ $step != raw_children ] || is "$(json 'len(processes)')" 31 "processes: raw children have ledgers of their own"
done

done_testing
