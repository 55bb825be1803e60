#!/usr/bin/env bash
# The shim's own descriptors closed and replaced behind its back; numbers that
# mean something else than they did; a limit that is raised.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in replaced other_flags other_direct raised; do
	transcript "numbers: $step" -- "$PROGS/hz_numbers" $step
	went_direct "numbers: $step"
done
transcript "numbers: appended" -- "$PROGS/hz_numbers" appended
rescued "numbers: appended" -- "$PROGS/hz_numbers" appended

# Where the limit is low the kernel soon gives out what were the shim's.
for limit in 64 1024 20000; do
	if prlimit --nofile=$limit: true 2>/dev/null; then
		transcript "numbers: given out, limit $limit" -- prlimit --nofile=$limit: "$PROGS/hz_numbers" given_out
		went_direct "numbers: given out, limit $limit"
	else
		skip "numbers: given out, limit $limit" "the hard limit is lower"
	fi
done

transcript "numbers: no_file" -- "$PROGS/hz_numbers" no_file
is "$(direct_bytes)" $((20 * 2 * 8192)) "numbers: what was a pipe is a file now, and routed"
transcript "numbers: closings" -- "$PROGS/hz_numbers" closings
is "$(direct_bytes)" $((8 * 8192)) "numbers: whatever is closed, the next file is routed"

# The report on stderr, whose copy the shim keeps for the end.
mkdir "$SCRATCH/a" "$SCRATCH/b"
(cd "$SCRATCH/a" && plain -- "$PROGS/hz_numbers" spilled) >"$SCRATCH/plain.out"
(cd "$SCRATCH/b" && plain -- env LD_PRELOAD="$DIOSHIM_BUILD/libdioshim.so" DIOSHIM_LOG=- \
	"$PROGS/hz_numbers" spilled) >"$SCRATCH/shim.out" 2>"$SCRATCH/report"
cmp "$SCRATCH/plain.out" "$SCRATCH/shim.out" && cmp "$SCRATCH/a/A" "$SCRATCH/b/A"
ok $? "the report does not go into a file of the program"

done_testing
