#!/usr/bin/env bash
# Disks that cannot be written or read in places: who is told, and how often.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

[ "$(id -u)" = 0 ] || skip_all "only root can mount"
need mkfs.ext4 filefrag fallocate
memory=$SCRATCH/memory
folder=$SCRATCH/mount
mkdir "$memory" "$folder"

# The image's blocks of part of a file, as offsets and lengths in bytes.
blocks() {	# FILE
	filefrag -e -b4096 "$1" | awk '$1 ~ /^[0-9]+:$/ {
		gsub("[.:]", " "); print $4 * 4096, ($5 - $4 + 1) * 4096 }'
}

# An image in a memory file system that is then filled: what is a hole in the
# image cannot be written, the rest can. Journal and inodes are no holes.
sick_disk() {
	local at length k
	mount_at none "$memory" -t tmpfs -o size=70M || return 1
	truncate -s 64M "$SCRATCH/image"
	mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$SCRATCH/image" &&
		cat "$SCRATCH/image" >"$memory/image" && loop_device "$memory/image" &&
		mount_at "$LOOP" "$folder" -o nodiscard || return 1
	loop_end "$LOOP" "$memory/image"	# once it is unmounted
	for name in good mixed bad; do
		fallocate -l 8M "$folder/$name"
	done
	# written once: their extents change no more
	for name in good mixed bad; do
		tr '\0' 'a' </dev/zero | dd of="$folder/$name" bs=1M count=8 iflag=fullblock conv=notrunc,fsync status=none
	done
	sync -f "$folder"
	blocks "$folder/bad" >"$SCRATCH/holes"
	blocks "$folder/mixed" | while read -r at length; do
		for ((k = 1 << 20; k < length; k += 2 << 20)); do
			echo $((at + k)) $((1 << 20))
		done
	done >>"$SCRATCH/holes"
	while read -r at length; do
		fallocate -p -o "$at" -l "$length" "$memory/image"
	done <"$SCRATCH/holes"
	for name in good mixed bad; do
		dd if="$folder/$name" iflag=nocache count=0 status=none
	done
	head -c 70M /dev/zero >"$memory/filler" 2>/dev/null
	rm -f "$SCRATCH/holes"
}

for run in plain shim; do
	sick_disk || skip_all "a disk that fails cannot be made here"
	cd "$folder" || exit
	$run -- "$PROGS/writeback" write good mixed bad >"$SCRATCH/$run.out" 2>"$SCRATCH/$run.err"
	status=$?
	cd "$SCRATCH" || exit
	unmount "$folder"
	unmount "$memory"
done
cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
ok $? "errors of write-back, told as often" || { first_differences 40; diag_file "$SCRATCH/shim.err"; }
is "$status" 0 "errors of write-back: all was tried"
is "$(grep -c told "$SCRATCH/plain.out" | sed 's/[1-9][0-9]/many/')" many "errors of write-back: the disk does fail"
went_direct "errors of write-back"

# ---- blocks that cannot be read: the image ends where the file system does not

reading() {	# NAME FILE
	for run in plain shim; do
		[ -b "$2" ] && blockdev --flushbufs "$2"
		$run -- "$PROGS/writeback" read "$2" >"$SCRATCH/$run.out" 2>"$SCRATCH/$run.err"
	done
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "reads of bad blocks, $1" || { first_differences 40; diag_file "$SCRATCH/shim.err"; }
	is "$(grep -c EIO "$SCRATCH/plain.out" | sed 's/^[1-9][0-9]*$/many/')" many "reads of bad blocks, $1: there are some"
	went_direct "reads of bad blocks, $1"
}

image=$SCRATCH/short
truncate -s 16M "$image"
if mkfs.ext4 -q -F -O ^has_journal "$image" && loop_device "$image" --direct-io=on && mkdir -p "$folder" &&
   mount "$LOOP" "$folder"; then
	noise "$folder/file" 6000777
	sync -f "$folder"
	read -r at length < <(blocks "$folder/file")
	umount "$folder"
	truncate -s $((at + length / 2)) "$image"
	blockdev --flushbufs "$LOOP"
	reading "a block device" "$LOOP"
	if mount -o ro "$LOOP" "$folder"; then
		at_exit "unmount '$folder'"
		reading "a file" "$folder/file"
		umount "$folder"
	fi
	loop_end "$LOOP" "$image"
else
	skip "reads of bad blocks" "no such device can be made here"
fi

done_testing
