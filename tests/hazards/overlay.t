#!/usr/bin/env bash
# overlayfs: files of a lower layer, copied up while they are open.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch
[ "$(id -u)" = 0 ] || skip_all "only root can mount"
cd "$SCRATCH" || exit

try() {	# NAME LOWER
	local name=$1 run i
	for run in plain shim; do
		for i in 0 1 2; do
			lines "$2/lower$i" 300777
		done
		sync -f "$2"
		rm -rf "$SCRATCH/layers"
		overlay "$SCRATCH/over" "$2" "$SCRATCH/layers" || { skip "$name" "cannot be mounted here"; return; }
		cd "$SCRATCH/over" || exit
		$run -- "$PROGS/overlay" >"$SCRATCH/$run.out" 2>"$SCRATCH/$run.err"
		echo $? >>"$SCRATCH/$run.out"
		cd "$SCRATCH" || exit
		filesystem_end "$SCRATCH/over"
		sha256sum layers/upper/* >>"$SCRATCH/$run.out"
	done
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "$name" || { first_differences 20; diag_file "$SCRATCH/shim.err"; }
	is "$(grep -cx 0 "$SCRATCH/plain.out")" 1 "$name: all was tried" || diag_file "$SCRATCH/plain.err"
	went_direct "$name"
}

mkdir "$SCRATCH/lower"
try "both layers on one file system" "$SCRATCH/lower"
for kind in xfs ext4_4kn tmpfs; do
	if filesystem $kind "$SCRATCH/below.$kind" 400M; then
		try "lower layer: $(filesystem_name $kind)" "$SCRATCH/below.$kind"
		filesystem_end "$SCRATCH/below.$kind"
	else
		skip "lower layer: $kind" "$FS_WHY"
	fi
done

done_testing
