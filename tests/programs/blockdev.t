#!/bin/bash
# Block devices, read and written like files.
. "$(dirname "$0")/../loop.sh"
[ "$(id -u)" = 0 ] || skip_all "loop devices need root"
need losetup dd
scratch

image=$SCRATCH/image
device() {	# SECTOR
	# 4 MiB and 11 sectors of 512: the last block is not a whole page.
	SIZE=$((4194304 + ($1 == 512 ? 11 * 512 : 4096)))
	noise "$image" $SIZE
	loop_device "$image" --sector-size "$1"
}
device 512 || skip_all "losetup makes no loop device here"

on_device() {	# EXPR over the ledger's row f of the device
	json "sum($1 for f in files if f.path == '$LOOP')"
}

# The shim writes, the plain program reads, and the other way round; the
# device has a buffer cache of its own beside the file's.
expect=$SCRATCH/expect
back() {	# NAME: is the device's content that of $expect?
	plain -- dd if="$LOOP" of="$SCRATCH/back" bs=1M status=none
	cmp -n "$(stat -c %s "$SCRATCH/back")" "$expect" "$SCRATCH/back" >&8
	ok $? "$1"
}

try() {	# SECTOR
	local bs skip
	cp "$image" "$expect"
	for bs in 512 511 4096 100000 1M; do
		plain -- dd if="$LOOP" of="$SCRATCH/plain.out" bs=$bs status=noxfer 2>"$SCRATCH/plain.err"
		shim -- dd if="$LOOP" of="$SCRATCH/shim.out" bs=$bs status=noxfer 2>"$SCRATCH/shim.err"
		ok $? "sectors of $1, read bs=$bs"
		cmp "$SCRATCH/plain.out" "$SCRATCH/shim.out" >&8
		ok $? "sectors of $1, read bs=$bs: the same bytes"
		is "$(cat "$SCRATCH/shim.err")" "$(cat "$SCRATCH/plain.err")" "sectors of $1, read bs=$bs: the same records"
		is "$(on_device f.block_device)" 1 "sectors of $1, read bs=$bs: the ledger names the device"
		ok "$([ "$(on_device 'f.routes.zero_copy.bytes + f.routes.bounced.bytes')" -gt $((SIZE / 2)) ]; echo $?)" \
			"sectors of $1, read bs=$bs: it was direct"
	done
	for skip in 1 4095 1048577 $((SIZE - 1)) $SIZE; do
		plain -- dd if="$LOOP" of="$SCRATCH/plain.out" bs=70001 iflag=skip_bytes skip=$skip status=none
		shim -- dd if="$LOOP" of="$SCRATCH/shim.out" bs=70001 iflag=skip_bytes skip=$skip status=none
		cmp "$SCRATCH/plain.out" "$SCRATCH/shim.out" >&8
		ok $? "sectors of $1, read from $skip"
	done

	local size seek
	for bs in 512 511 4096 100000 1M; do
		size=2000777
		[ ${#bs} != 3 ] || size=50777	# each is a round trip to the device
		for seek in 0 777 4096; do
			noise "$SCRATCH/new" $size
			shim -- dd if="$SCRATCH/new" of="$LOOP" bs=$bs oflag=seek_bytes seek=$seek conv=notrunc,fsync status=none
			ok $? "sectors of $1, write bs=$bs at $seek"
			plain -- dd if="$SCRATCH/new" of="$expect" bs=$bs oflag=seek_bytes seek=$seek conv=notrunc status=none
			back "sectors of $1, write bs=$bs at $seek: the device holds it"
		done
		# The last of the three is aligned.
		[ ${#bs} = 3 ] ||
			ok "$([ "$(on_device 'f.routes.zero_copy.bytes + f.routes.bounced.bytes')" -gt 1000000 ]; echo $?)" \
				"sectors of $1, write bs=$bs: it was direct"
	done

	for bs in 4096 100000 1M; do
		plain -- dd if=/dev/zero of="$LOOP" bs=$bs status=noxfer 2>"$SCRATCH/plain.err"
		size=$?
		shim -- dd if=/dev/zero of="$LOOP" bs=$bs status=noxfer 2>"$SCRATCH/shim.err"
		is $? $size "sectors of $1, filled with bs=$bs: exit status"
		is "$(cat "$SCRATCH/shim.err")" "$(cat "$SCRATCH/plain.err")" "sectors of $1, filled with bs=$bs: the same records and error"
	done

	shim -- "$PYTHON" -I -S -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
end = os.lseek(fd, 0, os.SEEK_END)
model = bytearray(end)
os.pwrite(fd, bytes(end), 0)
for i in range(200):
    at, size = i * 7919 * 13 % end, i * 977 % 70000 + 1
    data = bytes([i % 255 + 1]) * size
    n = os.pwrite(fd, data, at)
    assert n == min(size, end - at), (n, at, size)
    model[at:at + n] = data[:n]
    at = at * 31 % end
    assert os.pread(fd, 9001, at) == model[at:at + 9001], at
assert os.pread(fd, 10, end) == b"" and os.pread(fd, 10, end + 5000) == b""
assert os.pread(fd, 100, end - 7) == model[-7:]
os.fsync(fd)
open(sys.argv[2], "wb").write(model)
' "$LOOP" "$expect"
	ok $? "sectors of $1, reads and writes at 200 places"
	back "sectors of $1, reads and writes at 200 places: the device holds them"

	# The file below sees it all after a sync.
	blockdev --flushbufs "$LOOP"
	sync "$image"
	cmp -n "$(blockdev --getsize64 "$LOOP")" "$image" "$expect" >&8
	ok $? "sectors of $1: the file below holds them"
}

try 512
loop_end "$LOOP" "$image"
if device 4096 && [ "$(blockdev --getss "$LOOP")" = 4096 ]; then
	try 4096
else
	skip "sectors of 4096" "losetup cannot make them here"
fi
loop_end "$LOOP" "$image"

# ---- file systems with other blocks and sectors than this one's

filesystem() {	# SECTOR MKFS...
	local sector=$1 name="$* " size
	shift
	command -v "$1" >/dev/null || { skip "$name" "$1 is not installed"; return; }
	rm -f "$image"
	truncate -s 300M "$image"
	mkdir -p "$SCRATCH/mnt"
	if ! loop_device "$image" --sector-size "$sector" || ! "$@" "$LOOP" >/dev/null 2>&1 ||
	   ! mount_at "$LOOP" "$SCRATCH/mnt"; then
		skip "$name" "it cannot be made or mounted here"
		return
	fi
	lines "$SCRATCH/in" 3000777
	for size in 512 4096 100000 1M; do
		plain -- dd if="$SCRATCH/in" of="$SCRATCH/mnt/in" bs=1M conv=fsync status=none
		shim -- dd if="$SCRATCH/mnt/in" of="$SCRATCH/mnt/out" bs=$size status=none
		cmp "$SCRATCH/in" "$SCRATCH/mnt/out" >&8
		ok $? "$name bs=$size"
		shim -- cp "$SCRATCH/mnt/in" "$SCRATCH/mnt/copy"
		cmp "$SCRATCH/in" "$SCRATCH/mnt/copy" >&8
		ok $? "$name cp"
		rm -f "$SCRATCH/mnt/out" "$SCRATCH/mnt/copy"
	done
	umount "$SCRATCH/mnt"
	loop_end "$LOOP" "$image"
}

filesystem 512 mkfs.ext4 -q -b 1024
filesystem 4096 mkfs.ext4 -q -b 4096
filesystem 512 mkfs.ext4 -q -O inline_data
filesystem 512 mkfs.ext2 -q
filesystem 512 mkfs.xfs -q
filesystem 4096 mkfs.xfs -q
filesystem 512 mkfs.btrfs -q

device 512 && strace_direct "a block device" -- dd if="$LOOP" of="$LOOP" bs=65536 count=10 skip=20 status=none

done_testing
