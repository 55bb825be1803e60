#!/bin/bash
# The ledger survives every way in which a process can end, and finds the
# whole tree of processes.
. "$(dirname "$0")/../lib.sh"
scratch
file=$SCRATCH/file
MIB=1048576

# 1 MiB written, 300,000 bytes read, then the given end.
work() {	# NAME STATUS END-OF-SCRIPT
	rm -f "$file"
	shim -- "$PYTHON" -I -S -c '
import os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(fd, b"w" * (1 << 20))
os.pread(fd, 300000, 4096)
'"$3" "$file" >"$SCRATCH/out" 2>"$SCRATCH/err"
	is $? "$2" "$1: exit status"
	is "$(json counters.written_bytes)" $MIB "$1: what was written is booked"
	is "$(json 'sum(f.read_bytes for f in files if f.path.endswith("/file"))')" 300000 "$1: what was read is booked"
	is "$(json 'sum(f.written_bytes for f in files if f.path.endswith("/file"))')" $MIB "$1: under the file's name"
	is "$(json "len(processes)")" 1 "$1: one process"
	is "$(stat -c %s "$file")" $MIB "$1: and is there"
	state=$(json "processes[0].state")
}

ulimit -c 0
work "the end of the program" 0 ''
is "$state" exited "it exited"
work "exit status 7" 7 'sys.exit(7)'
is "$state" exited "it exited"
work "_exit" 3 'os._exit(3)'
is "$state" exited "it exited"
work "SIGKILL" 137 'os.kill(os.getpid(), signal.SIGKILL)'
ok "$([ "$state" != exited ]; echo $?)" "killed, it left no last word: $state"
work "abort" 134 'os.abort()'
work "a signal" 143 'os.kill(os.getpid(), signal.SIGTERM)'
work "a fault" 139 'import ctypes; ctypes.string_at(0)'
work "a fatal signal that is held back" 0 'signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); os.kill(os.getpid(), signal.SIGTERM)'
work "every descriptor closed" 0 'os.closerange(0, 1 << 20)'
work "closed one by one, the number reused" 0 'os.close(fd); [os.close(n) for n in range(3, 30) if os.path.exists(f"/proc/self/fd/{n}")]'

# ---- exec: what each program of the chain did

seq 100000 >"$SCRATCH/lines"
shim -- sh -c 'exec 3>"$0/one"; head -c 100000 /dev/zero >&3
	exec sh -c '\''tail -c +1 "$0/lines" >"$0/two"; exec env exec_=1 tail -c +1 "$0/lines"'\'' "$0"' "$SCRATCH" >"$SCRATCH/out"
ok $? "a chain of exec"
cmp -s "$SCRATCH/lines" "$SCRATCH/out"
ok $? "a chain of exec: the last program's output"
ok "$([ "$(json 'sum(p.state == "execed" for p in processes)')" -ge 2 ]; echo $?)" \
	"a chain of exec: $(json '[p.state for p in processes]')"
is "$(json 'sum(f.read_bytes for f in files if f.path.endswith("/lines"))')" \
	$((2 * $(stat -c %s "$SCRATCH/lines"))) "a chain of exec: all reading is booked"

rm -f "$file"
shim -- "$PYTHON" -I -S -c '
import os, sys
n = int(sys.argv[2])
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if n % 2 else os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.lseek(fd, 0, 2); os.write(fd, b"x" * 8192)
if n:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", sys.orig_argv[4], sys.argv[1], str(n - 1)])
' "$file" 5
is "$?" 0 "six programs, one process: exit status"
is "$(json counters.written_bytes)" $((6 * 8192)) "six programs, one process: all their writing is booked"
is "$(stat -c %s "$file")" $((6 * 8192)) "six programs, one process: and is there"

# A program that cannot be executed: life goes on in the same ledger.
rm -f "$file"
shim -- "$PYTHON" -I -S -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"x" * 8192)
try:
    os.execv("/nonexistent", ["x"])
except OSError:
    os.write(fd, b"y" * 8192)
' "$file"
is "$(json counters.written_bytes)" 16384 "a failed exec: writing before and after is booked"
is "$(json '[p.state for p in processes]')" "['exited']" "a failed exec: it is one program still"

# ---- children

children() {	# NAME SCRIPT PROCESSES BYTES
	rm -rf "$SCRATCH/many"
	mkdir "$SCRATCH/many"
	shim -- "$PYTHON" -I -S -c '
import os, sys
os.chdir(sys.argv[1])
def put(name):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"c" * 65536)
    os.close(fd)
'"$2" "$SCRATCH/many" >"$SCRATCH/out" 2>"$SCRATCH/err"
	is $? 0 "$1: exit status" || diag_file "$SCRATCH/err"
	is "$(json 'len(processes)')" "$3" "$1: processes"
	is "$(json 'len({p.pid for p in processes})')" "$3" "$1: each with its own number"
	is "$(json counters.written_bytes)" "$4" "$1: all writing is booked"
}

children "children by fork" '
for n in range(5):
    if os.fork() == 0:
        put(f"f{n}")
        os._exit(0)
