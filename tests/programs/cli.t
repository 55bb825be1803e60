#!/bin/bash
# dioshim run: what reaches the command, what comes back, what is refused.

. "$(dirname "$0")/../lib.sh"
need "${CC:=gcc}" jq
scratch
cd "$SCRATCH" || exit 1
chmod 755 .
LIBRARY=$(readlink -f "$DIOSHIM_BUILD/libdioshim.so")

run() {		# ARGS of `dioshim run`: status in $status, texts in out and err
	{ "$DIOSHIM" run "$@" >out 2>err; } 2>/dev/null	# bash tells of deaths
	status=$?
}
has() {		# FILE PATTERN NAME
	grep -qE -- "$2" "$1"
	ok $? "$3" || diag_file "$1"
}
refused() {	# STATUS PATTERN NAME: one line, and nothing was run
	is $status "$1" "$3: exit $1"
	is "$(wc -l <err)" 1 "$3: one line"
	has err "^dioshim: $2" "$3: it says why"
	is "$(cat out)" "" "$3: nothing was run"
}
until_true() {	# COMMAND...: within 10 s
	local i
	for ((i = 0; i < 500; i++)); do
		"$@" && return
		sleep 0.02
	done
	return 1
}
state_of() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
in_state() { [ "$(state_of "$1")" = "$2" ]; }

# ---- words of its own --------------------------------------------------------

for words in "" "nope" "run" "run --" "run --nope true" "run --pool" "report"; do
	"$DIOSHIM" $words >out 2>err
	is $? 125 "dioshim $words: 125"
	is "$(cat out)" "" "dioshim $words: nothing on standard output"
done
for words in --help --version "run --help" "report --help"; do
	"$DIOSHIM" $words >out 2>err
	is $? 0 "dioshim $words"
	ok "$([ -s out ] && [ ! -s err ]; echo $?)" "dioshim $words: on standard output"
done
"$DIOSHIM" run --help >out
sed -n 's/^CONFIG(\([A-Z_]*\), *"\([a-z-]*\)".*/\1 \2/p' "$TESTS/../shim/config.def" >settings
ok "$([ -s settings ]; echo $?)" "the list of settings can be read"
while read -r name option; do
	ok "$(tr -s ' \n' ' ' <out | grep -q -- "--$option=.*DIOSHIM_$name"; echo $?)" "--help has --$option and DIOSHIM_$name"
done <settings
MAN=$TESTS/../man/dioshim.1
page=$(sed 's/\\-/-/g; s/\\f.//g' "$MAN")
missing=$(for name in $(awk '{ print "DIOSHIM_" $1, "--" $2 }' settings) \
		$(sed -n 's/^[A-Z]*(\([a-z_]*\),.*/\1/p' "$TESTS/../shim/counters.def" "$TESTS/../shim/reasons.def"); do
	grep -qwF -- "$name" <<<"$page" || echo "$name"
done)
is "$missing" "" "the man page has every option, variable, counter, route and reason"
is "$(sed -n '/^.SH REASONS/,/^.TE/s/^\([a-z_]*\)\t.*/\1/p' "$MAN")" \
	"$(sed -n 's/^REASON(\([a-z_]*\),.*/\1/p' "$TESTS/../shim/reasons.def")" "and no other reasons"

# ---- values ------------------------------------------------------------------

bad_value() {	# NAME OPTION VALUE
	run "--$2=$3" -- echo ran
	refused 125 "DIOSHIM_$1: bad value \"$3\"" "--$2=$3"
	export "DIOSHIM_$1=$3"
	run -- echo ran
	unset "DIOSHIM_$1"
	refused 125 "DIOSHIM_$1: bad value \"$3\"" "DIOSHIM_$1=$3"
}
bad_value MODE mode sideways
bad_value MODE mode ""
bad_value POOL pool 12x
bad_value POOL pool 1
bad_value POOL pool 512K
bad_value POOL pool 65M
bad_value POOL pool 99999999999999999999
bad_value CHUNK chunk 3M
bad_value CHUNK chunk ""
bad_value MIN_FILE min-file -1
DIOSHIM_POOL=12x run --pool 2M -- echo ran
is "$status $(cat out)" "0 ran" "an option overrides a bad variable"
DIOSHIM_POOL=2M DIOSHIM_MIN_FILE=7 run --pool 4M -- sh -c 'echo $DIOSHIM_POOL $DIOSHIM_MIN_FILE'
is "$(cat out)" "4M 7" "an option overrides its variable, others stay"
run --chunk 64K -- echo ran
is "$status $(cat out)" "0 ran" "a small chunk does not clash with the pool's default"
run --log sub/%p -- sh -c 'cd /; echo "$DIOSHIM_LOG"'
is "$(cat out)" "$PWD/sub/%p" "a relative log is meant from here"
run --log - -- sh -c 'echo "$DIOSHIM_LOG"'
is "$(cat out)" - "--log - stays"
run --exclude '' --include '*.x:/a b' -- sh -c 'echo "[$DIOSHIM_EXCLUDE][$DIOSHIM_INCLUDE]"'
is "$(cat out)" "[][*.x:/a b]" "patterns reach the library as they are"

