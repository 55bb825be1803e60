#!/usr/bin/env bash
# vfork, posix_spawn, fork beside threads, raw clone, exec, every kind of end.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in vforked spawned forks_and_threads raw_children clones unshared execs ends; do
	transcript "processes: $step" -- "$PROGS/hz_process" $step
done

done_testing
