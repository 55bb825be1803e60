#!/bin/bash
# dioshim top: figures of a program that moves on command what it is told to;
# programs that end, exec and fork meanwhile; the screen and its ends.

. "$(dirname "$0")/lib.sh"
need mkfifo prlimit
scratch
cd "$SCRATCH" || exit 1
chmod 755 .

top() {		# ARGS: status in $status, texts in out and err
	timeout -k 5 30 "$DIOSHIM" top "$@" >out 2>err 8>&- 9>&-
	status=$?
}
has() {		# FILE PATTERN NAME
	grep -qE -- "$2" "$1"
	ok $? "$3" || diag_file "$1"
}
near() {	# GOT WANT NAME: within 5 %, and what one figure after the dot hides
	ok "$(awk -v got="$1" -v want="$2" 'BEGIN { d = got - want; d = d < 0 ? -d : d; print !(d <= want * 0.05 + 0.1) }')" "$3: $1 of $2"
}
field() {	# PID N: a column of the last table
	awk -v pid="$1" -v n="$2" '$1 == pid { x = $n } END { print x }' out
}
until_true() {	# COMMAND...: within 10 s
	local i
	for ((i = 0; i < 500; i++)); do
		"$@" && return
		sleep 0.02
	done
	return 1
}

# For each line "READS WRITES" so many MiB, in aligned requests of 1 MiB; "exec"
# and "quit" do that.
cat >mover.py <<'E'
import ctypes, mmap, os, sys, time
if "undumpable" in sys.argv:
    ctypes.CDLL(None).prctl(4, 0)
source = os.open("big", os.O_RDONLY)
target = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
memory = mmap.mmap(-1, 1 << 20)
os.preadv(source, [memory], 0)
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "quit":
        break
    if words[0] == "exec":
        os.execv("/bin/sh", ["sh", "-c", "cat big big; read -r end; : after"])
    if words[0] == "idle":
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print("idle", child, flush=True)
    if words[0] == "fork" and os.fork() == 0:
        for i in range(8):
            os.preadv(source, [memory], i << 20)
        os.read(0, 1)
        os._exit(0)
    if words[0].isdigit():
        for i in range(int(words[0])):
            os.preadv(source, [memory], i % 16 << 20)
        for i in range(int(words[1])):
            os.pwritev(target, [memory], i % 16 << 20)
    print("done", flush=True)
E
noise big 16777216
sync -d big
mkdir ledgers

# Sets $mover, its process; its orders go to descriptor 5.
begin() {	# RUN-OPTIONS -- WORDS BEFORE THE PROGRAM
	rm -f target
	mkfifo go
	: >said
	"${AS[@]}" "$DIOSHIM" run -o /dev/null "$@" "$PYTHON" -I -S mover.py target <go > >(exec cat >said) 2>&1 8>&- 9>&- &
	runner=$!
	exec 5>go
	rm go
	until_true grep -q ready said || diag_file said
	mover=$(awk '/^ready/ { print $2; exit }' said)
}
finish() {
	exec 5>&-
	wait "$runner"
}
AS=()

# ---- words of its own ------------------------------------------------------------

for words in "x" "0" "-1" "12 13" "--interval 0" "--interval x" "--nope"; do
	top $words
	is "$status $(cat out)" "125 " "top $words: 125"
done
sleep 60 &
sleeper=$!
top $sleeper
is "$status $(cat out err)" "1 dioshim: $sleeper: does not run under the shim" "a process without the shim: one line, 1"
kill $sleeper
wait $sleeper 2>/dev/null
top $sleeper
is "$status $(cat out err)" "1 dioshim: $sleeper: no such process" "a process that is none: one line, 1"

# ---- figures ------------------------------------------------------------------------

begin --dir=ledgers --
"$DIOSHIM" report -o /dev/null -j before ledgers
(sleep 0.5; echo 64 32 >&5) &
top --once --interval 2 "$mover"
until_true grep -q done said
"$DIOSHIM" report -o /dev/null -j after ledgers
is "$status $(cat err)" "0 " "--once ends by itself"
is "$(grep -c '^dioshim top' out)" 1 "with one table"
seconds=$(sed -n 's/.*MiB\/s over \([0-9.]*\) s.*/\1/p' out)
near "$seconds" 2.0 "over one interval"
eval "$($PYTHON -I -S -c 'import json
a, b = (json.load(open(n))["counters"] for n in ("before", "after"))
for name in ("read_bytes", "written_bytes", "calls"):
    print("%s=%d" % (name, b[name] - a[name]))')"
is "$read_bytes $written_bytes" "67108864 33554432" "the ledger has what the program was told to move"
near "$(field "$mover" 2)" "$(awk "BEGIN { print $read_bytes / 1048576 / $seconds }")" "MiB/s read are those of the ledger"
near "$(field "$mover" 3)" "$(awk "BEGIN { print $written_bytes / 1048576 / $seconds }")" "MiB/s written"
near "$(field "$mover" 4)" "$(awk "BEGIN { print $calls / $seconds }")" "calls/s"
is "$(field "$mover" 5) $(field "$mover" 8) $(field "$mover" 9)" "100% 0% 0.00" "all of it zero-copy: no copies"
is "$(field total 2) $(field total 3)" "$(field "$mover" 2) $(field "$mover" 3)" "the total of one is that one"
has out "^ *$mover .* $PYTHON -I .* $PWD/(big|target)\$|^ *$mover .*python.* $PWD/big\$" "its command, and its busiest file"
top --once --interval 0.3
is "$status $(field "$mover" 2) $(field "$mover" 9)" "0 0.0 -" "without a process id it is found; idle, it shows nothing"
top --once --interval 0.3 $runner
has out "^ *$mover " "under the id of dioshim run as well"

