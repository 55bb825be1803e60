#!/bin/bash
# Mode auto with databases, odd sizes and fsync: what is left of it, what has
# not to be read again, what a report says of it, and that results stay as they are.
. "$(dirname "$0")/../lib.sh"
need fincore sqlite3
scratch
cd "$SCRATCH" || exit 1
. "$TESTS/programs/auto.sh"

of_file() {	# NAME FIELD: from its row
	json "' '.join(str(f.$2) for f in files if f.path.endswith('/$1'))"
}

decided() {	# NAME: read, write, and changes, as the JSON has it
	json "' '.join('%s/%s' % (getattr(f.auto, 'read', '-'), getattr(f.auto, 'write', '-')) for f in files if f.path.endswith('/$1') and hasattr(f, 'auto'))"
}

# ---- sqlite3 -----------------------------------------------------------------

# A new database: what was just written is read again, so that it has to be there still.
{
	echo "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 200; PRAGMA cache_size = 50;"
	echo "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, data BLOB); CREATE INDEX by_n ON t (n);"
	for i in $(seq 1 120); do
		echo "INSERT INTO t (n, data) SELECT value * 7919 % 10007, randomblob(500) FROM generate_series($i * 1000, $i * 1000 + 299);"
	done
	echo "SELECT count(*), sum(n) FROM t;"
} >insert.sql
sqlite3 :memory: "SELECT count(*) FROM generate_series(1, 2)" >/dev/null 2>&1 ||
	sed -i 's/FROM generate_series(\([^,]*\), [^)]*)/FROM (WITH RECURSIVE c(value) AS (SELECT \1 UNION ALL SELECT value + 1 FROM c LIMIT 300) SELECT value FROM c)/' insert.sql
cat >reads.py <<'PY'
"""The command, its output to a file; what it read from the device, in a second file."""
import os, sys
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
with open(f"/proc/{pid}/io") as f:
    got = [line.split()[1] for line in f if line.startswith("read_bytes")][0]
with open(sys.argv[1], "w") as f:
    f.write(got)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
for effort in "" --auto-effort=100; do
	rm -f new.db*
	auto "$PYTHON" -I -S reads.py bytes sqlite3 new.db ".read insert.sql" >out 2>err
	is "$?,$(tail -n 1 out | cut -d "|" -f 1)" 0,36000 "inserts $effort" || diag_file err
	at_most "$(cat bytes)" $MIB "inserts $effort: from the device, bytes"
	is "$(json reasons.skimmed.calls)" 0 "inserts $effort: of a new database nothing is skimmed"
	is "$(json routes.staged.bytes)" 0 "inserts $effort: nor read ahead"
	case $(decided new.db) in
	small/small | warm/small) ok 0 "inserts $effort: the decision is shown" ;;
	*) is "$(decided new.db)" warm/small "inserts $effort: the decision is shown" ;;
	esac
done
unset effort

sqlite3 ready.db "PRAGMA page_size = 4096" "CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)" \
	"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 50000) INSERT INTO t SELECT i, randomblob(900) FROM c"
sqlite3 ready.db "SELECT sum(length(data)), max(hex(data)) FROM t" >want
sleep 0.1
drop ready.db
auto sqlite3 ready.db "SELECT sum(length(data)), max(hex(data)) FROM t" >got
cmp -s want got
is $? 0 "a scan of $(stat -c %s ready.db) bytes"
at_most "$(resident ready.db)" $((8 * MIB)) "a scan of a cold database: what is left"
is "$(of_file ready.db auto.read)" skimmed "a scan: skimmed, says the row"
at_most "$(of_file ready.db auto.changes)" 20 "a scan: it is hardly decided anew"
grep -q "^ *auto: reads skimmed" "$SHIM_REPORT"
is $? 0 "a scan: the text says so, too" || diag_file "$SHIM_REPORT" 40

# ---- odd sizes ---------------------------------------------------------------

cat >odd.py <<'PY'
import os, sys
source = os.open(sys.argv[1], os.O_RDONLY)
target = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
sizes, i = [4096, 100000, 777, 65537, 1 << 20, 300001, int(sys.argv[3])], 0
while data := os.read(source, sizes[i % len(sizes)]):
    i += 1
    while data:
        data = data[os.write(target, data):]
