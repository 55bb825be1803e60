#!/usr/bin/env bash
# The same transcripts on other file systems, block sizes and sector sizes.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

[ "$(id -u)" = 0 ] || skip_all "only root can mount"
home=$SCRATCH
chunk=$((64 << 10))

# Everything that `same` makes goes to this folder until `back`.
work_in() {	# FOLDER
	SCRATCH=$1
	mkdir -p "$SCRATCH/input" "$SCRATCH/tmp"
	touch "$SCRATCH/stamp"
}

back() {
	SCRATCH=$home
}

programs() {	# NAME
	transcript "$1: ends of files" --chunk 64K -- "$PROGS/matrix_eof" $chunk
	transcript "$1: read and write" --chunk 64K -- "$PROGS/matrix" rdwr $chunk
	transcript "$1: random calls" --chunk 64K -- "$PROGS/matrix_random" $chunk 5 1500
	case $1 in
	ext4* | xfs* | btrfs | overlay) went_direct "$1" ;;
	esac
	rescued "$1: random calls" --chunk 64K -- "$PROGS/matrix_random" $chunk 6 1500
	transcript "$1: vectors" --chunk 64K -- "$PROGS/matrix_iov" $chunk
	transcript "$1: bad addresses" -- "$PROGS/badaddr"
	for step in whole_files itself coherence; do
		transcript "$1: copies, $step" -- "$PROGS/hz_copy" $step
	done
	transcript "$1: mappings" -- "$PROGS/mapped" one_process stored_meanwhile
	transcript "$1: locks" -- "$PROGS/locks" siblings reused
}

# A file system in a file; SECTOR 512 or 4096.
on_loop() {	# NAME SECTOR MKFS...
	local name=$1 sector=$2 folder=$home/mount.$RANDOM
	shift 2
	if ! command -v "$1" >/dev/null; then
		skip "$name" "no $1"
		return
	fi
	rm -f "$home/image"
	truncate -s 600M "$home/image"
	mkdir -p "$folder"
	if loop_device "$home/image" --sector-size "$sector" && "$@" "$LOOP" >/dev/null 2>&1 &&
	   mount_at "$LOOP" "$folder"; then
		work_in "$folder/work"
		programs "$name"
		back
		umount "$folder" && losetup -d "$LOOP"
	else
		skip "$name" "cannot be made or mounted here"
	fi
}

on_loop "ext4, blocks of 1 KiB" 512 mkfs.ext4 -q -F -b 1024
on_loop "ext4, sectors of 4 KiB" 4096 mkfs.ext4 -q -F
on_loop "ext4 without extents" 512 mkfs.ext4 -q -F -O ^extents,^64bit,^metadata_csum
on_loop "xfs" 512 mkfs.xfs -q -f
on_loop "xfs, sectors of 4 KiB" 4096 mkfs.xfs -q -f
on_loop "btrfs" 512 mkfs.btrfs -q -f
on_loop "f2fs" 512 mkfs.f2fs -q -f
on_loop "vfat" 512 mkfs.vfat

mkdir "$home/memory"
if mount -t tmpfs none "$home/memory" 2>/dev/null; then
	at_exit "umount '$home/memory'"
	work_in "$home/memory/work"
	programs "tmpfs"
	back
fi

mkdir -p "$home/over/"{lower,upper,work,merged}
if mount -t overlay none "$home/over/merged" \
   -o "lowerdir=$home/over/lower,upperdir=$home/over/upper,workdir=$home/over/work" 2>/dev/null; then
	at_exit "umount '$home/over/merged'"
	work_in "$home/over/merged/work"
	programs "overlay"
	back
else
	skip "overlay" "cannot be mounted here"
fi

done_testing
