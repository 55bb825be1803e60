#!/bin/bash
# dioshim doctor: what it says of every kind of path, its statuses and forms, and
# that the library does as the doctor says.

. "$(dirname "$0")/loop.sh"
need "$PYTHON" dd mkfifo
scratch
chmod 755 "$SCRATCH"
cd "$SCRATCH" || exit 1
SIZE=1048576

doctor() {	# [OPTIONS] PATH...: status in $status; text, JSON and complaints in out, doctor.json, err
	"${RUN_AS[@]}" "$DIOSHIM" doctor --json=doctor.json -o out "$@" 2>err
	status=$?
}
said() {	# EXPR
	SHIM_JSON=$SCRATCH/doctor.json json "$1"
}
has() {		# FILE PATTERN NAME
	grep -qE -- "$2" "$1"
	ok $? "$3" || diag_file "$1" 40
}
verdict() {	# STATUS DIRECT REASON NAME: of the one path asked about
	is "$status $(said 'paths[0].direct') $(said 'paths[0].reason')" "$1 $2 $3" "$4"
	is "$(cat err)" "" "$4: nothing on stderr"
}
same_listing() {	# FOLDER COMMAND...: run, and nothing of the folder has changed
	local before after
	before=$(find "$1" -printf '%p %i %s %m %T@ %C@\n' | sort)
	"${@:2}"
	after=$(find "$1" -printf '%p %i %s %m %T@ %C@\n' | sort)
	is "$after" "$before" "nothing in it was changed"
}

mkdir kinds
lines kinds/file $SIZE
mkfifo kinds/fifo
ln -s file kinds/link
ln -s nowhere kinds/dangling
$PYTHON -c 'import socket; socket.socket(socket.AF_UNIX).bind("kinds/socket")'
settle kinds

# ---- good paths --------------------------------------------------------------

same_listing kinds doctor kinds/file
verdict 0 yes "" "a regular file"
has out "^direct I/O: yes: kinds/file$" "the last line says so"
is "$(said 'paths[0].kind') $(said 'paths[0].trial') $(said 'paths[0].tried')" \
	"regular file opened $(pwd -P)/kinds/file" "it was opened with O_DIRECT"
is "$(said 'paths[0].file_system')" "$(findmnt -n -o FSTYPE -T kinds/file)" "its file system is the one mounted"
is "$(said 'paths[0].major'):$(said 'paths[0].minor')" "$(stat -c '%Hd:%Ld' kinds/file)" "its device's number is stat's"
is "$(said eligible)" 1 "all paths are eligible"

same_listing kinds doctor kinds
verdict 0 yes "" "a folder"
is "$(said 'paths[0].temporary') $(said 'paths[0].trial')" "1 written" "a block of a new file was written"
doctor
verdict 0 yes "" "no path is the present folder"
is "$(said 'paths[0].path')" . "named as it is"
doctor kinds/link kinds
is "$status $(said 'paths[0].direct')" "0 yes" "a link is what it leads to"
is "$("$DIOSHIM" doctor kinds --json - | $PYTHON -c 'import json, sys; print(json.load(sys.stdin)["eligible"])')" True \
	"--json -: JSON alone, also behind a path"

# ---- what is not routed -------------------------------------------------------

RUN_AS=(timeout 10)	# a FIFO that is opened may wait for ever
for kind in fifo socket; do
	doctor kinds/$kind
	verdict 1 no "" "a $kind"
	has out "^direct I/O: no: kinds/$kind: neither a regular file nor a block device" "a $kind: why"
done
RUN_AS=()
doctor /dev/null
verdict 1 no "" "/dev/null"
doctor /proc/self/maps
verdict 1 no excluded "/proc"
DIOSHIM_EXCLUDE= doctor /proc/self/maps
verdict 1 no filesystem "/proc, not excluded"
is "$(said 'paths[0].trial')" none "/proc: not tried"
if strace -o /dev/null true 2>/dev/null; then
	RUN_AS=(strace -y -e trace=open,openat -o trace)
	opened() {	# PATTERN: how often more than looked at
		grep -q '"kinds/file", .*O_PATH' trace || echo none traced
		grep -v O_PATH trace | grep -cE "<[^>]*$1>\$"
	}
	doctor kinds/file kinds/fifo kinds/socket /dev/null
	is "$(opened "/kinds/file")" 2 "a file is opened twice"
	is "$(opened "/(fifo|socket|null)")" 0 "FIFO, socket and character device are not opened"
	DIOSHIM_EXCLUDE= doctor kinds/file /proc/self/oom_score
	is "$(opened /oom_score)" 0 "nor is what its file system refuses"
	doctor kinds
	number=$(grep -E '^open' trace | grep -n -m 1 O_TMPFILE | cut -d : -f 1)
	RUN_AS=(strace -e trace=open,openat -e inject=open,openat:error=EOPNOTSUPP:when="$number" -o trace)
	doctor kinds
	is "$(grep -c 'O_TMPFILE.*INJECTED' trace) $status $(said 'paths[0].trial')" "1 0 written" "a folder without O_TMPFILE"
	is "$(ls -A kinds)" "$(printf '%s\n' dangling fifo file link socket)" "and its temporary file is gone"
	RUN_AS=()