os.fsync(target)
PY
noise big $((64 * MIB + 12345))
sync -d big
sleep 0.1
for last in 13 5000000 20000000; do
	rm -f out
	drop big
	auto "$PYTHON" -I -S odd.py big out "$last"
	is $? 0 "odd sizes, up to $last"
	at_most "$(resident big)" $((8 * MIB)) "odd sizes, up to $last: what is left of the source"
	at_most "$(resident out)" $((8 * MIB)) "odd sizes, up to $last: what is left of the target"
	cmp -s big out
	is $? 0 "odd sizes, up to $last: the same bytes"
done

# Without fsync: what a program lets go of behind it, whatever the sizes.
cat >append.py <<'PY'
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
data = bytes(int(sys.argv[2]))
for at in range(0, 96 << 20, len(data)):
    os.write(fd, data)
    time.sleep(len(data) / (200 << 20))     # no faster than the device
print(os.popen(f"env -u LD_PRELOAD fincore -b -n -o RES {sys.argv[1]}").read().strip())
PY
for size in 65536 524288 1000000; do
	rm -f out
	effort=--auto-effort=100 auto "$PYTHON" -I append.py out $size >left
	at_most "$(cat left)" $((48 * MIB)) "appended, $size each, and still open: what is there"
done

# ---- what was decided --------------------------------------------------------

auto dd if=big of=out bs=64k status=none conv=fsync
is "$(decided out)" -/small "files[].auto: written, small"
is "$(of_file out auto.changes)" 0 "files[].auto: no change"
grep -q "^ *auto: writes small$" "$SHIM_REPORT"
is $? 0 "and in the text"
auto dd if=big of=out bs=2M status=none
case $(of_file out auto.write) in
behind | small) ok 0 "files[].auto: 2 MiB each: $(of_file out auto.write)" ;;	# small: a file system without RWF_DONTCACHE
*) is "$(of_file out auto.write)" behind "files[].auto: 2 MiB each" ;;
esac
cat big >/dev/null
auto dd if=big of=/dev/null bs=64k status=none
is "$(decided big)" warm/- "files[].auto: warm"
shim --mode direct -- dd if=big of=/dev/null bs=64k status=none
is "$(decided big)" "" "files[].auto: in mode direct there is none"

for wrong in -1 101 3x ""; do
	"$DIOSHIM" run --mode auto "--auto-effort=$wrong" -- true >out 2>err
	is "$?,$(grep -c AUTO_EFFORT err)" 125,1 "--auto-effort '$wrong' is refused" || diag_file err
done
for right in 0 100; do
	"$DIOSHIM" run --mode auto "--auto-effort=$right" -o /dev/null -- true
	is $? 0 "--auto-effort $right"
done

# ---- fsync -------------------------------------------------------------------

cat >sync.py <<'PY'
import errno, os, sys
os.open("big", os.O_RDONLY)     # so that the shim has a descriptor of its own
os.read(3, 100000)

def tell(name, fd):
    for call in os.fsync, os.fdatasync:
        try:
            call(fd)
            print(name, call.__name__, "done")
        except OSError as e:
            print(name, call.__name__, errno.errorcode[e.errno])

tell("pipe", os.pipe()[0])
tell("pipe", os.pipe()[1])
tell("closed", 77)
tell("none", 999999)
tell("full", os.open("/dev/full", os.O_WRONLY))
tell("read only", 3)
tell("folder", os.open(".", os.O_RDONLY))
tell("path", os.open("big", os.O_PATH))
fd = os.open("fresh", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
for i in range(400):
    os.write(fd, bytes(50000))
tell("written", fd)
print(os.fstat(fd).st_size)
PY
cat >own.py <<'PY'
import errno, os
fd = os.open("big", os.O_RDONLY)
os.read(fd, 4096)
found = wrong = 0
for n in map(int, os.listdir("/proc/self/fd")):
    try:
        if n == fd or not os.readlink(f"/proc/self/fd/{n}").endswith("/big"):
            continue
    except FileNotFoundError:
        continue
    try:
        os.fsync(n)
        wrong += 1
    except OSError as e:
        found += e.errno == errno.EBADF
        wrong += e.errno != errno.EBADF
print(found > 0, wrong)
PY
plain -- "$PYTHON" -I -S sync.py >want
auto "$PYTHON" -I -S sync.py >got
cmp -s want got
is "$?,$(wc -l <got)" 0,19 "fsync and fdatasync: results and errno" || diff want got >&8
auto "$PYTHON" -I -S own.py >got
is "$(cat got)" "True 0" "a number of the shim's own: EBADF"

done_testing
