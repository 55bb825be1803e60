# lib: the Test Anything Protocol for shell tests, and the shim around commands.
#
#   . "$(dirname "$0")/../lib.sh"     first line of a test, last: done_testing
#
# Results go to descriptor 9 and remarks to 8, wherever a test sends its stdout
# and stderr. Results are counted in a file, so that subshells and background
# jobs may test too.
#
#   scratch                  makes $SCRATCH, on a file system that does direct I/O
#   shim [OPTIONS] -- CMD    CMD under the shim, its status returned; the ledger,
#                            which must close, is left in $SHIM_JSON
#   same NAME [OPTIONS] -- CMD         CMD plain and under the shim, in two copies
#                            of $SCRATCH/input: status, stdout, stderr and the
#                            whole folder must come out equal
#   same_direct NAME ...     the same, on clean files, and direct I/O in the ledger
#   strace_direct NAME [OPTIONS] -- CMD  direct I/O seen by strace
#   json EXPR                from the last ledger: json routes.zero_copy.bytes
#
# OPTIONS are those of `dioshim run`; words of SHIM_OPTIONS are added to all.

set -u
umask 022
export LC_ALL=C.UTF-8 TZ=UTC PATH=$PATH:/usr/sbin:/sbin

TESTS=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIOSHIM_BUILD=$(cd -P "${DIOSHIM_BUILD:-$TESTS/../build}" && pwd) || exit 1
DIOSHIM=$DIOSHIM_BUILD/dioshim
RUN_LIMIT=${RUN_LIMIT:-180}	# seconds a command may take
RUN_AS=()		# words before the command, to run it as another user

# Neither the user's settings nor the library's own variables reach a command.
for name in ${!DIOSHIM_@}; do
	[ "$name" = DIOSHIM_BUILD ] || unset "$name"
done
export -n DIOSHIM_BUILD

exec 8>&2 9>&1 </dev/null
TAP_TALLY=$(mktemp) || exit 1
AT_EXIT=()

PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=$(command -v python3)

# ---- results ---------------------------------------------------------------

diag() {
	local line
	printf '%s\n' "$*" | while IFS= read -r line; do
		printf '# %s\n' "$line" >&8
	done
}

# What a command printed, as far as a person wants to see it.
diag_file() {	# FILE [LINES]
	[ -f "$1" ] || return 0
	head -n "${2:-20}" "$1" | cut -c 1-300 | tr -cd '[:print:]\n\t' | sed 's/^/#     /' >&8
}

tap_line() {
	printf '%s\n' "$1" >&9
	printf '%s\n' "${1%% - *}" >>"$TAP_TALLY"
}

ok() {	# STATUS NAME
	if [ "$1" = 0 ]; then
		tap_line "ok - $2"
		return 0
	fi
	tap_line "not ok - $2"
	diag "failed: $2"
	return 1
}

is() {	# GOT WANT NAME
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
		return
	fi
	ok 1 "$3"
	diag "    got: $1"
	diag "   want: $2"
	return 1
}

skip() {	# NAME REASON
	tap_line "ok - $1 # SKIP $2"
}

skip_all() {	# REASON
	printf '1..0 # SKIP %s\n' "$1" >&9
	exit 0
}

