#!/usr/bin/env bash
# Mode strict: EINVAL where a bare O_DIRECT open gets it, on any file system,
# and nowhere else; what was refused is told.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/../hazards/transcripts.sh"
scratch

sites() {
	"$PYTHON" -I -S -B "$TESTS/sites.py" "$@"
}

# The program under strict, in a folder of its own. What it prints through stdio
# is not seen; python's own scripts and output lie in a folder that is left out.
mkdir "$SCRATCH/left"
LEFT_OUT=(--exclude "/usr:/lib*:/etc:$SCRATCH/left")

strictly() {	# OUTPUT FOLDER [OPTIONS] -- PROGRAM ARGUMENT...
	local out=$1 status
	mkdir -p "$2"
	cd "$2" || exit
	shift 2
	shim "$@" >"$out"
	status=$?
	cd "$SCRATCH" || exit
	return $status
}

like_direct() {	# NAME FOLDER STEP...
	local name=$1 folder=$2 step
	shift 2
	for step; do
		mkdir -p "$folder/plain"
		(cd "$folder/plain" && plain -- "$PROGS/strict" "$step" direct) >"$SCRATCH/plain.out" &&
			strictly "$SCRATCH/shim.out" "$folder/strict" --mode strict -- "$PROGS/strict" "$step" &&
			cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
		ok $? "$name, $step: refused where O_DIRECT is" || first_differences
		# A write that the kernel refuses for its length it may have made in part (6.18).
		[ $step != buffers ] || continue
		same_trees "$folder/plain" "$folder/strict" >"$SCRATCH/trees"
		ok $? "$name, $step: the files are the same" || diag_file "$SCRATCH/trees"
	done
}

# ---- beside the kernel's own answers

# xfs looks at where the descriptor stands, not at where the append will be.
like_direct "here" "$SCRATCH/here" buffers vectors append wrong others
[ "$(json counters.refused_calls)" -gt 0 ] && [ "$(json counters.refused_calls)" = "$(json counters.misaligned_calls)" ]
ok $? "refused calls are counted"

for kind in ext4_4kn xfs; do
	if filesystem $kind "$SCRATCH/$kind" 400M; then
		like_direct "$(filesystem_name $kind)" "$SCRATCH/$kind" buffers vectors
		filesystem_end "$SCRATCH/$kind"
	else
		skip "$kind" "$FS_WHY"
	fi
done

# ---- as asked for, whatever the file system does

transcript_on() {	# OUTPUT FOLDER MODE
	strictly "$1" "$2" --mode "$3" -- "$PROGS/strict" buffers vectors append others
}

transcript_on "$SCRATCH/512" "$SCRATCH/512.work" strict=512
transcript_on "$SCRATCH/4096" "$SCRATCH/4096.work" strict=4096
is "$(json 'min(f.mem_align for f in files)'),$(json 'max(f.offset_align for f in files)')" 4096,4096 "strict=4096 is what files are said to want"
! cmp -s "$SCRATCH/512" "$SCRATCH/4096"
ok $? "512 and 4096 refuse not the same"
for kind in tmpfs btrfs ext4_journal; do
	if ! filesystem $kind "$SCRATCH/$kind" 400M; then
		skip "$kind" "$FS_WHY"
		continue
	fi
	for align in 512 4096; do
		transcript_on "$SCRATCH/other" "$SCRATCH/$kind/work.$align" strict=$align
		cmp -s "$SCRATCH/$align" "$SCRATCH/other"
		ok $? "strict=$align on $kind: as here" || diff "$SCRATCH/$align" "$SCRATCH/other" | head -n 6 >&8
	done
	filesystem_end "$SCRATCH/$kind"
done

# A device: at its end a read is 0, and not looked at.
truncate -s 1M "$SCRATCH/image"
if loop_device "$SCRATCH/image"; then
	cat >"$SCRATCH/left/device.py" <<-'END'
		import mmap, os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY | (os.O_DIRECT if len(sys.argv) > 2 else 0))
		memory = memoryview(mmap.mmap(-1, 65536))
		for off, at, n in (0, 0, 4096), (0, 1, 8192), (1, 0, 4096), (512, 0, 1000), (1 << 20, 1, 1000), ((1 << 20) + 7, 0, 9):
		    try:
		        print(off, at, n, os.preadv(fd, [memory[at:at + n]], off))
		    except OSError as e:
		        print(off, at, n, e.strerror)
	END
	plain -- $PYTHON -I -S "$SCRATCH/left/device.py" "$LOOP" direct >"$SCRATCH/plain.out"
	strictly "$SCRATCH/left/out" "$SCRATCH/device" --mode strict "${LEFT_OUT[@]}" -- $PYTHON -I -S "$SCRATCH/left/device.py" "$LOOP"
	cmp -s "$SCRATCH/plain.out" "$SCRATCH/left/out"
	ok $? "a block device" || diag_file "$SCRATCH/left/out"