# ---- programs that cannot be run, or not reached --------------------------------

run -- no-such-program-here;	refused 127 'no-such-program-here: command not found' "not in PATH"
run -- ./nowhere;		refused 127 './nowhere: ' "no such file"
run -- "";			refused 127 '' "an empty name"
echo 'echo ran' >plain; chmod 644 plain
run -- ./plain;			refused 126 './plain: Permission denied' "not executable"
run -- /;			refused 126 '/: Permission denied' "a folder"
run -- plain/x;			refused 126 'plain/x: Not a directory' "below a file"
PATH=$PWD:$PATH run -- plain;	refused 126 'plain: Permission denied' "in PATH, not executable"
mkdir -p p1/tool p2; printf '#!/bin/sh\necho ran $1\n' >p2/tool; chmod +x p2/tool
PATH=$PWD/p1:$PWD/p2:$PATH run -- tool arg
is "$status $(cat out)" "0 ran arg" "the search goes on past what cannot be executed"
chmod +x plain; run -- ./plain
is "$status $(cat out)" "0 ran" "a text without #! goes to the shell, as execvp does"
for script in "/nowhere/sh:127" "$PWD/p1:126" "/bin/sh:0" "/usr/bin/env -S A=1 sh:0" "/usr/bin/env no-such:127"; do
	printf '#!%s\necho ran\n' "${script%:*}" >script; chmod +x script
	run -- ./script
	is $status "${script##*:}" "a script of #!${script%:*}: ${script##*:}"
done

cat >one.c <<'E'
#include <stdio.h>
int main(void) { puts("ran"); return 0; }
E
"$CC" one.c -o dynamic || diag "no compiler"
run -- ./dynamic
is "$status $(cat out)" "0 ran" "a dynamic program runs"
run -- ./dynamic --pool 1
is "$status $(cat out)" "0 ran" "what follows the command is the command's"
static=
for kind in -static -static-pie; do
	if "$CC" $kind one.c -o "static$kind" 2>/dev/null; then
		static=./static$kind
		run -- $static;	refused 125 "$static: a static program" "$kind"
	else
		skip "$kind" "no static libc"
	fi
done
if [ -n "$static" ]; then
	printf '#!%s\n' "$PWD/${static#./}" >script;	run -- ./script
	refused 125 ".*static.*: a static program" "a script of a static interpreter"
	printf '#!/usr/bin/env %s\n' "$static" >script;	run -- ./script
	refused 125 ".*static.*: a static program" "a script of #!env and a static program"
fi
"$CC" one.c -o musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
run -- ./musl;		refused 125 './musl: uses the loader /lib/ld-musl' "a program of another libc"
"$CC" one.c -o lost -Wl,--dynamic-linker=/nowhere/ld-linux.so.9
run -- ./lost;		refused 127 './lost: its loader /nowhere/ld-linux.so.9: ' "a program whose loader is missing"
cp dynamic alien; printf '\x08' | dd of=alien bs=1 seek=18 conv=notrunc status=none
run -- ./alien;		refused 125 './alien: a 64-bit program for another kind of machine' "another machine"
cp dynamic narrow; printf '\x01' | dd of=narrow bs=1 seek=4 conv=notrunc status=none
run -- ./narrow;	refused 125 './narrow: a 32-bit program' "another word size"
head -c 40 dynamic >stump; chmod +x stump; env ./stump 2>/dev/null; plain=$?; run -- ./stump
is "$status" $plain "half an ELF header: as without dioshim"
loader=$(readelf -l dynamic 2>/dev/null | sed -n 's/.*interpreter: \(.*\)]/\1/p')
if [ -n "$loader" ]; then
	run -- "$loader" ./dynamic
	is "$status $(cat out)" "0 ran" "the loader run by hand preloads too"
