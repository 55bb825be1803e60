#!/bin/bash
# The page cache stays free of what went through the shim.
. "$(dirname "$0")/../lib.sh"
need fincore
scratch
file=$SCRATCH/file
page=$(getconf PAGESIZE)
GIB=1073741824

[ "$(df --output=avail -B1 "$SCRATCH" | tail -n 1)" -gt $((GIB * 2)) ] ||
	skip_all "less than 2 GiB free beside the build"

resident() {	# bytes of the file in the page cache
	fincore -b -n -o RES "$file" | tr -d ' '
}

# A counting that cannot see pages would prove nothing.
plain -- dd if=/dev/zero of="$file" bs=1M count=16 status=none
ok "$([ "$(resident)" -ge 8388608 ]; echo $?)" "a plain write leaves pages: $(resident) bytes"
sync "$file"
dd if="$file" iflag=nocache count=0 status=none
is "$(resident)" 0 "dropped, none are left"
plain -- dd if="$file" of=/dev/null bs=1M status=none
is "$(resident)" 16777216 "a plain read brings them in"

# ---- 1 GiB of whole blocks

rm -f "$file"
shim -- dd if=/dev/zero of="$file" bs=1M count=1024 status=none
is "$(stat -c %s "$file")" $GIB "1 GiB written"
is "$(resident)" 0 "1 GiB written: no page is resident"
is "$(json routes.zero_copy.bytes)" $GIB "1 GiB written: all of it zero-copy"
shim -- dd if="$file" of=/dev/null bs=1M status=none
is "$(resident)" 0 "1 GiB read: no page is resident"
is "$(json routes.zero_copy.bytes)" $GIB "1 GiB read: all of it zero-copy"
shim -- dd if=/dev/zero of="$file" bs=1M count=256 seek=100 conv=notrunc status=none
is "$(resident)" 0 "256 MiB rewritten in place: no page is resident"
shim -- cp "$file" "$file.copy"
is "$(resident)" 0 "1 GiB copied: no page of the source is resident"
file=$file.copy
is "$(resident)" 0 "1 GiB copied: no page of the target is resident"
is "$(json copies.made_bytes)" 0 "1 GiB copied: no CPU copy"
rm -f "$file"
file=${file%.copy}

# ---- misaligned: at most the blocks that writes cover in part

truncate -s 67108864 "$file"
shim -- dd if="$file" of=/dev/null bs=100000 iflag=skip_bytes skip=777 status=none
is "$(resident)" 0 "read at odd places: no page is resident"
shim -- "$PYTHON" -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
for i in range(32):
    os.pwrite(fd, b"x" * 1000000, i * 2000000 + 777)' "$file"
ok "$([ "$(resident)" -gt 0 ] && [ "$(resident)" -le $((32 * 2 * page)) ]; echo $?)" \
	"32 writes at odd places: $(resident) bytes resident, at most the edges"
rm -f "$file"
shim -- dd if=/dev/zero of="$file" bs=1000000 count=64 status=none
ok "$([ "$(resident)" -le $((64 * 2 * page)) ]; echo $?)" \
	"64 writes of 1,000,000 bytes: $(resident) bytes resident, at most the edges"
rm -f "$file"
shim -- "$PYTHON" -c '
import mmap, os, sys
m = mmap.mmap(-1, 1 << 22)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for i in range(16):
    os.pwrite(fd, memoryview(m)[3:3 + (1 << 21)], i << 21)
    os.preadv(fd, [memoryview(m)[5:5 + (1 << 21)]], i << 21)' "$file"
is "$(resident)" 0 "memory at odd addresses: no page is resident"
ok "$([ "$(json routes.bounced.bytes)" -ge $((1 << 26)) ]; echo $?)" "memory at odd addresses: it went through the pool"

done_testing
