#!/usr/bin/env bash
# Streams: what a reader may do, and have done to its file, in the middle of one.
. "$(dirname "$0")/../loop.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

streamed() {	# NAME
	ok "$([ "$(json routes.staged.bytes)" -gt 100000 ]; echo $?)" "$1: $(json routes.staged.bytes) bytes read ahead, $(json counters.streams) streams"
}

for step in whole seeks positional changed growing sharing descriptors executed advised threads ended; do
	transcript "stream: $step" --stream-age=20 -- "$PROGS/hz_stream" $step
	streamed "$step"
done
is "$(json counters.streams_changed)" 0 "no stream was changed where nobody wrote"

transcript "stream: changed" --stream-age=20 -- "$PROGS/hz_stream" changed
ok "$([ "$(json counters.streams_changed)" -ge 8 ]; echo $?)" "changes ended $(json counters.streams_changed) streams"

# Little room, and none.
for options in "--chunk=64K --pool=256K" "--chunk=16M" "--stream=64K" "--stream=100000" "--stream=16M --chunk=4M"; do
	transcript "stream, $options" --stream-age=20 $options -- "$PROGS/hz_stream" whole seeks threads
	streamed "$options"
done
for options in "--pool=1M" "--stream=0" "--stream-age=3600000"; do
	transcript "no stream, $options" --stream-age=20 $options -- "$PROGS/hz_stream" whole threads
	is "$(json routes.staged.bytes)" 0 "$options: nothing is read ahead"
done

# The default: a file of a moment ago is not read ahead, one of four seconds ago is.
noise "$SCRATCH/input/young" 3M
cp "$SCRATCH/input/young" "$SCRATCH/old"
shim -- dd if="$SCRATCH/old" of=/dev/null bs=4k status=none
is "$(json routes.staged.bytes)" 0 "a file that was just written is not read ahead"
ok "$([ "$(json counters.streams_refused)" -gt 0 ]; echo $?)" "and that is counted"
sleep 3.5
shim -- dd if="$SCRATCH/old" of=/dev/null bs=4k status=none
is "$(json routes.staged.bytes)" $(((3 << 20) - 4096)) "after three seconds it is"
is "$(json counters.unused_bytes)" 0 "and nothing was read in vain"
shim -- head -c 1000000 "$SCRATCH/old" >/dev/null
ok "$([ "$(json counters.unused_bytes)" -gt 0 ]; echo $?)" "what head did not want is shown: $(json counters.unused_bytes) bytes"

# Nothing keeps the file busy once it is closed.
for kind in ext4 xfs btrfs; do
	folder=$SCRATCH/$kind
	if ! filesystem $kind "$folder" 300M; then
		skip "unmounting $kind" "$FS_WHY"
		continue
	fi
	noise "$folder/file" 20M
	sync
	sleep 0.1
	shim --stream-age=20 -- "$PYTHON" -c '
import os, subprocess, sys
for i in range(20):
    fd = os.open(sys.argv[1] + "/file", os.O_RDONLY)
    for k in range(60): os.read(fd, 4096)
    os.close(fd)
    subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
    subprocess.run(["mount", "-o", "remount,rw", sys.argv[1]], check=True)
fd = os.open(sys.argv[1] + "/file", os.O_RDONLY)
for k in range(60): os.read(fd, 4096)
os.close(fd)
sys.exit(subprocess.run(["umount", sys.argv[1]]).returncode)' "$folder"
	ok $? "$kind: a file that was read ahead does not keep its file system busy"
	streamed $kind
	filesystem_end "$folder"
done

done_testing
