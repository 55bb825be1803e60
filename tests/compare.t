#!/bin/bash
# dioshim compare: plain and under the shim side by side; figures that can be
# known beforehand, ends of all kinds, and nothing left behind.

. "$(dirname "$0")/lib.sh"
scratch
cd "$SCRATCH" || exit 1
chmod 755 .

compare() {	# ARGS: status in $status, texts in out and err
	{ timeout -k 5 60 "$DIOSHIM" compare "$@" >out 2>err 8>&- 9>&-; } 2>/dev/null	# bash tells of deaths
	status=$?
}
has() {		# FILE PATTERN NAME
	grep -qE -- "$2" "$1"
	ok $? "$3" || diag_file "$1"
}
value() {	# EXPRESSION of j, the JSON
	$PYTHON -I -S -c 'import json, sys; j = json.load(open("j")); print(eval(sys.argv[1]))' "$1" 2>&1
}
true_of() {	# EXPRESSION NAME
	is "$(value "bool($1)")" True "$2" || diag_file j 100
}

# ---- words of its own --------------------------------------------------------

for words in "" "--" "--runs 0 true" "--runs 1001 true" "--runs 2x true" "--pool 1 true"; do
	compare $words
	is "$status $(cat out)" "125 " "compare $words: 125"
done
compare -- ./no-such-program-here
is $status 127 "a command that is not there: 127"
LD_PRELOAD=$(readlink -f "$DIOSHIM_BUILD/libdioshim.so") compare -- echo ran
is "$status $(cat out)" "125 " "under the shim already: no run would be plain"

# ---- figures ------------------------------------------------------------------

noise big 4194304
sync -d big
compare --runs 3 -j j -o table -- dd if=big of=copy bs=1M status=none
is "$status $(cat out err)" "0 " "dd: status 0, and no word beside the table"
has table '^  elapsed .*s \(.* to .*\) .* s \(.* to .*\) ' "the table has median, lowest and highest"
true_of 'all(len(j[s]["samples"]) == 3 for s in ("plain", "shim"))' "three samples a side"
is "$(value '[s["first"] for s in j["plain"]["samples"]], [s["first"] for s in j["shim"]["samples"]]')" \
	"([False, True, False], [True, False, True])" "the order alternates"
true_of 'all(8388608 <= s["copied_bytes"] < 8388608 + 100000 for s in j["plain"]["samples"])' \
	"plain: what was read and written was copied"
true_of 'all(s["closes"] and s["copied_bytes"] < 200000 for s in j["shim"]["samples"])' \
	"under the shim next to nothing was, and the ledger closes"
true_of 'all(s["device_read_bytes"] >= 4194304 for s in j["shim"]["samples"])' "the shim read it from the device, each time"
true_of 'all(s["device_written_bytes"] >= 4194304 for k in ("plain", "shim") for s in j[k]["samples"])' "both wrote it"
is "$(value 'j["shim"]["samples"][0]["cache_left_bytes"], j["shim"]["cache_left_bytes"]["samples"]')" "(None, 2)" \
	"before the first run the files were not known"
true_of 'j["plain"]["samples"][0]["cache_left_bytes"] >= 4194304' "plain leaves the file in the page cache"
true_of 'all(s["cache_left_bytes"] <= 0 for s in j["shim"]["samples"][1:])' "the shim leaves nothing more there"
true_of 'all(j[k][f]["lowest"] <= j[k][f]["median"] <= j[k][f]["highest"] for k in ("plain", "shim") for f in j["ratios"])' \
	"the medians lie between"
true_of 'abs(j["ratios"]["elapsed_ns"] - j["shim"]["elapsed_ns"]["median"] / j["plain"]["elapsed_ns"]["median"]) < 1e-9' \
	"the ratio is that of the medians"
true_of 'j["pairs"] == 3 and j["files"] == 2 and j["ends_alike"] and j["cold"] == "no" and j["input"] == "null"' "and what it was made of"
cmp -s big copy
ok $? "the copy is a copy"

compare --runs 1 -j j -o /dev/null -- "$PYTHON" -I -S -c 'import time
end = time.process_time() + 0.2
while time.process_time() < end: pass'
true_of 'all(2e8 <= j[k]["user_ns"]["median"] + j[k]["system_ns"]["median"] < 1e10 and j[k]["elapsed_ns"]["median"] >= 2e8 for k in ("plain", "shim"))' \
	"the CPU time is the command's"

# ---- input, output, preparation -------------------------------------------------