else
	skip "the loader run by hand" "no readelf"
fi
if [ "$(id -u)" = 0 ]; then
	cp dynamic setid; chown 65534:65534 setid
	chmod 4755 setid; run -- ./setid;	refused 125 './setid: a set-user-id program' "set-user-id"
	chmod 2755 setid; run -- ./setid;	refused 125 './setid: a set-group-id program' "set-group-id"
	chmod 2745 setid; run -- ./setid
	is "$status" 0 "set-group-id without the group's x means nothing"
	chown 0:0 setid; chmod 6755 setid; run -- ./setid
	is "$status $(cat out)" "0 ran" "set-id to who we are: no switch"
else
	skip "set-id programs" "not root"
fi
NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${NOBODY[@]}" test -x "$DIOSHIM" -a -r "$LIBRARY" -a -x "$SCRATCH" 2>/dev/null; then
	nobody=1
	cp dynamic capable
	$PYTHON -I -S -c 'import os, struct; os.setxattr("capable", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))'
	"${NOBODY[@]}" env TMPDIR=/tmp "$DIOSHIM" run -- ./capable >out 2>err; status=$?
	refused 125 './capable: a program with file capabilities' "file capabilities"
else
	nobody=
	skip "file capabilities" "no other user, or the build folder is closed to others"
fi

# ---- where the library is --------------------------------------------------------

for place in lib/dioshim lib; do
	rm -rf inst; mkdir -p inst/bin "inst/$place"
	cp "$DIOSHIM" inst/bin; cp "$LIBRARY" "inst/$place/libdioshim.so"
	(cd / && "$SCRATCH/inst/bin/dioshim" run -- sh -c 'echo $LD_PRELOAD') >out 2>err
	is "$(cat out)" "$SCRATCH/inst/$place/libdioshim.so" "installed in $place"
done
rm -r inst/lib; inst/bin/dioshim run -- echo ran >out 2>err; status=$?
refused 125 'libdioshim.so is neither in' "no library"
mkdir 'a b'; cp "$DIOSHIM" "$LIBRARY" 'a b'; 'a b/dioshim' run -- echo ran >out 2>err; status=$?
refused 125 '.*a path with a space or a colon cannot be preloaded' "a path that LD_PRELOAD cannot hold"
echo 'int other;' >other.c; "$CC" -shared -fPIC other.c -o other.so
LD_PRELOAD=$PWD/other.so run -- sh -c 'echo $LD_PRELOAD'
is "$(cat out)" "$LIBRARY:$PWD/other.so" "LD_PRELOAD: ours first, what was there kept"
run -- env LD_PRELOAD="$PWD/other.so:$LIBRARY" "$DIOSHIM" run -- sh -c 'echo $LD_PRELOAD'
is "$(cat out)" "$PWD/other.so:$LIBRARY" "LD_PRELOAD: not twice"

# ---- status and signals ------------------------------------------------------------

for code in 0 1 3 125 255; do
	run -- sh -c "exit $code"
	is $status $code "exit status $code is handed through"
done
ended() {	# COMMAND...: the status as a parent sees it, -N for signal N
	$PYTHON -I -S -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL))' "$@"
}
for signal in 1 2 3 6 9 11 13 14 15; do
	is "$(ended "$DIOSHIM" run -- sh -c "ulimit -c 0; kill -$signal \$\$")" -$signal "death by signal $signal is handed through"
done
mkdir cores
{ (cd cores && ulimit -c unlimited && "$DIOSHIM" run -- sh -c 'kill -SEGV $$'); } 2>/dev/null
ok "$([ "$(ls cores | wc -l)" -le 1 ]; echo $?)" "no second core"

