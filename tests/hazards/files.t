#!/usr/bin/env bash
# Files that are no ordinary ones; rights that a second opening would lack.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in fifos virtual_files memory_files nameless many_names toggles leases inode_changes; do
	transcript "files: $step" -- "$PROGS/hz_files" $step
	[ $step != fifos ] || is "$(json counters.files_refused)" 0 "files: nobody tried to open a FIFO twice"
done

for step in other_users read_only_mount in_chroot inode_flags; do
	if [ "$(id -u)" = 0 ]; then
		transcript "files: $step" -- "$PROGS/hz_files" root $step
		[ $step != in_chroot ] || is "$(json reasons.refused.bytes)" 0 "files: routed in a chroot without /proc"
	else
		skip "files: $step" "only root can set it up"
	fi
done

# A block device with an end in the middle of a page.
truncate -s $(((4 << 20) + 1536)) "$SCRATCH/image"
if loop_device "$SCRATCH/image"; then
	for run in plain shim; do
		lines "$SCRATCH/content" $(((4 << 20) + 1536))
		dd if="$SCRATCH/content" of="$LOOP" conv=notrunc,fsync status=none
		(cd "$SCRATCH" && $run -- "$PROGS/hz_files" device "$LOOP") >"$SCRATCH/$run.out"
	done
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "files: a block device" || first_differences
	went_direct "files: a block device"
else
	skip "files: a block device" "no loop device to be had"
fi

done_testing