else
	skip "what is opened" "strace cannot trace here"
fi
DIOSHIM_EXCLUDE="$(pwd -P)/kinds" doctor kinds/file
verdict 1 no excluded "DIOSHIM_EXCLUDE of the environment"
DIOSHIM_INCLUDE="/elsewhere" doctor kinds
verdict 1 no excluded "DIOSHIM_INCLUDE, for a new file"
DIOSHIM_MIN_FILE=2M doctor kinds/file
verdict 1 no min_file "DIOSHIM_MIN_FILE"
DIOSHIM_MODE=off doctor kinds/file
verdict 1 no switched_off "DIOSHIM_MODE=off"

# ---- errors -------------------------------------------------------------------

doctor kinds/file kinds/none kinds kinds/dangling
is $status 1 "missing paths: exit 1"
is "$(cat err)" "dioshim: kinds/none: No such file or directory
dioshim: kinds/dangling: No such file or directory" "each is named on stderr"
is "$(grep '^direct I/O: ' out | cut -d ' ' -f 1-4 | tr '\n' ' ')" \
	"direct I/O: yes: kinds/file direct I/O: cannot be direct I/O: yes: kinds direct I/O: cannot be " \
	"one last line for each path, in their order"
is "$(said eligible) $(said 'paths[1].error')" "0 No such file or directory" "JSON has the error"
doctor $'kinds/\e[31m\xff'
has err '^dioshim: kinds/\?\[31m\?: No such' "a path cannot drive the terminal"
is "$(said 'paths[0].path_hex')" 6b696e64732f1b5b33316dff "JSON has its bytes"
DIOSHIM_POOL=nonsense doctor kinds
is $status 125 "a bad setting: 125"
doctor --nonsense
is $status 125 "a bad option: 125"
"$DIOSHIM" doctor -o /dev/full kinds 2>err
is $? 125 "an output that cannot be written: 125"
has err "^dioshim: /dev/full: No space" "and it says why"

# ---- rights -------------------------------------------------------------------

mkdir -m 755 closed closed/empty
lines closed/file 8192
lines closed/secret 8192
chmod 600 closed/secret
if [ "$(id -u)" != 0 ]; then
	chmod 555 closed closed/empty
else
	RUN_AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 1777 .	# for what it writes
	rm -f out err doctor.json
fi
if "${RUN_AS[@]}" test -r closed/file && "${RUN_AS[@]}" test -x "$DIOSHIM"; then
	same_listing closed doctor closed
	is "$status $(said 'paths[0].direct') $(said 'paths[0].stands_in') $(said 'paths[0].tried')" \
		"0 yes 1 $(pwd -P)/closed/file" "a folder where nothing can be made: a file in it stands in"
	has out "in which nothing can be made: asked of .*/closed/file" "which the text says"
	doctor closed/empty
	verdict 1 unknown "" "nor holds anything: cannot be told"
	has out "^direct I/O: cannot be told: closed/empty: .*Permission denied" "with the error"
	if [ "$(id -u)" = 0 ]; then
		doctor closed/secret
		verdict 1 unknown "" "a file that cannot be read: cannot be told"
		is "$(said swiotlb.pool.answer)" unknown "the pool is not readable as this user"
		has out "^  (pool|tracepoint) .*(not readable as this user|not mounted)" "which is said so"
	fi
else
	skip "an ordinary user" "cannot reach this folder"
fi
RUN_AS=()
rm -f out err doctor.json

# ---- the host -----------------------------------------------------------------

doctor kinds
is "$(said release)" "$(uname -r)" "the kernel's release"
is "$($PYTHON - <<-'END'
	import json
	d = json.load(open("doctor.json"))
	wrong = [k for part in (d["kernel"], {k: v for k, v in d["swiotlb"].items() if isinstance(v, dict)})
	         for k, v in part.items() if v["answer"] not in ("yes", "no", "unknown") or not v["text"]]
	print(len(d["kernel"]), len(d["swiotlb"]), wrong)
	END
)" "6 7 []" "each finding has an answer and a text"
has out "^  (statx DIOALIGN|cachestat|kernel AIO) +(yes|no): " "they are lines of the text"
has out "^SWIOTLB.*: (yes|no|cannot be told): ." "so is SWIOTLB"

