#!/usr/bin/env bash
# The differential machine in mode auto, as it is, and with sizes so low that it
# often takes its rarer ways.
. "$(dirname "$0")/../lib.sh"
scratch

machine() {	# NAME FIRST-SEED OPTIONS
	DIOSHIM_BUILD=$DIOSHIM_BUILD "$TESTS/machines/differential.sh" --options="$3" "$SCRATCH" "$2" 50 120 \
		8>&- 9>&- >"$SCRATCH/machine.out" 2>&1
	ok $? "$1" || sed 's/^#* */#   /' "$SCRATCH/machine.out" >&8
	diag "$(tail -n 1 "$SCRATCH/machine.out")"
}

machine "50 random sequences" 1 "--mode=auto"
machine "50 with low sizes" 1001 "--mode=auto --auto-read=16K --auto-write=64K --stream-age=20"

done_testing