# ---- those that end, exec and fork -----------------------------------------------------

echo idle >&5
until_true grep -q idle said
idle=$(awk '/^idle/ { print $2 }' said)
(sleep 0.3; echo fork >&5; sleep 1; echo exec >&5; sleep 1; echo quit >&5) &
top --interval 0.4 "$mover"
is "$status $(cat err)" "0 dioshim: process $mover has ended" "it ends with the process"
child=$(awk -v pid="$mover" '$1 ~ /^[0-9]+$/ && $1 != pid && $2 > 0 { print $1; exit }' out)
ok "$([ -n "$child" ]; echo $?)" "a child that was forked meanwhile shows its own bytes"
near "$(awk -v pid="$child" '/^dioshim top/ { seconds = $(NF - 1) } $1 == pid { sum += $2 * seconds } END { print sum }' out)" 8 \
	"MiB, and each only once"
is "$(grep -c "^ *$idle " out)" 0 "one that moved nothing is not taken for its parent"
kill -9 "$idle"
has out "^ *$mover .* ended: " "what went on as another program has ended"
has out "^ *$mover .* sh -c cat big" "and the program that came after it is there"
finish
rm -f ledgers/*

# ---- ledgers out of the way ---------------------------------------------------------------

begin -- prlimit --fsize=1024
top "$mover"
is "$status $(cat out err)" "1 dioshim: $mover: its ledger lies in memory, or is not begun yet: shown when it ends" \
	"a ledger in memory: one line, 1"
finish
if [ "$(id -u)" = 0 ]; then
	begin --dir=ledgers --
	rm ledgers/*
	top --once --interval 0.2 "$mover"
	has out "^ *$mover " "a ledger that was deleted is found by its mapping"
	finish
	mkdir -m 777 free
	chmod 777 .
	AS=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	if "${AS[@]}" "$DIOSHIM" run --dir=free -o /dev/null -- true 2>/dev/null; then
		begin --dir=free -- env PYTHONDONTWRITEBYTECODE=1
		AS_TOP=("${AS[@]}" timeout 20 "$DIOSHIM" top --once --interval 0.2)
		"${AS_TOP[@]}" "$mover" >out
		has out "^ *$mover " "another user's own process"
		finish
		cat >command <<E
#!/bin/sh
exec "\$@" undumpable
E
		chmod 755 command
		begin --dir=free -- "$PWD/command"
		"${AS_TOP[@]}" >out
		is "$(grep -c "^ *$mover " out)" 0 "a process that may not be looked at is not seen"
		"${AS_TOP[@]}" --dir free >out
		has out "^ *$mover " "but by the folder of its ledger"
		finish
	else
		skip "other users" "they cannot run the command here"
	fi
	AS=()
else
	skip "a deleted ledger, other users" "not root"
fi

# ---- the screen ------------------------------------------------------------------------------

# ACTION COLUMNS COMMAND...: when the second screen has come, a key or a signal.
cat >terminal.py <<'E'
import fcntl, os, pty, re, signal, struct, sys, termios, time
action, width = sys.argv[1], int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    os.execv(sys.argv[3], sys.argv[3:])
seen, sent, start = b"", False, time.time()
while time.time() - start < 15:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if not sent and seen.count(b"total") >= 3:
        sent = True
        lflag = termios.tcgetattr(fd)[3]
        if action == "stop":
            os.write(fd, b"\x1a")
            while open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "T":
                time.sleep(0.02)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.3)
            os.write(fd, b"q")
        elif action == "TERM":
            os.kill(pid, signal.SIGTERM)
        else:
            os.write(fd, b"\x03" if action == "break" else action.encode())
ended = os.waitpid(pid, 0)[1]
end = -os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)
text = seen.decode()
inside = text.split("\x1b[?1049h", 1)[-1].rsplit("\x1b[?1049l", 1)[0]
lines = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", inside).replace("\r", "").split("\n")
print("end", end)
print("screens", text.count("\x1b[?1049h"), text.count("\x1b[?1049l"), text.count("\x1b[?25l") == text.count("\x1b[?25h"))
print("silent", not lflag & termios.ECHO)
print("widest", max(map(len, lines)))
print("\n".join(lines[-6:]))
E
screen() {	# ACTION COLUMNS
	$PYTHON -I -S terminal.py "$1" "$2" "$DIOSHIM" top --interval 0.2 "$mover" >out 2>&1
}
begin --
echo 800 0 >&5		# so that there is a busiest file, longer than its column
screen q 100
is "$(sed -n 1,3p out)" "end 0
screens 1 1 True
silent True" "q ends it; the screen is as it was" || diag_file out
is "$(sed -n 's/^widest //p' out)" 100 "as wide as the terminal"
has out "^ *$mover " "the process is on it"
echo 800 0 >&5
screen q 70
is "$(sed -n 's/^widest //p' out)" 70 "as narrow as the terminal"
screen break 80
is "$(sed -n 1,2p out)" "end -2
screens 1 1 True" "^C ends it; the screen is as it was" || diag_file out
screen TERM 80
is "$(sed -n 1,2p out)" "end -15
screens 1 1 True" "SIGTERM too" || diag_file out
screen stop 80
is "$(sed -n 1,2p out)" "end 0
screens 2 2 True" "^Z stops it, on the screen that was; it goes on and is drawn anew" || diag_file out
timeout 20 "$PYTHON" -I -S -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$DIOSHIM" top --once --interval 0.1 --batch "$mover" >out </dev/null
ok "$(grep -q "^ *$mover " out && ! grep -q $'\033' out; echo $?)" "--batch and --once: plain text on a terminal too"
finish
is "$(ls "$TMPDIR")" "" "nothing is left behind"

done_testing