for n in range(5): os.wait()
' 6 $((5 * 65536))
children "grandchildren" '
def family(depth, name):
    put(name)
    for n in range(2 if depth else 0):
        pid = os.fork()
        if pid == 0:
            family(depth - 1, f"{name}{n}")
            os._exit(0)
        os.waitpid(pid, 0)
family(3, "f")
' 15 $((15 * 65536))
children "children killed" '
import signal
for n in range(4):
    pid = os.fork()
    if pid == 0:
        put(f"f{n}")
        os.kill(os.getpid(), [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGTERM][n])
    os.waitpid(pid, 0)
' 5 $((4 * 65536))
children "children by posix_spawn and vfork" '
import subprocess
for n in range(3):
    subprocess.run(["dd", "if=/dev/zero", f"of=f{n}", "bs=65536", "count=1", "status=none"], check=True)
os.waitpid(os.posix_spawn("/bin/dd", ["dd", "if=/dev/zero", "of=f3", "bs=65536", "count=1", "status=none"], os.environ), 0)
' 5 $((4 * 65536))
children "a child left behind" '
import time
put("early")
if os.fork() == 0:
    put("later")
    time.sleep(0.7)
    put("too late")
    os._exit(0)
time.sleep(0.2)
' 2 $((2 * 65536))
is "$(json witness.running_processes)" 1 "a child left behind: the report says that it runs on"

# ---- without the command: LD_PRELOAD and DIOSHIM_LOG

preloaded() {	# [NAME=VALUE]... CMD
	timeout -k 10 "$RUN_LIMIT" env LD_PRELOAD="$DIOSHIM_BUILD/libdioshim.so" "$@" 8>&- 9>&-
}

mkdir "$SCRATCH/logs"
lines "$SCRATCH/in" 300777
(
	export LD_PRELOAD=$DIOSHIM_BUILD/libdioshim.so DIOSHIM_LOG=$SCRATCH/logs/log.%p
	exec dd if="$SCRATCH/in" of="$SCRATCH/preloaded" bs=4096 status=none
) 2>"$SCRATCH/err" &
pid=$!
wait $pid
is $? 0 "preloaded: exit status"
cmp -s "$SCRATCH/in" "$SCRATCH/preloaded"
ok $? "preloaded: the same bytes"
ok "$([ -s "$SCRATCH/logs/log.$pid" ]; echo $?)" "preloaded: a report under the process id" ||
	diag "$(ls "$SCRATCH/logs")"
grep -q zero.copy "$SCRATCH/logs/log.$pid"
ok $? "preloaded: the report names the routes"
is "$(cat "$SCRATCH/err")" "" "preloaded: nothing on stderr"

rm -f "$SCRATCH"/logs/*
preloaded DIOSHIM_LOG="$SCRATCH/logs/log.%p" sh -c 'cp "$0/in" "$0/copy"; cat "$0/in" >"$0/copy2"; wc -c <"$0/in"' "$SCRATCH" >"$SCRATCH/out"
is "$(cat "$SCRATCH/out")" 300777 "preloaded, several processes: their output"
is "$(find "$SCRATCH/logs" -type f | wc -l)" 4 "preloaded, several processes: a report each"

preloaded dd if="$SCRATCH/in" of="$SCRATCH/quiet" bs=4096 status=none >"$SCRATCH/out" 2>&1
is "$(cat "$SCRATCH/out")" "" "preloaded without DIOSHIM_LOG: it is quiet"
cmp -s "$SCRATCH/in" "$SCRATCH/quiet"
ok $? "preloaded without DIOSHIM_LOG: the same bytes"

preloaded DIOSHIM_LOG=- \
	dd if="$SCRATCH/in" of="$SCRATCH/quiet" bs=4096 status=none >"$SCRATCH/out" 2>"$SCRATCH/err"
grep -q zero.copy "$SCRATCH/err"
ok $? "preloaded, DIOSHIM_LOG=-: the report is on stderr"
is "$(cat "$SCRATCH/out")" "" "preloaded, DIOSHIM_LOG=-: nothing on stdout"

# Ledgers kept in a folder, for `dioshim report`, also of the killed.
mkdir "$SCRATCH/kept"
(
	preloaded DIOSHIM_DIR="$SCRATCH/kept" sh -c '
		cat "$0/in" >"$0/copy3"; dd if="$0/in" of="$0/copy4" bs=4096 status=none; kill -9 $$' "$SCRATCH"
	true
) 2>/dev/null
is "$(find "$SCRATCH/kept" -type f | wc -l)" 3 "DIOSHIM_DIR: a ledger per process"
timeout 60 "$DIOSHIM" report --json "$SCRATCH/kept.json" "$SCRATCH"/kept/* >"$SCRATCH/out" 2>&1
ok $? "dioshim report reads them"
SHIM_JSON=$SCRATCH/kept.json
ledger_closes "kept ledgers"
is "$(json 'counters.written_bytes + counters.copied_bytes')" $((2 * 300777)) "kept ledgers: all writing is booked"

done_testing