# A script that tells the signals it gets; dioshim alone is sent them.
cat >told <<'E'
for s in HUP INT QUIT TERM USR1 USR2 ALRM; do trap "echo $s; exit 3" $s; done
echo ready
while :; do sleep 0.05; done
E
# A shell cannot trap what it was started with ignoring (nohup, a job in the background).
ignored() {	# SIGNAL
	(( 0x$(sed -n 's/^SigIgn:[^0-9a-f]*//p' /proc/self/status) >> ($(kill -l "$1") - 1) & 1 ))
}
set -m		# jobs are groups of their own, as under an interactive shell
for signal in HUP INT QUIT TERM USR1 USR2 ALRM; do
	if ignored $signal; then
		skip "SIG$signal sent to dioshim reaches the command" "the tests were started with it ignored"
		continue
	fi
	rm -f out
	"$DIOSHIM" run -- sh told >out 2>err &
	until_true grep -qs ready out
	kill -$signal $!
	wait $!
	is "$? $(tail -1 out)" "3 $signal" "SIG$signal sent to dioshim reaches the command"
done
# It waits without children: between vfork and exec a shell cannot be stopped.
rm -f go out
mkfifo go
"$DIOSHIM" run -- sh -c 'echo ready; read -r x <go; exit 4' >out 2>err &
pid=$!
until_true grep -qs ready out
child=$(pgrep -P $pid)
for way in "$pid" "-$pid" "-$pid"; do
	kill -TSTP -- "$way"
	until_true in_state $pid T
	ok $? "SIGTSTP to $([ "$way" = $pid ] && echo dioshim || echo the group): dioshim is stopped"
	is "$(state_of "$child")" T "and so is the command"
	kill -CONT -- "$way"
	until_true in_state $pid S
	ok $? "SIGCONT: it goes on"
	sleep 0.05
done
kill -STOP "$child"; until_true in_state "$child" T; sleep 0.1; kill -CONT "$child"; echo >go
wait $pid
is $? 4 "SIGSTOP to the command alone does not stop dioshim for good"
set +m
# ^C comes to the whole group, and so does what the command sends to its group:
# the command must hear it once, from its true sender.
cat >group.py <<'E'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "run", "-o", "/dev/null", "--", sys.executable, "-I", "-S", "-c", """
import os, signal
signals = {signal.SIGINT, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
def heard():
    got = []
    info = signal.sigtimedwait(signals, 20)
    while info:
        got.append((info.si_signo, info.si_pid))
        info = signal.sigtimedwait(signals, 0.03)
    return got
wrong = 0
for _ in range(20):
    print("ready", flush=True)
    wrong += heard() != [(signal.SIGINT, 0)]
    os.kill(0, signal.SIGUSR1)
    wrong += heard() != [(signal.SIGUSR1, os.getpid())]
raise SystemExit(10 + wrong)
"""])
seen, answered = b"", 0
try:
    while True:
        seen += os.read(fd, 100)
        while answered < seen.count(b"ready"):
            os.write(fd, b"\x03")
            answered += 1
except OSError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
E
is "$($PYTHON -I -S group.py "$DIOSHIM" 2>&1)" 10 "signals to the whole group, of the terminal and of the command: heard once"
masks() { (trap '' HUP USR2 CHLD; "$@" grep -E '^Sig(Blk|Ign)' /proc/self/status 2>/dev/null); }
is "$(masks "$DIOSHIM" run --)" "$(masks env)" "blocked and ignored signals are the caller's"
early() {	# COMMAND...: with a signal that came before it, and waits
	$PYTHON -I -S -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
os.kill(os.getpid(), signal.SIGINT)
os.execvp(sys.argv[1], sys.argv[1:])' "$@" grep -E '^(Shd|Sig)Pnd' /proc/self/status 2>/dev/null
}
is "$(early "$DIOSHIM" run --)" "$(early env)" "a signal that came before there was a command is not lost"
is "$("$DIOSHIM" run -o r.txt --json r.json -- ls /proc/self/fd | awk '$1 < 100')" "$(ls /proc/self/fd | awk '$1 < 100')" "no descriptor leaks into the command"

# ---- folders and files --------------------------------------------------------------

