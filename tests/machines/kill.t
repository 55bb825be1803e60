#!/usr/bin/env bash
# The kill machine: writers are ended by SIGKILL at random moments. Every write
# that had returned is in the file, no file is longer than what was written or
# begun, and the ledger closes up to the requests that were under way.
# tests/progs/killer.c says what is written.
#
#   kill.t                            fixed seeds
#   kill.t SECONDS [FOLDER [SEED]]    for so long, from SEED on, in FOLDER, which
#                                     may be on any file system
#   kill.t 0 FOLDER SEED              one seed
. "$(dirname "$0")/../lib.sh"
scratch
seconds=${1:-}
folder=${2:-$SCRATCH}
seed=${3:-$RANDOM}
[ -n "$seconds" ] || seed=1
work=$(mktemp -d "$folder/dioshim-kill.XXXXXX") || exit 1
at_exit 'rm -rf "$work"'
totals=$SCRATCH/totals
direct=0
sqlite_kills=0
sqlite_commits=0

# In a long run only what is wrong is shown.
[ -z "$seconds" ] || exec 9>/dev/null

# Under the shim, but the ledger may lack what the killed had under way.
killed_shim() {	# MOST -- CMD...
	local most=$1 status
	shift 2
	shim_files
	timeout -k 10 "$RUN_LIMIT" "$DIOSHIM" run --json "$SHIM_JSON" -o "$SHIM_REPORT" -- "$@" 8>&- 9>&-
	status=$?
	open_sums "$most"
	return $status
}

# Per process, what is asked and not booked or booked and not asked yet.
open_sums() {	# MOST
	local gap
	gap=$(json 'max(abs(p.counters.asked_bytes - p.counters.not_transferred_bytes - sum(r.bytes for r in vars(p.routes).values())) for p in processes)')
	ok "$([ "${gap:-none}" != none ] && [ "$gap" -le "$1" ]; echo $?)" "ledgers of the killed: at most $1 bytes open" ||
		diag "    open: ${gap:-no ledger}"
	gap=$(json 'max(abs(sum(r.bytes for r in vars(p.reasons).values()) - p.routes.bounced.bytes - p.routes.staged.bytes - p.routes.cached.bytes - p.routes.in_kernel.bytes) for p in processes)')
	ok "$([ "${gap:-none}" != none ] && [ "$gap" -le "$1" ]; echo $?)" "ledgers of the killed: reasons and routes" ||
		diag "    open: $gap"
	is "$(json 'sum(not p.closes for p in processes if p.state == "exited")')" 0 "ledgers of the others close"
	is "$(json 'sum(not 0 <= p.witness.unseen_bytes < 1 << 62 for p in processes)')" 0 "no ledger claims more than the kernel counted"
	direct=$((direct + $(direct_bytes || echo 0)))
}

# Four lanes, records of up to 300 KiB.
run_killer() {	# shim|plain SEED SECONDS [ROUNDS]
	local run=plain status kills ledgers
	[ "$1" = plain ] || run="killed_shim 1228800"
	rm -rf "$work"/*
	$run -- "$DIOSHIM_BUILD/tests/killer" "$work" "${@:2}" >"$SCRATCH/out" 2>"$SCRATCH/err"
	status=$?
	sed -n "s/^seed/$1 seed/p" "$SCRATCH/out" >>"$totals"
	if [ "$1" = shim ]; then
		kills=$(sed -n 's/.*: kills \([0-9]*\).*/\1/p' "$SCRATCH/out")
		ledgers=$(json 'sum(p.state == "killed" for p in processes)')
		ok "$([ "$((2 * ledgers))" -ge "${kills:-1}" ]; echo $?)" "of ${kills:-no} kills, $ledgers ledgers of the killed"
	fi
	ok $status "$1, seed $2: $(head -n 1 "$SCRATCH/out")" && return
	diag "    again: $0 0 FOLDER $2"
	diag_file "$SCRATCH/out" 40
	diag_file "$SCRATCH/err"
}

