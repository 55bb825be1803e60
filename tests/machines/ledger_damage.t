#!/bin/bash
# Ledgers of real runs, damaged: the report names the bad one, in one line, and
# shows the others. And a ledger that is damaged, removed or without room while
# the program runs: the program does not notice.
. "$(dirname "$0")/../loop.sh"
scratch
cd "$SCRATCH" || exit 1
noise data 300777

preloaded() {	# FOLDER CMD...
	local folder=$1
	shift
	timeout -k 5 60 env LD_PRELOAD="$DIOSHIM_BUILD/libdioshim.so" DIOSHIM_DIR="$folder" "$@" 8>&- 9>&-
}

# ---- ledgers of one process, of many, of a killed one, of one that runs ---------

mkdir good folder live
preloaded "$SCRATCH/good" cp data single
preloaded "$SCRATCH/good" sh -c 'cat data >many; head -c 70000 data | tail -c +10 >many.2; cp many many.3'
( preloaded "$SCRATCH/good" sh -c 'cat data >killed; dd if=data of=killed.2 bs=4096 status=none; kill -9 $$' ) 2>/dev/null
preloaded "$SCRATCH/live" "$PYTHON" -I -S -c '
import os, sys
fd = os.open("live.data", os.O_RDWR | os.O_CREAT)
while os.path.exists("live"):
    for i in range(100): os.pwrite(fd, b"x" * 9000, i * 9001)' &
writer=$!
at_exit "kill $writer 2>/dev/null"
for ((i = 0; i < 100; i++)); do
	[ -s live.data ] && break
	sleep 0.1
done

