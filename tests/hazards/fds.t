#!/usr/bin/env bash
# Descriptor numbers are the plain program's; the shim's own are high and safe.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for seed in 1 2 3 4 5 6; do
	transcript "random opens and closes, seed $seed" -- "$PROGS/fds" random $seed 3000
done
went_direct "random opens and closes"

for step in own lowered exhaust; do
	transcript "descriptors: $step" -- "$PROGS/fds" $step
done
for limit in 64 256 1024 1048576; do
	if prlimit --nofile=$limit: true 2>/dev/null; then
		range=$limit:
	elif prlimit --nofile=$limit:$limit true 2>/dev/null; then
		range=$limit:$limit
	else
		skip "descriptors: limit $limit" "the hard limit is lower"
		continue
	fi
	for step in own lowered exhaust; do
		transcript "descriptors: $step, limit $limit" -- prlimit --nofile=$range "$PROGS/fds" $step
	done
done

done_testing
