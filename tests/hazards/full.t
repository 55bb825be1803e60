#!/usr/bin/env bash
# File systems without room, quotas, and a file size limit that moves.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

[ "$(id -u)" = 0 ] || skip_all "only root can mount"
room=$((3 << 20))	# what a file can have
source=$((5 << 20))	# copied from

# All but what is needed, taken by a file that gives it free when asked to.
ballast() {	# FOLDER
	local free
	free=$(df --output=avail -B1 "$1" | tail -n 1)
	fallocate -l $((free - source - room - (1 << 20))) "$1/ballast" && sync -f "$1/ballast"
}

# In a new file system each time, or what the first run left would tell.
both() {	# NAME KIND SIZE PROGRAM ARGUMENT...
	local name=$1 kind=$2 size=$3 run status folder=$SCRATCH/mount
	shift 3
	for run in plain shim; do
		rm -f "$SCRATCH/$run.out"
		if ! filesystem "$kind" "$folder" "$size"; then
			skip "$name" "$FS_WHY"
			return
		fi
		if ! ballast "$folder" || ! limit_room "$folder"; then
			filesystem_end "$folder"
			skip "$name" "room cannot be limited"
			return
		fi
		cd "$folder/${inside:-}" || exit
		$run -- "$@" >"$SCRATCH/$run.out" 2>"$SCRATCH/$run.err"
		status=$?
		cd "$SCRATCH" || exit
		filesystem_end "$folder"
	done
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
	ok $? "$name" || { first_differences; diag_file "$SCRATCH/shim.err"; }
	is "$status, $(grep -c ' [a-z]* 0\b' "$SCRATCH/shim.out")" "0, 0" "$name: all as promised" || diag_file "$SCRATCH/shim.err"
	[ "${direct:-}" = no ] || went_direct "$name"
}
limit_room() { :; }

enospc=("$PROGS/full" fill ENOSPC $((4 << 20)))
both "full: ext4" ext4 48M "${enospc[@]}"
both "full: ext4, blocks of 1 KiB" ext4_1k 48M "${enospc[@]}"
both "full: xfs" xfs 300M "${enospc[@]}"
both "full: btrfs, nodatacow" btrfs_nocow 200M "${enospc[@]}"
room=$((130 << 20)) both "full: shared offset" ext4 200M "$PROGS/full" shared ENOSPC

# ---- a quota: btrfs has one of its own, that of others needs kernel support

LEDGERS=$SCRATCH/ledgers
mkdir -m 777 "$LEDGERS"
chmod 711 "$SCRATCH"
chmod 777 "$TMPDIR"
RUN_AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
ballast() {	# FOLDER
	btrfs quota enable "$1" && btrfs subvolume create "$1/of_user" &&
		chattr +C "$1/of_user" && chmod 777 "$1/of_user" &&
		btrfs qgroup limit $(((4 << 20) + room + source)) "$1/of_user" &&
		: >"$1/of_user/ballast" && chmod 666 "$1/of_user/ballast" &&
		fallocate -l $(((4 << 20) + 65536)) "$1/of_user/ballast"
} >/dev/null 2>&1
if "${RUN_AS[@]}" test -x "$PROGS/full" -a -x "$DIOSHIM" 2>/dev/null; then
	inside=of_user both "quota: btrfs, nodatacow" btrfs_nocow 200M "$PROGS/full" fill EDQUOT $((2 << 20))
else
	skip "quota" "another user cannot run what was built"
fi
RUN_AS=()

# ---- RLIMIT_FSIZE, moved by another process while writes are under way

for how in counted ignored; do
	mkdir -p "$SCRATCH/limit"
	cd "$SCRATCH/limit" || exit
	shim -- "$PROGS/limit_moves" $how 2>"$SCRATCH/shim.err" >"$SCRATCH/shim.out"
	is "$?, $(cat "$SCRATCH/shim.out")" "0, as it should be" "RLIMIT_FSIZE while it moves, signal $how" ||
		diag_file "$SCRATCH/shim.err"
	went_direct "RLIMIT_FSIZE while it moves, signal $how"
	cd "$SCRATCH" || exit
done

done_testing
