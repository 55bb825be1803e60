#!/usr/bin/env bash
# Signal handlers doing I/O, jumps and forks out of them, small stacks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in timer handler_forks small_stacks; do
	transcript "signals: $step" -- "$PROGS/hz_signal" $step
	went_direct "signals: $step"
done

# A jump out of a handler may skip the last words of a call: the sums of the
# ledger can miss some of those calls, and no more.
(cd "$SCRATCH" && plain -- "$PROGS/hz_signal" jumps) >"$SCRATCH/plain.out"
shim_files
(cd "$SCRATCH" && "$DIOSHIM" run --json "$SHIM_JSON" -o /dev/null -- "$PROGS/hz_signal" jumps) >"$SCRATCH/shim.out"
cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
ok $? "signals: jumps" || first_differences
direct=$(direct_bytes)
ok "$([ "$direct" -gt 20000000 ]; echo $?)" "signals: jumps: direct I/O goes on: $direct bytes"
gap=$(json 'counters.asked_bytes - counters.not_transferred_bytes - sum(r.bytes for r in vars(routes).values())')
ok "$([ "${gap#-}" -lt 2000000 ]; echo $?)" "signals: jumps: the ledger misses little: $gap bytes"

done_testing
