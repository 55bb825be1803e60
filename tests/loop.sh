# loop: loop devices and file systems on them. A test that needs them sources
# this instead of lib.sh, which it sources itself.
#
#   loop_device, loop_end, mount_at          by hand
#   unmount FOLDER                           what mount_at mounted, before the end
#   filesystem KIND FOLDER [SIZE]            one of $FS_KINDS, made and mounted; or
#                                            fails, with the reason in $FS_WHY
#   filesystem_end FOLDER                    undone before the end of the test
#   filesystem_name KIND                     what to call it in the names of tests
#
# Everything is undone at the end of the test, also where it is stopped. Mounts
# are in a mount namespace of the test's own, and a mounted loop device is
# released by its last user: SIGKILL leaves nothing mounted either.

if [ "$(id -u)" = 0 ] && [ -z "${LOOP_PRIVATE:-}" ] && unshare -m true 2>/dev/null; then
	LOOP_PRIVATE=1 exec unshare -m "$BASH" "$0" "$@"
fi
unset LOOP_PRIVATE

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A loop device over a file, in $LOOP; gone at the end. Fails when not allowed.
loop_device() {	# FILE [OPTIONS of losetup]
	local file=$1
	shift
	LOOP=$(losetup --find --show "$@" "$file" 2>/dev/null) || return 1
	at_exit "loop_end $LOOP '$file'"
}

# Undone earlier, perhaps: the number may have gone to another test's file.
loop_end() {	# DEVICE FILE
	losetup --noheadings -O BACK-FILE "$1" 2>/dev/null | grep -qF "$2" || return 0
	losetup -d "$1" 2>/dev/null
	return 0
}

# The file system on $LOOP or another device, mounted; unmounted at the end.
mount_at() {	# DEVICE FOLDER [OPTIONS of mount]
	local device=$1 folder=$2
	shift 2
	mount "$@" "$device" "$folder" 2>/dev/null || return 1
	at_exit "! mountpoint -q '$folder' || umount '$folder' || umount -l '$folder'"
}

FS_KINDS="ext4 ext4_1k ext4_4kn ext4_journal ext4_noextents ext2 xfs xfs_4kn
	btrfs btrfs_nocow overlay tmpfs f2fs vfat exfat"

unmount() {	# FOLDER
	! mountpoint -q "$1" || umount "$1" 2>/dev/null || umount -l "$1"
}

filesystem_name() {	# KIND
	case $1 in
	*_1k) echo "${1%_*}, blocks of 1 KiB" ;;
	*_4kn) echo "${1%_*}, sectors of 4 KiB" ;;
	*_journal) echo "${1%_*}, data=journal" ;;
	*_noextents) echo "${1%_*} without extents" ;;
	*_nocow) echo "${1%_*}, nodatacow" ;;
	*) echo "$1" ;;
	esac
}

# What makes it, in $FS_MKFS, the sector in $FS_SECTOR, and how it is mounted.
filesystem_recipe() {	# KIND
	FS_SECTOR=512 FS_MOUNT=()
	case $1 in
	ext4) FS_MKFS=(mkfs.ext4 -q -F -b 4096) ;;
	ext4_1k) FS_MKFS=(mkfs.ext4 -q -F -b 1024) ;;
	ext4_4kn) FS_MKFS=(mkfs.ext4 -q -F) FS_SECTOR=4096 ;;
	ext4_journal) FS_MKFS=(mkfs.ext4 -q -F) FS_MOUNT=(-o data=journal) ;;
	ext4_noextents) FS_MKFS=(mkfs.ext4 -q -F -O "^extents,^64bit,^metadata_csum") ;;
	ext2) FS_MKFS=(mkfs.ext2 -q -F) FS_MOUNT=(-t ext2) ;;
	xfs) FS_MKFS=(mkfs.xfs -q -f) ;;
	xfs_4kn) FS_MKFS=(mkfs.xfs -q -f) FS_SECTOR=4096 ;;
	btrfs) FS_MKFS=(mkfs.btrfs -q -f) ;;
	btrfs_nocow) FS_MKFS=(mkfs.btrfs -q -f) FS_MOUNT=(-o nodatacow) ;;
	f2fs) FS_MKFS=(mkfs.f2fs -q -f) ;;
	vfat) FS_MKFS=(mkfs.vfat) ;;
	exfat) FS_MKFS=(mkfs.exfat -q) ;;
	*) return 1 ;;
	esac
}

# Where images lie: in memory, where there is some, for a disk that others use is slow.
image_folder() {
	local free
	[ -z "${IMAGES:-}" ] || return 0
	IMAGES=$SCRATCH/images
	mkdir -p "$IMAGES"
	free=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	[ "${free:-0}" -lt $((3 << 20)) ] || mount_at none "$IMAGES" -t tmpfs -o size=1G
}

filesystem() {	# KIND FOLDER [SIZE]
	local kind=$1 folder=$2 size=${3:-400M} image
	FS_WHY="only root can mount"
	[ "$(id -u)" = 0 ] || return 1
	mkdir -p "$folder"
	FS_WHY="this kernel has no ${kind%%_*}"
	grep -qw "${kind%%_*}" /proc/filesystems || modprobe "${kind%%_*}" 2>/dev/null || return 1
	FS_WHY="cannot be mounted here"
	case $kind in
	tmpfs) mount_at none "$folder" -t tmpfs -o "size=$size"; return ;;
	overlay) overlay "$folder" "$folder.layers/lower" "$folder.layers"; return ;;
	esac
	filesystem_recipe "$kind" || return 1
	FS_WHY="no ${FS_MKFS[0]}"
	command -v "${FS_MKFS[0]}" >/dev/null || return 1
	FS_WHY="cannot be made or mounted here"
	image_folder
	image=$IMAGES/$kind.$RANDOM
	truncate -s "$size" "$image"
	loop_device "$image" --sector-size "$FS_SECTOR" || return 1
	if ! "${FS_MKFS[@]}" "$LOOP" >/dev/null 2>&1 || ! mount_at "$LOOP" "$folder" "${FS_MOUNT[@]}"; then
		loop_end "$LOOP" "$image"
		rm -f "$image"
		return 1
	fi
	# The device keeps the image, the mount the device.
	loop_end "$LOOP" "$image"
	rm -f "$image"
	[ "$kind" != btrfs_nocow ] || chattr +C "$folder"
}

# LAYERS holds the upper layer and the work folder; LOWER may be anywhere.
overlay() {	# FOLDER LOWER LAYERS
	mkdir -p "$1" "$2" "$3/upper" "$3/work"
	mount_at none "$1" -t overlay -o "lowerdir=$2,upperdir=$3/upper,workdir=$3/work"
}

filesystem_end() {	# FOLDER
	unmount "$1"
	rm -rf "$1.layers"
}
