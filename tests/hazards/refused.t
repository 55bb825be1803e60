#!/usr/bin/env bash
# Memory, descriptors and system calls refused to whole programs, as limits,
# filters and older kernels do: the same results, byte for byte.
. "$(dirname "$0")/../lib.sh"
scratch
need prlimit

REFUSED=$DIOSHIM_BUILD/tests/refused
lines "$SCRATCH/input/in" 3000007
cat >"$SCRATCH/input/work.py" <<'END'
import fcntl, hashlib, mmap, os, shutil, sys

def say(what, data):
    print(what, len(data), hashlib.md5(data).hexdigest())

def open_now():
    return len(os.listdir("/proc/self/fd"))

src = os.open("in", os.O_RDONLY)
fd = os.open("out", os.O_RDWR | os.O_CREAT, 0o644)
while data := os.read(src, 100001):
    os.write(fd, data)
before = open_now()
for i in range(60):
    say("pread", os.pread(fd, 4096 + i, i * 4096 + i % 3))
    os.pwrite(fd, bytes([i]) * (8192 + i), i * 12288)
print("descriptors", open_now() - before)
buffers = [bytearray(4096), bytearray(5), bytearray(70000)]
print(os.preadv(fd, buffers, 8192), [hashlib.md5(b).hexdigest() for b in buffers])
print(os.pwritev(fd, buffers, 1000))
fcntl.lockf(fd, fcntl.LOCK_EX, 10, 5)
with mmap.mmap(fd, 65536) as m:
    m[100:5100] = b"m" * 5000
    os.pwrite(fd, b"p" * 16384, 4096)
    say("mapped", m[:])
if (pid := os.fork()) == 0:
    os.pwrite(fd, b"c" * 20000, 300000)
    os._exit(3)
print(os.waitpid(pid, 0)[1])
fcntl.lockf(fd, fcntl.LOCK_UN, 10, 5)
say("all", os.pread(fd, 4 << 20, 0))
shutil.copyfile("out", "copy")
os.lseek(src, 0, 0)
to = os.open("sent", os.O_WRONLY | os.O_CREAT, 0o644)
while os.sendfile(to, src, None, 1 << 20):
    pass
END
cat >"$SCRATCH/input/work.sql" <<'END'
pragma journal_mode=wal;
create table t(a integer primary key, b blob);
with recursive n(i) as (values(1) union all select i+1 from n where i<400)
insert into t select i, zeroblob(i*7) from n;
update t set b=zeroblob(9000) where a%5=0;
pragma wal_checkpoint(truncate);
delete from t where a%7=0;
vacuum;
select count(*), sum(length(b)) from t;
pragma integrity_check;
END

WORK="$PYTHON -I -S work.py"
SQL='sqlite3 data.db ".read work.sql" && rm -f data.db'
COPY='dd if=in of=a bs=10007 conv=fsync status=none && cp in b && cat in >c && tail -c 99999 b'

# still_direct NAME: some of it went direct all the same
still_direct() {
	local direct
	direct=$(direct_bytes)
	[ "${direct:-none}" != none ] && [ "$direct" -gt 0 ]
	ok $? "$1: $direct bytes direct"
}

# ---- system calls ----

# without NAME direct|any COMMAND-PREFIX...
without() {
	local name=$1 direct=$2
	shift 2
	SETTLE=1 same "$name: python3" -- "$@" $WORK &&
		is "$SAME_STATUS" 0 "$name: python3 ends well"
	[ "$direct" = any ] || still_direct "$name"
	SETTLE=1 same "$name: dd, cp, cat, tail" -- "$@" sh -c "$COPY"
}

if ! "$REFUSED" ENOSYS cachestat true 2>/dev/null; then
	skip "system calls refused" "no seccomp filter can be had here"
else
	# Linux 6.4, 6.0, 5.13, 4.13, 4.5, 4.4
	OLD=cachestat
	without "no cachestat" direct "$REFUSED" ENOSYS $OLD
	OLD=$OLD,close_range,faccessat2
	without "no populate" direct "$REFUSED" ENOSYS $OLD "$REFUSED" EINVAL populate
	without "no wipeonfork" direct "$REFUSED" ENOSYS $OLD "$REFUSED" EINVAL populate,wipeonfork
	without "no statx" any "$REFUSED" ENOSYS $OLD,statx
	without "statx not allowed" any "$REFUSED" EPERM statx
	without "no preadv2, pwritev2, copy_file_range" any \
		"$REFUSED" ENOSYS $OLD,statx,preadv2,pwritev2,copy_file_range
	without "no locks of descriptions" any "$REFUSED" EINVAL ofd_getlk
	# filters
	without "no asynchronous I/O" direct "$REFUSED" EPERM io_setup
	without "no submission" direct "$REFUSED" EAGAIN io_submit
	without "nothing of many" any "$REFUSED" EPERM \
		cachestat,close_range,fadvise64,fallocate,getlease,io_setup,readlinkat,sync_file_range
	without "no madvise" any "$REFUSED" ENOMEM madvise
	without "no limits to be asked" any "$REFUSED" EPERM prlimit64
	if command -v sqlite3 >/dev/null; then
		for call in cachestat statx populate io_setup preadv2,pwritev2 ofd_getlk; do
			same "no $call: sqlite3" -- "$REFUSED" ENOSYS $call sh -c "$SQL"
		done
	else
		skip "sqlite3 without system calls" "sqlite3 is not installed"
	fi
fi

# ---- memory and descriptors ----

# Room for the program, and none for the pool.
without "little address space" any prlimit --as=$((60 << 20))
without "no locked memory" direct prlimit --memlock=0
for n in 12 9 8; do
	without "$n descriptors" any prlimit --nofile=$n
done
same "out of descriptors" -- prlimit --nofile=20 "$PYTHON" -I -S -c '
import os
got = []
try:
    while True:
        got.append(os.open("in", os.O_RDONLY))
        os.read(got[-1], 5000)
except OSError as e:
    print(e.errno, got)
for fd in got[3:]:
    os.close(fd)
print(os.pread(got[0], 9000, 5)[-20:], os.pipe(), os.dup(got[0]))'

done_testing
