#!/bin/bash
# Mode auto: each request the way that costs less. What was cached stays so and
# is read from there; cold bulk data leaves nothing behind.
. "$(dirname "$0")/../lib.sh"
need fincore
scratch
cd "$SCRATCH" || exit 1
. "$TESTS/programs/auto.sh"

noise big $((80 * MIB))
cp big other
sync -d big other
sleep 0.1	# older than --stream-age

# ---- reads -------------------------------------------------------------------

drop big
at_most "$(resident big)" $MIB "the file is cold"
for bs in 4k 100000 1M; do
	auto dd if=big of=/dev/null bs=$bs status=none
	at_least "$(json 'reasons.skimmed.calls')" 2 "cold, $bs: skimmed, through the page cache"
	at_most "$(resident big)" $((8 * MIB)) "cold, $bs: what is left"
	drop big
done

warm big
for bs in 4k 100000 1M; do
	auto dd if=big of=/dev/null bs=$bs status=none
	at_least "$(json 'routes.cached.bytes')" $((70 * MIB)) "warm, $bs: from the page cache"
	at_least "$(json 'reasons.settled.calls')" "$(($(json 'counters.calls') / 2 * 6 / 10))" "warm, $bs: most requests are not even asked about"
	at_least "$(resident big)" $((70 * MIB)) "warm, $bs: and it stays there"
done

# What is kept of single requests is kept in this mode, too; and dd's dup2 shares its offset with nobody.
drop big
shim --mode auto --backtrace 1 -- dd if=big of=/dev/null bs=1M status=none
is "$(json 'sum(sum(vars(s.routes).values()) for s in sites if s.op == "read")')" "$(json 'routes.cached.bytes + routes.staged.bytes + routes.bounced.bytes + routes.zero_copy.bytes')" \
	"call sites have all bytes"
is "$(json 'reasons.shared_offset.calls')" 0 "a duplicated descriptor's offset is still private"

# A smaller one: dropped at its end.
head -c $((20 * MIB)) big >middling
for bs in 4k 1M; do
	sync -d middling
	drop middling
	auto dd if=middling of=/dev/null bs=$bs status=none
	is "$(json 'routes.cached.bytes')" $((20 * MIB)) "20 MiB, cold, $bs: through the page cache"
	at_least "$(json 'reasons.skimmed.calls')" 2 "20 MiB, cold, $bs: skimmed"
	at_most "$(resident middling)" $MIB "20 MiB, cold, $bs: what is left"
done
head -c 1000 middling >/dev/null
before=$(resident middling)
auto cat middling >/dev/null
at_least "$(resident middling)" "$before" "of what was cached before nothing goes"

# Half of it is cached: the other half goes past.
drop big
dd if=big of=/dev/null bs=1M count=32 skip=32 status=none
half=$(resident big)
auto dd if=big of=/dev/null bs=64k status=none
at_most "$(resident big)" $((half + 8 * MIB)) "half warm: what was cold leaves little"
at_least "$(json 'routes.staged.bytes')" $((24 * MIB)) "half warm: the cold half is read ahead"

# In no sequence, and small: the page cache, for locality pays.
cat >random.py <<'PY'
import os, random
fd = os.open("big", os.O_RDONLY)
random.seed(1)
for _ in range(300):
    os.pread(fd, 4096, random.randrange(16000) * 4096)
PY
drop big
auto "$PYTHON" -I -S random.py
at_least "$(json 'sum(f.routes.cached.bytes for f in files if f.path.endswith("/big"))')" $((280 * 4096)) \
	"random and small: through the page cache"
is "$(json '[f.auto.read for f in files if f.path.endswith("/big")][0]')" small "random and small: the decision is shown"

# ---- writes ------------------------------------------------------------------

for bs in 4k 100000 128k 1M; do
	warm big
	rm -f out
	auto dd if=big of=out bs=$bs status=none
	sync -d out
	cmp -s big out
	same=$?
	is $same 0 "write, $bs: what was written is there"
	rm -f out
	# With fsync: what is still being written when a program ends cannot be dropped.
	auto dd if=big of=out bs=$bs conv=fsync status=none
	at_most "$(resident out)" $((8 * MIB)) "write, $bs: little of it is left"
	at_least "$(resident big)" $((70 * MIB)) "write, $bs: what was cached before is left alone"
done

# Over what is cached already: it stays.
cp big over
sync -d over
warm over
before=$(resident over)
auto dd if=other of=over bs=1M conv=notrunc status=none
sync -d over
at_least "$(resident over)" $((before / 8 * 7)) "written over: the neighbour's pages stay"
cmp -s other over
is $? 0 "written over: the new bytes"
auto dd if=other of=over bs=8M conv=notrunc,fsync status=none
at_least "$(resident over)" $((before / 8 * 7)) "and with larger requests"

# What passes unasked is refused as ever; and a file that an fsync has seen to is written on.
cat >refused.py <<'PY'
import errno, os
fd = os.open("refused", os.O_RDWR | os.O_CREAT)
for _ in range(3):
    os.write(fd, bytes(1 << 20))
try:
    os.pwrite(fd, bytes(8192), -1)
except OSError as e:
    assert e.errno == errno.EINVAL
assert os.fstat(fd).st_size == 3 << 20
for i in range(360):
    os.write(fd, bytes(200000))
    if i == 199:
        os.fsync(fd)
PY
effort=--auto-effort=100 auto timeout -s KILL 60 "$PYTHON" -I -S refused.py
is $? 0 "pwrite at -1: EINVAL; writes after an fsync end"

# A child that ends leaves alone what its parent goes on reading.
cat >forks.py <<'PY'
import os
fd = os.open("big", os.O_RDONLY)
while os.read(fd, 1 << 20):
    if os.fork() == 0:
        with open("refused.py", "rb", buffering=0) as f:
            f.read(100)
        os._exit(0)
    os.wait()
with open("/proc/self/io") as f, open("forks.bytes", "w") as to:
    to.write(dict(line.split(": ") for line in f)["read_bytes"])
PY
drop big
auto "$PYTHON" -I -S forks.py
at_most "$(cat forks.bytes)" $((100 * MIB)) "children that end: the parent reads the disk once"

# ---- whole programs ----------------------------------------------------------

mkdir tree
cp big tree/a
cp other tree/b
for i in 1 2 3 4 5 6 7 8; do head -c 3000 big >"tree/small$i"; done
sync
drop tree/*
sleep 0.1
for command in "cp -r tree copy" "tar cf copy.tar tree"; do
	# shellcheck disable=SC2086
	effort=--auto-effort=100 auto $command
	is $? 0 "$command"
	sync
	sleep 0.2
	left=0
	for f in tree/a tree/b copy/* copy.tar; do
		[ ! -f "$f" ] || left=$((left + $(resident "$f")))
	done
	at_most $left $((100 * MIB)) "$command: less than half is left, however slow the device"
	drop tree/*
done
diff -r tree copy >/dev/null
is $? 0 "and it is all there"

done_testing