run -- sh -c 'stat -c "%a %F" "$DIOSHIM_DIR"; echo "$DIOSHIM_DIR"'
is "$(head -1 out)" "$([ "$(id -u)" = 0 ] && echo 1733 || echo 700) directory" "the temporary folder's mode"
ok "$([ ! -e "$(tail -1 out)" ] && [ -z "$(ls -A "$TMPDIR")" ]; echo $?)" "it is gone afterwards"
run -- no-such; run -- sh -c 'kill -9 $$'; run -- ./nowhere
is "$(ls -A "$TMPDIR")" "" "nor does a failure leave one"
TMPDIR=/nowhere run -- echo ran;	refused 125 'folder for ledgers: No such' "no place for one"
run --dir plain -- echo ran;		refused 125 'plain: Not a directory' "--dir is a file"
run -o /nowhere/x -- echo ran;		refused 125 '/nowhere/x: No such' "no place for the text"
run --json /nowhere/x -- echo ran;	refused 125 '/nowhere/x: No such' "no place for the JSON"
run -o /dev/full -- true;		is $status 125 "no room for the report: 125"
run -o /dev/full -- sh -c 'exit 7';	is $status 7 "but a failure of the command comes first"
run -o r.txt --json r.json -- sh -c 'echo seen >&2'
is "$(cat err)" seen "-o: standard error is the command's alone"
has r.txt '^  zero-copy ' "-o: the table"
ok "$(jq -e .closes r.json >/dev/null; echo $?)" "--json: JSON that closes"
run --json - -o /dev/null -- true
ok "$(jq -e .closes out >/dev/null; echo $?)" "--json - on standard output"
run --dir kept -- true
before=$(ls kept)
has err '^dioshim: true$' "without -o the table is on standard error"
is "$(grep -c process err)" 1 "of one process"
ok "$([ -n "$before" ]; echo $?)" "--dir: made, and the ledger is kept"
(DIOSHIM_DIR=kept run -o r.txt -- true)
ok "$([ "$(ls kept | wc -l)" = 2 ]; echo $?)" "DIOSHIM_DIR is the same"
has r.txt '^ +1 process, ' "and the report is of this run alone"
"$DIOSHIM" report --check --json r.json kept >out 2>err
is "$?.$(jq '.processes|length' r.json)" 0.2 "dioshim report finds both"

# ---- whole trees ----------------------------------------------------------------------

noise big 8000001
of() { jq -c "$1" r.json; }
run --json r.json -- sh -c 'cat big big >/dev/null; dd if=big of=copy bs=1M status=none; wc -c <big >/dev/null'
ok "$([ "$(of .witness.unseen_bytes)" -lt 500000 ]; echo $?)" "children that were waited for count once: $(of .witness.unseen_bytes) bytes unseen" || diag_file err 40
is "$(of '[.witness.unread_processes,.witness.running_processes]')" "[0,0]" "all of them left a last reading"
run --json r.json -- sh -c 'sha256sum big >/dev/null'
ok "$([ "$(of .witness.unseen_bytes)" -ge 8000001 ]; echo $?)" "what stdio reads is shown as not seen"
run --json r.json -- sh -c 'exec dd if=big of=/dev/null bs=1M status=none'
is "$(of '[.processes[].state]')" '["execed","exited"]' "an exec: two ledgers of one process"
run --json r.json -- sh -c 'cat big >/dev/null; kill -9 $$'
is "$status.$(of '[.witness.unread_processes,.closes]')" '137.[0,true]' "a command killed: the kernel's count is read all the same"
SLEEPS='until grep -qas "sleep 601" "$DIOSHIM_DIR/dioshim.$!".*; do sleep 0.02; done'	# its ledger is there
run --dir killed --json r.json -- sh -c 'n=60; sleep ${n}1 & '"$SLEEPS"'; kill -9 $!; wait $!'
is "$(of .witness.unread_processes)" 1 "a child killed: no last reading, and it is said"
has err '1 process left no last reading' "in the text too"
run --json r.json -- sh -c 'n=60; sleep ${n}1 >/dev/null 2>&1 & '"$SLEEPS"'; echo $!'
kill "$(cat out)"
is "$(of .witness.running_processes).$(of .closes)" 1.true "a process left running is read as it runs"
has err '; 1 still runs: figures of this moment' "and counted"
is "$(ls -A "$TMPDIR")" "" "its temporary folder goes all the same"
if [ -n "$nobody" ]; then
	run --json r.json -- "${NOBODY[@]}" cat big
	is "$(of '[.processes[].state]')" '["execed","exited"]' "a program that drops its privileges leaves a ledger"
	chmod 777 .; rm -f r.json; "${NOBODY[@]}" env TMPDIR=/tmp "$DIOSHIM" run --json r.json -- cat big >out 2>err
	is "$?.$(of '[.processes[].state]')" '0.["exited"]' "another user runs it"
fi

done_testing