# ---- the library does as the doctor says --------------------------------------

# Reads of a file, writes of a new one: direct, or stopped by the very reason.
agrees() {	# NAME FILE
	local name=$1 file=$2 reason
	doctor "$file"
	reason=$(said 'paths[0].reason')
	SETTLE=1 shim --stream=0 -- dd if="$file" of=/dev/null bs=65536 status=none
	if [ "$(said 'paths[0].direct')" = yes ]; then
		is "$(direct_bytes)" $SIZE "$name: yes, and all reads are direct"
		is "$(json 'files[0].mem_align') $(json 'files[0].offset_align')" \
			"$(said 'paths[0].align.mem') $(said 'paths[0].align.read')" "$name: the alignment is the same"
	else
		is "$(direct_bytes) $(json "reasons.$reason.bytes")" "0 $SIZE" "$name: no, $reason, and so are all reads"
	fi
}
agrees_new() {	# NAME FOLDER
	local name=$1 folder=$2 reason
	doctor "$folder"
	reason=$(said 'paths[0].reason')
	[ "$(said 'paths[0].writes_cached')" != 1 ] || reason=btrfs_checksums
	shim -- dd if=/dev/zero of="$folder/new" bs=65536 count=16 status=none
	if [ -z "$reason" ]; then
		is "$(direct_bytes)" $SIZE "$name, a new file: yes, and all writes are direct"
	else
		is "$(direct_bytes) $(json "reasons.$reason.bytes")" "0 $SIZE" "$name, a new file: $reason, and so are all writes"
	fi
	rm -f "$folder/new"
}

agrees "the scratch folder" "$SCRATCH/kinds/file"
agrees_new "the scratch folder" "$SCRATCH/kinds"
export DIOSHIM_EXCLUDE=$SCRATCH/kinds
agrees "excluded" "$SCRATCH/kinds/file"
agrees_new "excluded" "$SCRATCH/kinds"
unset DIOSHIM_EXCLUDE
export DIOSHIM_MIN_FILE=2M
agrees "smaller than DIOSHIM_MIN_FILE" "$SCRATCH/kinds/file"
unset DIOSHIM_MIN_FILE

for kind in ext4_4kn ext4_journal xfs btrfs btrfs_nocow overlay tmpfs vfat; do
	name=$(filesystem_name $kind)
	if ! filesystem $kind "$SCRATCH/$kind" 300M; then
		skip "$name" "$FS_WHY"
		continue
	fi
	lines "$SCRATCH/$kind/file" $SIZE
	settle "$SCRATCH/$kind"
	agrees "$name" "$SCRATCH/$kind/file"
	case $kind in
	ext4_4kn) is "$(said 'paths[0].logical_block') $(said 'paths[0].align.read')" "4096 4096" "$name: blocks of 4096 bytes" ;;
	ext4_journal) is "$(said 'paths[0].reason')" no_direct "$name: no_direct" ;;
	tmpfs) is "$(said 'paths[0].reason')" filesystem "$name: filesystem" ;;
	btrfs) is "$(said 'paths[0].writes_cached') $(said 'paths[0].shares_extents')" "1 1" "$name: writes are cached" ;;
	esac
	is "$(said 'paths[0].file_system')" "${kind%%_*}" "$name: the type of the file system"
	agrees_new "$name" "$SCRATCH/$kind"
	[ "$kind" != overlay ] || is "$(said 'paths[0].device')" "" "$name: no one device"
	filesystem_end "$SCRATCH/$kind"
done

truncate -s 16M image
if [ "$(id -u)" = 0 ] && loop_device "$SCRATCH/image" --sector-size 4096; then
	doctor "$LOOP"
	verdict 0 yes "" "a block device below /dev"
	is "$(said 'paths[0].align.read') $(said 'paths[0].logical_block') $(said 'paths[0].device')" \
		"4096 4096 ${LOOP#/dev/}" "a block device: its sectors and name"
	is "$(said 'paths[0].read_ahead')" 0 "a block device: is not read ahead"
	shim --stream=0 -- dd if="$LOOP" of=/dev/null bs=65536 count=16 status=none
	is "$(direct_bytes)" $SIZE "a block device: all reads are direct"
else
	skip "a block device" "no loop device"
fi
done_testing