bad=0
for ((i = 0; i < 30; i++)); do
	cp live/* "good/dioshim.7$i.0"	# torn, perhaps
	timeout 60 "$DIOSHIM" report live --json live.json >out 2>err && $PYTHON -I -S -m json.tool live.json >/dev/null || bad=$?
done
is $bad 0 "a ledger that is being written: 30 reports" || diag_file err
mv live dead
wait $writer
is $? 0 "its program ends well, the folder renamed meanwhile"
rm -f good/dioshim.7[2-9]*.0
timeout 60 "$DIOSHIM" report good >out 2>err
is "$?:$(cat err)" "0:" "$(find good -type f | wc -l) ledgers as they are"

timeout 300 "$PYTHON" -I "$TESTS/machines/ledger_damage.py" "$DIOSHIM" good folder >kinds 2>err
ok $? "damaged ledgers were tried" || diag_file err
while IFS='|' read -r kind n wrong; do
	is "$wrong" "" "damaged: $kind ($n)"
done <kinds

# ---- damage while the program runs -----------------------------------------------

# It writes and reads, waits for the damage, goes on, execs itself, and goes on.
cat >program.py <<'P'
import os, sys, time
stage, name = int(sys.argv[1]), sys.argv[2]
fd = os.open(name, os.O_RDWR | os.O_CREAT)
def work(seed, base, rows=5):
    for i in range(40):
        data = bytes([(seed * 41 + i) % 251]) * (9000 + i)
        os.pwrite(fd, data, base + i * 9001)
        assert os.pread(fd, len(data), base + i * 9001) == data
    for i in range(rows):   # rows of the ledger that nothing has touched yet
        with open(f"rows/{seed}.{i}", "wb", buffering=0) as f:
            f.write(bytes([i]) * 5000)
work(stage * 2, stage << 20)
if stage == 0:
    open("ready", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        work(9, 3 << 20)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    work(1, 1 << 19, 250)
    os.close(fd)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "program.py", "1", name])
P

meanwhile() {	# NAME FOLDER COMMAND-LINE
	local pid status
	rm -rf ready go rows damaged.data
	mkdir rows
	preloaded "$2" "$PYTHON" -I -S program.py 0 damaged.data 2>err &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		[ -e ready ] && break
		sleep 0.05
	done
	eval "$3"
	touch go
	wait $pid
	status=$?
	is "$status:$(cat rows/* 2>/dev/null | cksum):$(cksum <damaged.data)" "$PLAIN" "$1" || diag_file err
}

PLAIN=
rm -rf rows; mkdir rows; touch go
"$PYTHON" -I -S program.py 0 damaged.data
status=$?
is $status 0 "the program without the shim"
PLAIN="$status:$(cat rows/* | cksum):$(cksum <damaged.data)"

mkdir led; meanwhile "the folder as it is" "$SCRATCH/led" :
is "$(find led -type f | wc -l)" 3 "a ledger for each of three"
mkdir led2; meanwhile "ledgers removed" "$SCRATCH/led2" 'rm led2/*'
mkdir led3; meanwhile "the folder removed" "$SCRATCH/led3" 'rm -r led3'
mkdir led4; meanwhile "the folder renamed, a file in its place" "$SCRATCH/led4" 'mv led4 led4.old; touch led4'
mkdir led5; meanwhile "ledgers chmod 000" "$SCRATCH/led5" 'chmod 000 led5/* led5'
chmod 700 led5; chmod 600 led5/*
mkdir led6; meanwhile "ledgers overwritten with noise" "$SCRATCH/led6" \
	'for f in led6/*; do dd if=/dev/urandom of=$f bs=$(stat -c %s $f) count=1 conv=notrunc status=none; done'
mkdir led7; meanwhile "ledgers overwritten with ones" "$SCRATCH/led7" \
	'for f in led7/*; do tr "\0" "\377" </dev/zero | dd of=$f bs=4096 count=51 iflag=fullblock conv=notrunc status=none; done'
mkdir led8; meanwhile "ledgers made longer" "$SCRATCH/led8" 'truncate -s +1M led8/*'
meanwhile "no folder" "$SCRATCH/nowhere" :
meanwhile "a file for a folder" "$SCRATCH/data" :
mkfifo fifo; meanwhile "a FIFO for a folder" "$SCRATCH/fifo" :
ln -s nowhere dangling; meanwhile "a link to nothing" "$SCRATCH/dangling" :
mkdir led9; ln -s led9 link; meanwhile "a link to a folder" "$SCRATCH/link" :
is "$(find led9 -type f | wc -l)" 3 "through which the ledgers come"
shm=$(mktemp -d /dev/shm/dioshim-test.XXXXXX) && at_exit "rm -rf '$shm'"
[ -z "$shm" ] || meanwhile "a folder in memory" "$shm" :

# ---- file systems without room ------------------------------------------------

# A small file system that is filled while the program runs.
full() {	# NAME SIZE MKFS...
	local name=$1 size=$2 LOOP
	shift 2
	if [ "$(id -u)" != 0 ] || ! command -v "$1" >/dev/null; then
		skip "the ledgers' file system becomes full: $name" "needs root and $1"
		return
	fi
	rm -f image; truncate -s "$size" image; mkdir -p mnt
	if ! "$@" image >/dev/null 2>&1 || ! loop_device image || ! mount_at "$LOOP" "$SCRATCH/mnt"; then
		skip "the ledgers' file system becomes full: $name" "cannot be made or mounted here"
		return
	fi
	mkdir mnt/led
	meanwhile "the ledgers' file system becomes full: $name" "$SCRATCH/mnt/led" \
		'timeout 60 dd if=/dev/zero of=mnt/fill bs=64k; timeout 10 dd if=/dev/zero of=mnt/fill2 bs=512 count=2000
		sync -f mnt; echo 3 >/proc/sys/vm/drop_caches; touch mnt/more; sync -f mnt' 2>/dev/null
	meanwhile "the ledgers' file system is full: $name" "$SCRATCH/mnt/led" :
	umount mnt; losetup -d "$LOOP"
}

full ext4 16M mkfs.ext4 -qF
full "ext4 without extents" 16M mkfs.ext4 -qF -O ^extents,^64bit
full ext2 16M mkfs.ext2 -qF
full btrfs 128M mkfs.btrfs -q
if [ "$(id -u)" = 0 ]; then
	mkdir -p mnt && mount -t tmpfs -o size=256k none mnt 2>/dev/null && at_exit "umount '$SCRATCH/mnt' 2>/dev/null"
	meanwhile "the ledgers' file system becomes full: tmpfs" "$SCRATCH/mnt" 'dd if=/dev/zero of=mnt/fill bs=4k 2>/dev/null'
	umount mnt 2>/dev/null
fi

# ---- dioshim run ----------------------------------------------------------------

mkdir kept; seq 9 >kept/dioshim.1.0
timeout 60 "$DIOSHIM" run --dir kept -o text -- sh -c 'cat data >copy; exit 7' 2>err
is $? 7 "dioshim run: a foreign file among its ledgers: the command's status"
ok "$(grep -q '^dioshim: .*/kept/dioshim\.1\.0: not a ledger$' err; echo $?)" "dioshim run: the file is named"
ok "$(grep -q 'zero-copy' text; echo $?)" "dioshim run: the others are reported"
timeout 60 "$DIOSHIM" run --dir kept2 -o text -- sh -c 'cat data >copy; rm -r kept2; exit 7' 2>err
is $? 7 "dioshim run: its folder is removed: the command's status"
ok "$(grep -q '^dioshim: .*kept2: No such file' err; echo $?)" "dioshim run: the folder is named" || diag_file err

done_testing
