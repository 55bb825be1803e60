#!/usr/bin/env bash
# Every error that a plain call gives; bad addresses; limits; full file systems.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

transcript "errors" -- "$PROGS/errors"
went_direct "errors"
transcript "bad addresses" -- "$PROGS/badaddr"
transcript "bad addresses, small chunks" --chunk 64K --pool 128K -- "$PROGS/badaddr"
for options in "--mode observe" "--mode observe --backtrace 2 --records 100" "--backtrace 1"; do
	# shellcheck disable=SC2086
	transcript "bad addresses, $options" $options -- "$PROGS/badaddr"
done
for step in fsize fsize_default fsize_exec memory; do
	transcript "limits: $step" -- "$PROGS/limits" $step
done
transcript "longest transfers" -- "$PROGS/limits" longest
transcript "hardened builds" -- "$PROGS/fortify"
went_direct "hardened builds"

# A small file system, filled to the brim.
truncate -s 12M "$SCRATCH/image"
if command -v mkfs.ext4 >/dev/null && mkfs.ext4 -q -F "$SCRATCH/image" && mkdir "$SCRATCH/small" &&
   loop_device "$SCRATCH/image" && mount_at "$LOOP" "$SCRATCH/small"; then
	(cd "$SCRATCH/small" && plain -- "$PROGS/limits" full) >"$SCRATCH/plain.out"
	(cd "$SCRATCH/small" && shim -- "$PROGS/limits" full) >"$SCRATCH/shim.out"
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "a full file system" || first_differences
	went_direct "a full file system"
else
	skip "a full file system" "no loop device to be had"
fi

done_testing
