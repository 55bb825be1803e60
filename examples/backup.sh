#!/bin/bash
# A backup that leaves the page cache to those who need it: tar or rsync of a
# folder, under the shim and then plain, and what each left in the page cache.
#
#   examples/backup.sh [--rsync] [FOLDER]
#
#   FOLDER             what is backed up; without it, 64 MiB made for the purpose
#   BACKUP_MIB=16      so much instead
#   TMPDIR=/mnt/disk   where the backups go; they are removed at the end
#   DIOSHIM_BUILD=...  the folder with dioshim and libdioshim.so
#
# The shim goes first, because a plain run leaves pages that nobody can tell
# from those that were there. Nothing is dropped from the cache but what this
# script made. Needs fincore (util-linux). Exit status 0: both backups are equal.

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

HERE=$(cd -P "$(dirname "$0")" && pwd)
BUILD=$(cd -P "${DIOSHIM_BUILD:-$HERE/../build}" && pwd) || exit 1
DIOSHIM=$BUILD/dioshim
scratch=

give_up() { printf 'backup: %s\n' "$*" >&2; exit 1; }
clean_up() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the page cache ------------------------------------------------------------

files_of() { find "$1" -type f -size +0 -print0; }	# FILE|FOLDER

resident() {	# FILE|FOLDER: pages of it in the page cache
	files_of "$1" | xargs -0 -r fincore --noheadings --output PAGES 2>/dev/null |
		awk '{ sum += $1 } END { print sum + 0 }'
}

evict() {	# FOLDER: on disk, and out of the page cache
	local file
	files_of "$1" | while IFS= read -r -d '' file; do
		sync -d "$file"
		dd if="$file" iflag=nocache count=0 status=none
	done
}

# ---- the backup ------------------------------------------------------------------

make_tree() {	# FOLDER MIB: files of odd sizes
	local i
	mkdir -p "$1/small"
	for ((i = 0; i < $2; i++)); do
		head -c $((1048576 + i * 37 - 1000)) /dev/urandom >"$1/file.$i"
	done
	for ((i = 0; i < 50; i++)); do
		head -c $((i * 100 + 1)) /dev/urandom >"$1/small/$i"
	done
}

# Records of 1 MiB: tar's own, of 10 KiB, would be a request to the disk each, and
# every other one ends within a page, which then is a page of the cache.
backup() {	# TARGET [WORD...]: the words precede the command
	local target=$1
	shift
	if [ "$tool" = tar ]; then
		"$@" tar -C "$tree" -b 2048 -cf "$target" .
	else
		"$@" rsync -a "$tree/" "$target/"
	fi
}

# Writes are on disk before time stops: the shim's are, in any case.
measure() {	# NAME TARGET [WORD...]: a row of the table; adds up $pages
	local name=$1 target=$2 begin=$EPOCHREALTIME us of_tree of_copy
	shift 2
	backup "$target" "$@" || give_up "$tool failed"
	files_of "$target" | xargs -0 -r sync -d
	us=$((${EPOCHREALTIME/./} - ${begin/./}))
	of_tree=$(resident "$tree")
	of_copy=$(resident "$target")
	pages=$((of_tree - before + of_copy))
	printf '  %-22s %12d %14d %11d.%02d s\n' "$name" "$of_tree" "$of_copy" \
		$((us / 1000000)) $((us / 10000 % 100))
}

equal() {
	if [ "$tool" = tar ]; then
		cmp "$scratch/shim" "$scratch/plain"
	else
		diff -r "$scratch/shim" "$scratch/plain"
	fi
}

# ---- what is run -------------------------------------------------------------------

tool=tar
[ "${1:-}" != --rsync ] || { tool=rsync; shift; }
[ $# -le 1 ] && [[ ${1:-} != -* ]] || give_up "usage: backup.sh [--rsync] [FOLDER]"
for name in "$tool" fincore; do
	command -v "$name" >/dev/null || give_up "$name is not installed"
done
[ -x "$DIOSHIM" ] || give_up "no dioshim in $BUILD: run make"

scratch=$(mktemp -d "${TMPDIR:-$BUILD}/dioshim-backup.XXXXXX") || exit 1
scratch=$(cd -P "$scratch" && pwd)
if [ $# = 1 ]; then
	tree=$(cd -P "$1" && pwd) || exit 1
else
	tree=$scratch/tree
	make_tree "$tree" "${BACKUP_MIB:-64}"
	evict "$tree"
fi

for folder in "$tree" "$scratch"; do
	"$DIOSHIM" doctor -o "$scratch/doctor" "$folder" || tail -n 1 "$scratch/doctor"
done
before=$(resident "$tree")
printf '%s of %s: %s files, %s MiB\n' "$tool" "${1:-files made for this}" \
	"$(files_of "$tree" | tr -dc '\0' | wc -c)" "$(du -sm "$tree" | cut -f1)"
printf '\n  %-22s %27s\n' "" "pages in the page cache"
printf '  %-22s %12s %14s %16s\n' "" "of the files" "of the backup" "with sync"
printf '  %-22s %12d %14d\n' before "$before" 0
measure "after dioshim run" "$scratch/shim" "$DIOSHIM" run -o "$scratch/report" --
pages_shim=$pages
measure "after a plain run" "$scratch/plain"
printf '\n'
equal || give_up "the backups differ"
printf 'The backups are equal. Left behind: %d pages plain, %d by dioshim.\n' "$pages" "$pages_shim"