# Programs without which nothing here can be tested.
need() {	# PROGRAM...
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

done_testing() {
	local run failed
	run=$(wc -l <"$TAP_TALLY")
	failed=$(grep -c '^not' "$TAP_TALLY")
	printf '1..%d\n' "$run" >&9
	[ "$failed" = 0 ] || diag "$failed of $run failed"
	[ "$failed" = 0 ] && [ "$run" != 0 ]
	exit
}

# ---- cleaning up -----------------------------------------------------------

# A command line for the end of the test; the last one registered runs first.
at_exit() {
	AT_EXIT+=("$1")
}

clean_up() {
	local i
	[ "$BASHPID" = $$ ] || return
	cd /
	for ((i = ${#AT_EXIT[@]} - 1; i >= 0; i--)); do
		eval "${AT_EXIT[i]}"
	done
	rm -f "$TAP_TALLY"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- scratch ---------------------------------------------------------------

# Will the shim route files of this folder?
usable() {	# FOLDER
	local folder probe status
	folder=$(cd -P "$1" 2>/dev/null && pwd) || return 1
	case $folder/ in
	/usr/* | /lib* | /bin/* | /sbin/* | /etc/* | /proc/* | /sys/* | /dev/* | /run/* | /boot/*)
		return 1 ;;
	esac
	case $(stat -f -c %T "$folder") in
	tmpfs | ramfs | hugetlbfs | fuse* | nfs* | v9fs | smb*)
		return 1 ;;
	esac
	probe=$(mktemp "$folder/dioshim-probe.XXXXXX" 2>/dev/null) || return 1
	dd if=/dev/zero of="$probe" bs=4096 count=1 oflag=direct status=none 2>/dev/null
	status=$?
	rm -f "$probe"
	return $status
}

# $SCRATCH: a folder of this test's own, removed at the end.
scratch() {
	local folder
	[ -z "${SCRATCH:-}" ] || return 0
	for folder in "${TMPDIR:-$DIOSHIM_BUILD}" "$DIOSHIM_BUILD" /var/tmp; do
		usable "$folder" || continue
		folder=$(cd -P "$folder" && pwd)
		SCRATCH=$(mktemp -d "$folder/dioshim-test.XXXXXX") || continue
		LEDGERS=$SCRATCH
		at_exit 'rm -rf "$SCRATCH"'
		mkdir "$SCRATCH/input" "$SCRATCH/tmp"
		export TMPDIR=$SCRATCH/tmp
		touch "$SCRATCH/stamp"
		return 0
	done
	skip_all "no folder on a file system that does direct I/O (set TMPDIR)"
}

# ---- input -----------------------------------------------------------------

# SIZE bytes of numbered lines: a misplaced block shows where it came from.
lines() {	# FILE SIZE
	seq 1 100000000 2>/dev/null | head -c "$2" >"$1"
}

# SIZE bytes that nothing compresses.
noise() {	# FILE SIZE
	head -c "$2" /dev/urandom >"$1"
}

# Dates long before the test, with nanoseconds: `same` compares old dates.
age() {	# FOLDER
	find "$1" -exec touch -h -d '2020-01-02 03:04:05.678901234' {} +
}

# Everything on disk: what is dirty in the page cache is not written directly.
settle() {	# FOLDER
	find "$1" -type f -size +0 -exec sync -d {} +
}

# ---- the shim --------------------------------------------------------------

# What follows "--" is the command, what precedes it is the shim's.
split_arguments() {
	OPTIONS=()
	while [ $# != 0 ] && [ "$1" != -- ]; do
		OPTIONS+=("$1")
		shift
	done
	[ $# -gt 1 ] || { diag "no command"; exit 2; }
	shift
	COMMAND=("$@")
}

# One line about the command for names of tests.
brief() {
	local text="${COMMAND[*]//$'\n'/ }"
	text=${text//#/}
	[ ${#text} -le 70 ] || text=${text:0:67}...
	printf '%s' "$text"
}

# A background job's ledger has a name of its own: ledger.PID.json
shim_files() {
	scratch
	SHIM_JSON=$LEDGERS/ledger.json
	[ "$BASHPID" = $$ ] || SHIM_JSON=$LEDGERS/ledger.$BASHPID.json
	SHIM_REPORT=${SHIM_JSON%.json}.txt
	rm -f "$SHIM_JSON" "$SHIM_REPORT"
}

ledger_closes() {	# NAME
	local wrong
	if [ ! -s "$SHIM_JSON" ]; then
		ok 1 "ledger of: $1"
		diag "no ledger was written"
	elif wrong=$($PYTHON -I -S "$TESTS/ledger.py" closes "$SHIM_JSON" 2>&1); then
		ok 0 "ledger closes: $1"
	else
		ok 1 "ledger closes: $1"
		diag "$wrong"
		return 1
	fi
}

shim() {	# [OPTIONS] -- CMD...
	local status OPTIONS COMMAND
	split_arguments "$@"
	shim_files
	# shellcheck disable=SC2086
	timeout -k 10 "$RUN_LIMIT" "${RUN_AS[@]}" "$DIOSHIM" run --json "$SHIM_JSON" -o "$SHIM_REPORT" \
		${SHIM_OPTIONS:-} "${OPTIONS[@]}" -- "${COMMAND[@]}" 8>&- 9>&-
	status=$?
	ledger_closes "$(brief)"
	return $status
}

# The command as it is, under the same limits.
plain() {	# -- CMD...
	local OPTIONS COMMAND
	split_arguments "$@"
	timeout -k 10 "$RUN_LIMIT" "${RUN_AS[@]}" "${COMMAND[@]}" 8>&- 9>&-
}

json() {	# EXPR
	[ -s "$SHIM_JSON" ] || { echo none; return 1; }
	$PYTHON -I -S "$TESTS/ledger.py" json "$SHIM_JSON" "$1"
}

direct_bytes() {
	json 'routes.zero_copy.bytes + routes.bounced.bytes + routes.staged.bytes'
}

# May files here share extents? Copies are left to the kernel then, by design.
shares_extents() {
	local status
	head -c 8192 /dev/zero >"$SCRATCH/extents"
	cp --reflink=always "$SCRATCH/extents" "$SCRATCH/extents.copy" 2>/dev/null
	status=$?
	rm -f "$SCRATCH/extents" "$SCRATCH/extents.copy"
	return $status
}

# ---- plain against shimmed -------------------------------------------------

# Names, kinds, modes, owners, links, sizes, targets, and dates if old.
tree() {	# FOLDER
	(cd "$1" && find . \
		\( -type d -printf '%p d %m %U:%G' \
		-o -type l -printf '%p l %l' \
		-o -printf '%p %y %m %U:%G %n %s' \) \
		\( ! -newer "$SCRATCH/stamp" -printf ' %T@\n' -o -printf '\n' \)) | sort
}

same_trees() {	# FOLDER FOLDER
	local a=$SCRATCH/tree.a b=$SCRATCH/tree.b
	tree "$1" >"$a"
	tree "$2" >"$b"
	diff "$a" "$b" && diff -rq --no-dereference "$1" "$2"
}

# The folder that both runs find under one name. A test may define setup_input,
# which is run in the folder; without it, the files come from $SCRATCH/input.
fresh_work() {
	rm -rf "$SCRATCH/work"
	if declare -F setup_input >/dev/null; then
		mkdir "$SCRATCH/work"
		(cd "$SCRATCH/work" && setup_input)
	else
		cp -a "$SCRATCH/input" "$SCRATCH/work"
	fi
}

run_once() {	# plain|shim
	local here=$PWD
	fresh_work
	[ -z "${SETTLE:-}" ] || [ "$1" = plain ] || settle "$SCRATCH/work"
	rm -rf "$SCRATCH/$1"
	cd "$SCRATCH/work" || exit
	"$1" "${OPTIONS[@]}" -- "${COMMAND[@]}" >"$SCRATCH/$1.out" 2>"$SCRATCH/$1.err"
	echo $? >"$SCRATCH/$1.status"
	cd "$here" || exit
	mv "$SCRATCH/work" "$SCRATCH/$1"
}

same() {	# NAME [OPTIONS] -- CMD...
	local name=$1 part wrong=0 OPTIONS COMMAND
	shift
	split_arguments "$@"
	scratch
	run_once plain
	run_once shim
	for part in status out err; do
		cmp -s "$SCRATCH/plain.$part" "$SCRATCH/shim.$part" || wrong=$part
	done
	grep -qx 124 "$SCRATCH"/*.status && wrong=time
	same_trees "$SCRATCH/plain" "$SCRATCH/shim" >"$SCRATCH/trees" || wrong=tree
	SAME_STATUS=$(cat "$SCRATCH/shim.status")
	ok "$([ "$wrong" = 0 ]; echo $?)" "$name" || explain
	[ "$wrong" = 0 ]
}

explain() {
	local run
	diag "    command: ${COMMAND[*]}"
	[ "$wrong" != time ] || diag "    stopped after $RUN_LIMIT seconds"
	for run in plain shim; do
		diag "  $run: status $(cat "$SCRATCH/$run.status")," \
			"stdout $(wc -c <"$SCRATCH/$run.out") bytes, stderr:"
		diag_file "$SCRATCH/$run.err"
	done
	cmp "$SCRATCH/plain.out" "$SCRATCH/shim.out" 2>&1 | sed 's/^/#   /' >&8
	diag_file "$SCRATCH/trees"
}

same_direct() {	# NAME [OPTIONS] -- CMD...
	local direct
	SETTLE=1 same "$@" || return
	direct=$(direct_bytes)
	if [ "$direct" = 0 ] && shares_extents; then
		skip "$1: direct I/O" "files share extents here, nothing is copied"
		return
	fi
	[ "${direct:-none}" != none ] && [ "$direct" -gt 0 ]
	ok $? "$1: $direct bytes direct" || diag_file "$SHIM_REPORT"
}

# Direct I/O really issued: one run of the command under strace and the shim.
strace_direct() {	# NAME [OPTIONS] -- CMD...
	local name=$1 trace seen OPTIONS COMMAND
	shift
	split_arguments "$@"
	scratch
	trace=$SCRATCH/strace
	if ! command -v strace >/dev/null ||
	   ! strace -f -o /dev/null true 2>/dev/null; then
		skip "$name: direct I/O seen by strace" "strace cannot trace here"
		return
	fi
	fresh_work
	settle "$SCRATCH/work"
	(cd "$SCRATCH/work" && timeout -k 10 "$RUN_LIMIT" strace -f -y -s 0 -o "$trace" \
		-e trace=open,openat,creat,dup,dup2,dup3,fcntl,read,write,readv,writev,pread64,pwrite64,preadv,pwritev,preadv2,pwritev2,io_submit \
		"$DIOSHIM" run -o /dev/null "${OPTIONS[@]}" -- "${COMMAND[@]}" \
		>/dev/null 2>"$SCRATCH/strace.err" 8>&- 9>&-)
	seen=$($PYTHON -I -S "$TESTS/direct_calls.py" "$trace")
	ok $? "$name: strace saw $seen" || diag_file "$SCRATCH/strace.err"
	rm -f "$trace"
}

[ -n "$PYTHON" ] || skip_all "python3 is not installed"
if [ ! -x "$DIOSHIM" ] || [ ! -f "$DIOSHIM_BUILD/libdioshim.so" ]; then
	diag "no dioshim and libdioshim.so in $DIOSHIM_BUILD: run make"
	exit 1
fi