else
	skip "a block device" "no loop device to be had"
fi

# ---- what is not meant

noise "$SCRATCH/input/a" 100000
shim --mode strict -- cat /etc/passwd /usr/share/dict/../../bin/env | cmp -s - <(cat /etc/passwd /usr/bin/env)
ok $? "/etc and /usr are not strict"
shim --mode strict --exclude "$SCRATCH/input" -- dd if="$SCRATCH/input/a" of=/dev/null bs=777 status=none
ok $? "nor what is excluded"
shim --mode strict --include "$SCRATCH/input" -- dd if="$SCRATCH/input/a" of=/dev/null bs=777 status=none 2>/dev/null
is $? 1 "what is included is"
shim --mode strict -- dd if="$SCRATCH/input/a" of="$SCRATCH/b" bs=4096 conv=sync status=none && cmp -s <(head -c 102400 "$SCRATCH/b") <(cat "$SCRATCH/input/a"; head -c 2400 /dev/zero)
ok $? "aligned requests pass, the end of a file, too"
shim --mode strict -- dd if="$SCRATCH/input/a" of="$SCRATCH/b" bs=4096 status=none 2>/dev/null
is $? 1 "a write of the end of a file does not"
echo text | shim --mode strict -- cat | grep -q text
ok $? "pipes are not strict"

# More files than the ledger has rows.
cat >"$SCRATCH/left/many.py" <<'END'
import os, sys
n = 0
for i in range(300):
    fd = os.open("%s/f%d" % (sys.argv[1], i), os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8192)
    try:
        os.pread(fd, 100, 1)
    except OSError:
        n += 1
    os.close(fd)
print(n)
END
mkdir "$SCRATCH/many"
for mode in strict strict=512; do
	strictly "$SCRATCH/left/out" "$SCRATCH/many" --mode $mode "${LEFT_OUT[@]}" -- $PYTHON -I -S "$SCRATCH/left/many.py" .
	is "$(cat "$SCRATCH/left/out")" 300 "$mode: 300 files, each refused"
done

# ---- what was refused, one by one

misfits() {	# NAME WHO [OPTIONS]
	local name=$1 who=$2
	shift 2
	cp "$SCRATCH/input/a" "$SCRATCH/misfits"
	strictly "$SCRATCH/shim.out" "$SCRATCH" --backtrace 1 "$@" -- "$PROGS/sites" misfits "$SCRATCH/misfits"
	sites misfits "$SHIM_JSON" >"$SCRATCH/misfits.out"
	sed 's/^-1/misfits/' "$SCRATCH/shim.out" | cmp -s - "$SCRATCH/misfits.out"
	ok $? "$name: caller, address, offset, length" || { diag_file "$SCRATCH/shim.out"; diag_file "$SCRATCH/misfits.out"; }
	is "$(json '",".join(sorted({m.refused_by for m in misfits}))'),$(json misfits_seen),$(json misfits[0].errno)" $who,5,22 "$name: by whom"
	is "$(json 'min(m.path == "'"$SCRATCH/misfits"'" and m.start_ns > 0 and m.pid == m.tid and m.fd >= 3 for m in misfits)')" 1 "$name: in which file, by which thread"
	sites sums "$SHIM_JSON" >"$SCRATCH/sums"
	ok $? "$name: the sites add up" || diag_file "$SCRATCH/sums"
}

misfits "strict" strict --mode strict
is "$(json counters.refused_calls),$(json counters.explained_calls)" 5,0 "strict: counted as refused"
misfits "strict=4096" strict --mode strict=4096
# 16 bytes are aligned enough for some devices, and a kernel may take a vector's odd pieces.
export DIRECT=1
cp "$SCRATCH/input/a" "$SCRATCH/misfits"
if plain -- "$PROGS/sites" misfits "$SCRATCH/misfits" | grep -qv '^-1'; then
	skip "the program's own O_DIRECT" "the kernel takes some of it here"
else
	misfits "the program's own O_DIRECT" kernel --mode observe
	is "$(json counters.refused_calls),$(json counters.explained_calls)" 0,5 "the program's own O_DIRECT: counted as explained"
fi
unset DIRECT

done_testing
