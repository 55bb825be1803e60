#!/usr/bin/env bash
# SWIOTLB for real, in virtual machines: with swiotlb=force the kernel copies
# once more for an NVMe disk. The doctor says so, and what is counted around a
# direct read is at least that read. Without it, neither.
#
#   swiotlb.t [KERNEL]       as tests/vm/kernel takes it
#
# Run by `make check-vm`.
. "$(dirname "$0")/../lib.sh"
VM=$TESTS/vm
KERNEL=${1:-6.1}
export VM_LIMIT=${VM_LIMIT:-120} VM_ICOUNT='' VM_MEMORY=512

[ "$(uname -m)" = x86_64 ] || skip_all "the machine is an x86-64 one, and takes its programs from here"
need qemu-system-x86_64 busybox mkfs.ext4 xz tar
[ -x "$DIOSHIM_BUILD/tests/vm_bounces" ] || skip_all "no tests/vm_bounces in the build folder: make check-vm"
scratch

kernel=$("$VM/kernel" "$DIOSHIM_BUILD/vm" "$KERNEL" 2>"$SCRATCH/why") || skip_all "$(tail -n 1 "$SCRATCH/why")"
"$VM/initramfs" "$kernel" "$SCRATCH/initramfs" "$VM/swiotlb.guest" "$DIOSHIM" \
	"$DIOSHIM_BUILD/tests/vm_bounces" 2>"$SCRATCH/err"
ok $? "an initramfs was made" || { diag_file "$SCRATCH/err"; done_testing; }

# What it left is in $SCRATCH/found afterwards.
machine() {	# NAME
	local status started=$SECONDS
	truncate -s 200M "$SCRATCH/ext4"
	mkfs.ext4 -q -F "$SCRATCH/ext4"
	rm -f "$SCRATCH/results"
	truncate -s 16M "$SCRATCH/results"
	"$VM/boot" "$kernel" "$SCRATCH/initramfs" results="$SCRATCH/results" ext4="$SCRATCH/ext4" \
		>"$SCRATCH/console" 2>&1 &
	at_exit "kill $! 2>/dev/null"
	wait $!
	status=$?
	rm -rf "$SCRATCH/found"
	mkdir "$SCRATCH/found"
	tar -xf "$SCRATCH/results" -C "$SCRATCH/found" 2>/dev/null
	[ $status = 0 ] && [ -f "$SCRATCH/found/finished" ]
	ok $? "$(cat "$kernel/package"), $1: came to its end after $((SECONDS - started)) s" && return
	tail -n 30 "$SCRATCH/console" >"$SCRATCH/tail"
	diag_file "$SCRATCH/tail" 30
	done_testing
}

said() {	# EXPR: of the doctor's JSON
	SHIM_JSON=$SCRATCH/found/doctor.json json "$1"
}

# What was counted, in $readable $at_least $bytes $bounces.
counted() {	# NAME
	read -r readable at_least bytes bounces <"$SCRATCH/found/$1"
	is "$(sed -n 2p "$SCRATCH/found/$1")" "status 0" "$1: read $bytes bytes bounced in $bounces pieces"
	diag_file "$SCRATCH/found/$1.err"
}

MIB=1048576
VM_DISK=nvme VM_APPEND=swiotlb=force machine "swiotlb=force"
diag_file "$SCRATCH/found/doctor" 60
is "$(said swiotlb.answer)" yes "the doctor: yes, it may"
is "$(said swiotlb.command_line.answer) $(said swiotlb.pool.answer) $(said swiotlb.tracepoint.answer)" "yes yes yes" \
	"for the command line says so, and pool and tracepoint are there"
is "$(said swiotlb.encrypted_guest.answer) $(said swiotlb.disks.answer)" "no no" "not for other reasons"
is "$(said eligible)" 1 "the folder on NVMe gets direct I/O all the same"
is "$(said 'paths[0].statx.mem')" 4 "NVMe's memory alignment is 4"
if [ "$KERNEL" = 6.1 ]; then
	is "$(said kernel.statx_dioalign.answer) $(said kernel.cachestat.answer)" "yes no" "6.1 has statx's alignment, not cachestat"
	is "$(said kernel.multigrain_ctime.answer) $(said kernel.rwf_dontcache.answer)" "no no" "nor multigrain ctime, nor RWF_DONTCACHE"
	is "$(said 'paths[0].align.mem') $(said 'paths[0].align.pages_only')" "4096 1" "and its O_DIRECT is trusted with whole pages only"
elif [ "$KERNEL" = 6.12 ]; then
	is "$(said 'paths[0].align.mem') $(said 'paths[0].align.pages_only')" "4 0" "6.12 is trusted with it"
fi

for name in sums events after; do
	counted $name
	[ "$readable" = 1 ] && [ "$at_least" = 0 ] && [ "$bytes" -ge $((8 * MIB)) ] && [ "$bytes" -lt $((12 * MIB)) ]
	ok $? "$name: 8 MiB read are 8 MiB bounced"
done
counted many
[ "$readable" = 1 ] && { [ "$at_least" = 1 ] || [ "$bytes" -ge $((64 * MIB)) ]; }
ok $? "many events: all, or said to be at least"
counted nothing
[ "$readable" = 1 ] && [ "$bytes" -lt $MIB ]
ok $? "nothing read, next to nothing bounced"
ok "$(grep -q '^dioshim\.[0-9]*$' "$SCRATCH/found/left"; echo $?)" "an instance is left by who is killed"
is "$(cat "$SCRATCH/found/none")" "" "the next start removes it, and its own at the end"
counted debugfs
is "$readable" 1 "tracefs is found below debugfs, too"
counted blind
is "$readable $bytes" "0 0" "without both nothing is said to be counted"

VM_APPEND='' machine "without"
is "$(said swiotlb.answer)" no "without swiotlb=force the doctor says no"
counted sums
is "$readable $bytes" "1 0" "and nothing is counted"
done_testing
