#!/usr/bin/env bash
# The library on another kernel, in a virtual machine: Debian 12's 6.1, where
# ctime moves in ticks, cachestat is not known, and pages that a direct read
# fills are not pinned. Programs on ext4, xfs and btrfs, readers with streams
# beside writers, unit tests: tests/vm/guest.sh says what.
#
#   vm.t [KERNEL]       as tests/vm/kernel takes it: 6.12, a package, a .deb
#
# Settings are those of tests/vm/boot, and PARTS, of "smokes races units". Run
# by `make check-vm`.
. "$(dirname "$0")/../lib.sh"
VM=$TESTS/vm
KERNEL=${1:-6.1}
export VM_LIMIT=${VM_LIMIT:-330}
PROGRAMS="cat cmp cp dash dd"

[ "$(uname -m)" = x86_64 ] || skip_all "the machine is an x86-64 one, and takes its programs from here"
need qemu-system-x86_64 busybox mkfs.ext4 mkfs.xfs xz tar $PROGRAMS
[ -x "$DIOSHIM_BUILD/tests/vm_ticks" ] || skip_all "no tests/vm_ticks in the build folder: make check-vm"
scratch

kernel=$("$VM/kernel" "$DIOSHIM_BUILD/vm" "$KERNEL" 2>"$SCRATCH/why") || skip_all "$(tail -n 1 "$SCRATCH/why")"

# ---- the machine --------------------------------------------------------------------------

files=()
for program in $PROGRAMS; do
	files+=("$(command -v "$program")")
done
for program in vm_ticks stale; do
	files+=("$DIOSHIM_BUILD/tests/$program")
done
units=()
for unit in "$DIOSHIM_BUILD"/tests/unit_*; do
	case $unit in
	*.d) continue ;;
	*_plan | *_config | *_cli_*) continue ;;	# ask the kernel nothing
	*_faults* | *_stream_*) continue ;;	# answer in the kernel's place, for minutes each
	esac
	units+=("${unit##*/}")
	files+=("$unit")
done
cat >"$SCRATCH/settings" <<-END
	PARTS="${PARTS:-smokes races units}"
	UNITS="${units[*]}"
	SECONDS_EACH=${SECONDS_EACH:-8}
	SEED=${SEED:-1}
END
"$VM/initramfs" "$kernel" "$SCRATCH/initramfs" "$VM/guest.sh" "$DIOSHIM" "$DIOSHIM_BUILD/libdioshim.so" \
	"$SCRATCH/settings" "${files[@]}" 2>"$SCRATCH/err"
ok $? "an initramfs was made" || { diag_file "$SCRATCH/err"; done_testing; }

disks=()
for kind in ext4 xfs btrfs; do
	truncate -s 400M "$SCRATCH/$kind"
	case $kind in
	ext4) make=(mkfs.ext4 -q -F) ;;
	*) make=("mkfs.$kind" -q -f) ;;
	esac
	if "${make[@]}" "$SCRATCH/$kind" >/dev/null 2>&1; then
		disks+=("$kind=$SCRATCH/$kind")
	else
		skip "$kind" "no ${make[0]}"
	fi
done
truncate -s 64M "$SCRATCH/results"

started=$SECONDS
"$VM/boot" "$kernel" "$SCRATCH/initramfs" results="$SCRATCH/results" "${disks[@]}" >"$SCRATCH/console" 2>&1 &
at_exit "kill $! 2>/dev/null"
wait $!
status=$?
mkdir "$SCRATCH/found"
tar -xf "$SCRATCH/results" -C "$SCRATCH/found" 2>/dev/null
[ $status = 0 ] && [ -f "$SCRATCH/found/finished" ]
ok $? "$(cat "$kernel/package"): came to its end after $((SECONDS - started)) s" || {
	diag "status $status (124: stopped), the console's last lines:"
	tail -n 30 "$SCRATCH/console" >"$SCRATCH/tail"
	diag_file "$SCRATCH/tail" 30
}
! grep -E 'BUG:|Oops|WARNING: CPU|corruption|I/O error' "$SCRATCH/console" >"$SCRATCH/tail"
ok $? "nothing wrong on the console" || diag_file "$SCRATCH/tail"

# ---- what it found -------------------------------------------------------------------------

touch "$SCRATCH/found/tap"
while IFS= read -r line; do
	case $line in
	"ok - "*) tap_line "$line" ;;
	"not ok - "*) ok 1 "${line#not ok - }" ;;
	*) diag "${line#\# }" ;;
	esac
done <"$SCRATCH/found/tap"

for SHIM_JSON in "$SCRATCH"/found/*.json; do
	[ -f "$SHIM_JSON" ] || continue
	name=$(basename "$SHIM_JSON" .json)
	ledger_closes "$name"
	case $name in
	stream.*)
		[ "$(json 'routes.staged.bytes')" -gt 0 ]
		ok $? "$name: $(json counters.streams) streams, $(json counters.streams_changed) ended by a change"
		;;
	*)
		[ "$(json 'routes.zero_copy.bytes + routes.bounced.bytes + routes.staged.bytes')" -gt 0 ]
		ok $? "$name: direct I/O was done"
		;;
	esac
done
done_testing