# A database whose commits need no fsync: what was committed stays.
cat >"$SCRATCH/commits.py" <<'END'
import mmap, os, sqlite3, struct, sys
db, counter, journal = sys.argv[1:]
published = mmap.mmap(os.open(counter, os.O_RDWR), 8)
c = sqlite3.connect(db, isolation_level=None, timeout=60)
c.execute(f"pragma journal_mode = {journal}")
c.execute("pragma synchronous = off")
c.execute("create table if not exists t(n integer, part integer, text blob)")
n = c.execute("select max(n) from t").fetchone()[0] or 0
while True:
    n += 1
    c.execute("begin")
    for part in range(3):
        c.execute("insert into t values(?, ?, zeroblob(?))", (n, part, n * 7919 % 20000))
    if n % 5 == 0:
        c.execute("delete from t where n = ?", (n - 4,))
    c.execute("commit")
    published[:] = struct.pack("<Q", n)
END
cat >"$SCRATCH/committed.py" <<'END'
import sqlite3, struct, sys
c = sqlite3.connect(sys.argv[1])
published = struct.unpack("<Q", open(sys.argv[2], "rb").read())[0]
print(c.execute("pragma integrity_check").fetchone()[0] if published else "ok")
there = c.execute("select max(n) from t").fetchone()[0] if published else 0
parts = c.execute("select count(*) from (select n from t group by n having count(*) != 3)").fetchone()[0] if published else 0
print("lost" if there < published else "longer" if there > published + 1 else "all", parts)
print(published, file=sys.stderr)
END

run_sqlite() {	# shim|plain JOURNAL KILLS
	local run=plain n commits
	[ "$1" = plain ] || run="killed_shim 1048576"
	rm -rf "$work"/*
	head -c 8 /dev/zero >"$work/counter"
	for ((n = 0; n < $3; n++)); do
		$run -- timeout -s KILL 0.$((RANDOM % 5 + 2))$((RANDOM % 10)) \
			"$PYTHON" -I -S "$SCRATCH/commits.py" "$work/db" "$work/counter" "$2" >"$SCRATCH/out" 2>&1
		is "$($PYTHON -I -S "$SCRATCH/committed.py" "$work/db" "$work/counter" 2>"$SCRATCH/err")" \
			"ok"$'\n'"all 0" "$1, sqlite3, journal_mode=$2: the database after kill $n" ||
			{ diag_file "$SCRATCH/out"; diag_file "$SCRATCH/err"; }
		sqlite_kills=$((sqlite_kills + 1))
	done
	commits=$(tail -n 1 "$SCRATCH/err")
	sqlite_commits=$((sqlite_commits + commits))
}

sum() {	# shim|plain WORD
	awk -v run="$1" -v word="$2" '$1 == run { for (i = 2; i < NF; i++) if ($i == word) n += $(i + 1) } END { print n + 0 }' "$totals"
}

if [ -z "$seconds" ]; then
	run_killer shim 1 9 60
	run_killer plain 1 4 30
	for journal in delete wal; do
		run_sqlite shim $journal 3
	done
	run_sqlite plain wal 1
else
	started=$SECONDS
	journals=(delete wal truncate persist)
	while run_killer shim "$seed" 30; [ $((SECONDS - started)) -lt "$seconds" ]; do
		run_killer plain "$seed" 5
		run_sqlite shim "${journals[seed % 4]}" 8
		seed=$((seed + 1))
	done
fi
! usable "$folder" || ok "$([ "$direct" -gt 0 ]; echo $?)" "direct I/O was done: $direct bytes"
for run in shim plain; do
	diag "$run: $(sum $run kills) kills, $(sum $run returned) writes that had returned," \
		"$(sum $run unfinished) under way, $(sum $run holes) files with a hole at a shared offset"
done
diag "sqlite3: $sqlite_kills kills, $sqlite_commits commits"
done_testing
