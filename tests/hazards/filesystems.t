#!/usr/bin/env bash
# The same transcripts on other file systems, block sizes and sector sizes.
. "$(dirname "$0")/../loop.sh"
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

programs() {	# KIND NAME
	transcript "$2: ends of files" --chunk 64K -- "$PROGS/matrix_eof" $chunk
	transcript "$2: read and write" --chunk 64K -- "$PROGS/matrix" rdwr $chunk
	transcript "$2: random calls" --chunk 64K -- "$PROGS/matrix_random" $chunk 5 600
	case $1 in
	ext4_journal | tmpfs | vfat) ;;		# have no direct I/O
	*) went_direct "$2" ;;
	esac
	rescued "$2: random calls" --chunk 64K -- "$PROGS/matrix_random" $chunk 6 600
	transcript "$2: vectors" --chunk 64K -- "$PROGS/matrix_iov" $chunk
	transcript "$2: bad addresses" -- "$PROGS/badaddr"
	for step in whole_files itself coherence; do
		transcript "$2: copies, $step" -- "$PROGS/hz_copy" $step
	done
	transcript "$2: mappings" -- "$PROGS/mapped" one_process stored_meanwhile
	transcript "$2: locks" -- "$PROGS/locks" siblings reused
}

# The others have their share in tests/machines/filesystems.t.
for kind in ext4_1k ext4_4kn ext4_noextents xfs btrfs btrfs_nocow overlay tmpfs f2fs vfat; do
	name=$(filesystem_name "$kind")
	if filesystem "$kind" "$home/$kind" 600M; then
		work_in "$home/$kind/work"
		programs "$kind" "$name"
		back
		filesystem_end "$home/$kind"
	else
		skip "$name" "$FS_WHY"
	fi
done

done_testing