printf 'skip\nline\n' >two
compare --runs 2 -o table -- cat < <(echo piped)
is "$(cat out)" "" "a pipe cannot be read twice: /dev/null"
has table 'standard input: /dev/null' "and the table says so"
{ read -r _; compare --runs 2 -o /dev/null -- cat; } <two
is "$(sort out | uniq -c | tr -s ' ')" " 4 line" "a file is rewound to where it was, for each run"
compare --runs 2 --quiet -j - -o /dev/null -- sh -c 'echo loud; echo error >&2'
ok "$($PYTHON -I -S -m json.tool out >/dev/null; echo $?)" "--quiet: only the JSON on standard output"
is "$(grep -c '^error$' err)" 4 "the command's standard error stays"
: >prepared
compare --runs 2 -q -o /dev/null --prepare 'echo "${LD_PRELOAD:-plain}" >>prepared; rm -f made' -- sh -c '[ ! -e made ] && : >made'
is "$status $(sort prepared | uniq -c | tr -s ' ')" "0  4 plain" "--prepare runs before each run, plain"
compare --prepare 'exit 7' -- touch ran
is "$status $([ -e ran ]; echo $?)" "125 1" "a preparation that fails ends it"
compare --runs 1 -q -o /dev/null --min-file 7 -- sh -c '[ -z "$LD_PRELOAD" ] || [ "$DIOSHIM_MIN_FILE" = 7 ]'
is $status 0 "settings reach the shim"
compare --runs 1 -o /dev/null --dir kept -- cat big >/dev/null
ok "$(ls kept/dioshim.* >/dev/null 2>&1; echo $?)" "--dir keeps the ledgers"

compare --runs 1 -o table -- sh -c $': a\tb\n\033[31m'
is "$(head -n 1 table)" "dioshim compare: sh -c : a b ?[31m" "the command on one line, nothing in it drives a terminal"

# ---- ends ---------------------------------------------------------------------

compare --runs 2 -o table -- sh -c 'exit 3'
is $status 3 "a command that fails alike: its status"
has table 'failed, in every run alike: exit status 3' "and the table says so"
compare --runs 1 -o table -- sh -c 'kill -9 $$'
is $status 137 "a command that is killed: so is compare"
has table 'failed, in every run alike: signal 9' "and the table says so"
compare --runs 2 -j j -- sh -c '[ -z "$LD_PRELOAD" ] || exit 5'
is "$status $(value 'j["ends_alike"]')" "1 False" "a command that ends differently under the shim: 1"
has err 'DIFFER: plain ended with exit status 0, under the shim with exit status 5 \(pair 1\)' "and loudly"
echo 0 >count
compare --runs 2 -o table -- sh -c 'read n <count; echo $((n + 1)) >count; [ $n -lt 2 ]'
is $status 1 "one that ends differently from pair to pair: 1"
has err 'exit status 0 in pair 1, with exit status 1 in pair 2' "and it says where"

# ---- cold -----------------------------------------------------------------------

# Root drops the cache of everybody: not in a test. Where it may not, it goes on.
cold=("$DIOSHIM" compare)
if [ "$(id -u)" = 0 ]; then
	cold=(unshare -m sh -c 'mount -o bind,ro /proc/sys /proc/sys && exec "$0" compare "$@"' "$DIOSHIM")
fi
cat big >/dev/null
if [ "$(id -u)" = 0 ] && ! unshare -m mount -o bind,ro /proc/sys /proc/sys 2>/dev/null; then
	skip "--cold" "no mount namespace"
else
	timeout 60 "${cold[@]}" --runs 2 --cold -j j -o table -- dd if=big of=/dev/null bs=1M status=none >out 2>err
	is $? 0 "--cold: status 0"
	is "$(value 'j["cold"]')" files "not the whole cache, where that is not allowed"
	has table '^  cold: the files that the ledgers name' "it says how"
	true_of 'all(s["device_read_bytes"] >= 4194304 for s in j["plain"]["samples"])' "plain runs read from the device"
fi

if [ "$(id -u)" = 0 ] && : >fake && unshare -m mount --bind fake /proc/sys/vm/drop_caches 2>/dev/null; then
	timeout 60 unshare -m sh -c 'mount --bind fake /proc/sys/vm/drop_caches && exec "$0" compare "$@"' \
		"$DIOSHIM" --runs 1 --cold -j j -o table -- cat big >out 2>err
	is "$? $(value 'j["cold"]') $(cat fake)" "0 all 1" "root drops the whole cache"
	has table '^  cold: sync, and the whole page cache' "and the table says so"
else
	skip "the whole cache" "no mount namespace"
fi

# ---- ^C and a terminal --------------------------------------------------------------

cat >pty.py <<'E'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, sent, start = b"", False, time.time()
while time.time() - start < 20:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if sys.argv[1] == "break" and not sent and b"ready" in seen:
        sent = True
        time.sleep(0.3)     # the shell has begun its sleep
        os.write(fd, b"\x03")
status = os.waitpid(pid, 0)[1]
sys.stdout.buffer.write(seen)
print("\nEND", -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
E
$PYTHON -I -S pty.py watch "$DIOSHIM" compare --runs 1 -q -- true >screen
has screen 'run 2 of 2, plain' "a line of progress on a terminal"
is "$(grep -c 'so far .*dioshim compare: true' <(tr -d '\r' <screen))" 1 "it is wiped before the table"
has screen '^END 0' "and ends as ever"
$PYTHON -I -S pty.py break "$DIOSHIM" compare --runs 5 -- sh -c 'echo ready; sleep 10; echo on' >screen
has screen '^END -2' "^C ends it, by that signal"
is "$(grep -c 'elapsed' screen)" 0 "without a table"
is "$(grep -c 'ready' screen)" 1 "and no further run"
is "$(ls "$TMPDIR")" "" "no folder is left behind"

done_testing
