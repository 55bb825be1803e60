#!/usr/bin/env bash
# Block devices with peculiarities: odd ends, large sectors, an offset below,
# read-only from one moment to the next, and memory they cannot take (zram).
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch
[ "$(id -u)" = 0 ] || skip_all "only root can make devices"
image=$SCRATCH/image
cd "$SCRATCH" || exit

# The same transcript and content, from the same content at the start.
same_on() {	# NAME DEVICE PROGRAM ARGUMENT...
	local name=$1 device=$2 run
	shift 2
	for run in plain shim; do
		lines "$SCRATCH/content" "$(blockdev --getsize64 "$device")"
		dd if="$SCRATCH/content" of="$device" bs=1M conv=fsync status=none
		blockdev --flushbufs "$device"
		$run -- "$@" >"$SCRATCH/$run.out" 2>"$SCRATCH/$run.err"
		echo $? >>"$SCRATCH/$run.out"
		blockdev --flushbufs "$device"
		sha256sum <"$device" >>"$SCRATCH/$run.out"
	done
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "$name" || { first_differences 20; diag_file "$SCRATCH/shim.err"; }
	is "$(tail -n 2 "$SCRATCH/plain.out" | head -n 1)" 0 "$name: all was tried" || diag_file "$SCRATCH/plain.err"
	went_direct "$name"
}

all_on() {	# NAME DEVICE
	same_on "$1: random" "$2" "$PROGS/hz_files" device "$2"
	same_on "$1: memory of every skew" "$2" "$PROGS/devices" skews "$2"
	same_on "$1: read-only meanwhile" "$2" "$PROGS/devices" readonly "$2"
}

on_loop() {	# NAME SIZE [OPTIONS of losetup]
	local name=$1
	rm -f "$image"
	truncate -s "$2" "$image"
	shift 2
	if loop_device "$image" "$@"; then
		all_on "$name" "$LOOP"
		loop_end "$LOOP" "$image"
	else
		skip "$name" "no such loop device here"
	fi
}

on_loop "sectors of 4096" 4M --sector-size 4096
on_loop "an offset of 512" $((4194304 + 1024)) --offset 512
on_loop "a file that ends within a sector" $((4194304 + 777))
on_loop "an end within a page" $((4194304 + 1536)) --direct-io=on

# ---- zram: takes direct I/O from any memory, but moves wrong bytes for what is not page-aligned

modprobe zram 2>/dev/null
if [ -e /sys/class/zram-control/hot_add ] && zram=$(cat /sys/class/zram-control/hot_add 2>/dev/null); then
	at_exit "echo 1 >/sys/block/zram$zram/reset; echo $zram >/sys/class/zram-control/hot_remove"
	for i in 1 2 3 4 5 6 7 8 9; do
		[ ! -b "/dev/zram$zram" ] || break
		sleep 0.2
	done
	echo 24M >"/sys/block/zram$zram/disksize"
	all_on "zram" "/dev/zram$zram"
	mkdir "$SCRATCH/on_zram"
	if mkfs.ext4 -q -F "/dev/zram$zram" >/dev/null 2>&1 && mount_at "/dev/zram$zram" "$SCRATCH/on_zram"; then
		home=$SCRATCH
		SCRATCH=$SCRATCH/on_zram/work
		mkdir -p "$SCRATCH/input" "$SCRATCH/tmp"
		touch "$SCRATCH/stamp"
		transcript "ext4 on zram: random calls" --chunk 64K -- "$PROGS/matrix_random" 65536 5 600
		went_direct "ext4 on zram"
		SCRATCH=$home
		unmount "$SCRATCH/on_zram"
	else
		skip "ext4 on zram" "cannot be made or mounted here"
	fi
else
	skip "zram" "this kernel has none, or gives none"
fi

done_testing
