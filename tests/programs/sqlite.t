#!/bin/bash
# SQLite: rollback and write-ahead journals, one process and several, locks.
. "$(dirname "$0")/../lib.sh"
need sqlite3
scratch
in=$SCRATCH/input

cat >"$in/fill.sql" <<'END'
CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, text TEXT, data BLOB);
CREATE INDEX by_n ON t (n);
BEGIN;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 8000)
INSERT INTO t SELECT i, i * 7919 % 10007, 'row ' || i, zeroblob(i % 97) FROM c;
COMMIT;
INSERT INTO t VALUES (NULL, -1, 'alone', NULL);
BEGIN; INSERT INTO t SELECT id + 100000, n, text, data FROM t WHERE n < 3000; ROLLBACK;
BEGIN; INSERT INTO t SELECT id + 100000, n, text, data FROM t WHERE n < 3000; COMMIT;
UPDATE t SET text = upper(text) WHERE id % 3 = 0;
DELETE FROM t WHERE id % 5 = 0;
SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s;
INSERT INTO t VALUES (999999, 0, 'large', zeroblob(3000001));
UPDATE t SET data = CAST(printf('%.*c', 50001, 'x') AS BLOB) WHERE id = 1;
CREATE TABLE other AS SELECT n, count(*) AS many FROM t GROUP BY n;
SELECT count(*), sum(n), sum(length(data)) FROM t;
PRAGMA integrity_check;
END

cat >"$in/look.sql" <<'END'
SELECT count(*), sum(n), sum(length(data)), max(text) FROM t;
SELECT n, many FROM other ORDER BY many DESC, n LIMIT 5;
PRAGMA integrity_check;
PRAGMA quick_check;
END
sqlite3 "$in/ready.db" <"$in/fill.sql" >/dev/null

# ---- one process: the database files come out equal, byte by byte

for journal in delete truncate persist memory off wal; do
	for size in 512 4096 65536; do
		[ $journal = delete ] || [ $size = 4096 ] || [ "$journal:$size" = wal:512 ] || continue
		# A journal that stays is full of random numbers.
		same_direct "journal $journal, pages of $size" -- sh -c "
			sqlite3 new.db 'PRAGMA page_size = $size' 'PRAGMA journal_mode = $journal' '.read fill.sql'
			ls; rm -f new.db-journal"
	done
done
same_direct "synchronous = full" -- sqlite3 ready.db "PRAGMA synchronous = full" \
	"INSERT INTO t (n) VALUES (1)" "INSERT INTO t (n) VALUES (2)" ".read look.sql"
same_direct "synchronous = off" -- sqlite3 new.db "PRAGMA synchronous = off" ".read fill.sql"
same_direct "a small cache that spills" -- sqlite3 new.db "PRAGMA cache_size = 20" ".read fill.sql"
same_direct "reading" -- sqlite3 -readonly ready.db ".read look.sql"
same_direct "reading with mmap" -- sqlite3 ready.db "PRAGMA mmap_size = 100000000" ".read look.sql" "UPDATE t SET n = n + 1" ".read look.sql"
same_direct "writing with mmap" -- sqlite3 new.db "PRAGMA mmap_size = 100000000" ".read fill.sql" ".read look.sql"
same_direct "vacuum" -- sqlite3 ready.db "DELETE FROM t WHERE id % 2" "VACUUM" ".read look.sql"
same_direct "vacuum into" -- sqlite3 ready.db "VACUUM INTO 'copy.db'"
same_direct "auto vacuum" -- sqlite3 new.db "PRAGMA auto_vacuum = full" ".read fill.sql" "DELETE FROM t WHERE id > 500"
same_direct "backup" -- sqlite3 ready.db ".backup copy.db"
same_direct "restore" -- sqlite3 new.db ".restore ready.db" ".read look.sql"
same_direct "dump and read back" -- sh -c 'sqlite3 ready.db .dump >dump; sqlite3 new.db <dump; sqlite3 new.db .dump | cmp dump - && echo equal'
same_direct "attach: one transaction over two files" -- sqlite3 ready.db \
	"ATTACH 'second.db' AS s" "BEGIN" "CREATE TABLE s.t AS SELECT * FROM main.t" \
	"DELETE FROM main.t WHERE id > 100" "COMMIT" ".dump"
same "csv out and in" -- sqlite3 ready.db ".mode csv" ".once out.csv" "SELECT id, n, text FROM t" ".import out.csv back" "SELECT count(*) FROM back"
same "a full disk, as a limit" -- sh -c 'ulimit -f 300; trap "" XFSZ; sqlite3 new.db <fill.sql; sqlite3 new.db "PRAGMA integrity_check"'
same "a damaged database" -- sh -c 'printf damage | dd of=ready.db bs=1 seek=20000 conv=notrunc status=none; sqlite3 ready.db "PRAGMA integrity_check"; echo $?'

# ---- a crash: whatever was committed is there, the rest is rolled back

for journal in delete wal; do
	same_direct "killed in a transaction, journal $journal" -- sh -c '
		sqlite3 ready.db "PRAGMA journal_mode = '$journal'" "PRAGMA cache_size = 10" \
			"INSERT INTO t (n, text) VALUES (4711, '\''committed'\'')" \
			"BEGIN" "UPDATE t SET text = '\''lost'\'', data = zeroblob(200)" \
			".system kill -9 \$PPID" >/dev/null 2>&1
		sqlite3 ready.db "SELECT count(*) FROM t WHERE text = '\''lost'\''" \
			"SELECT text FROM t WHERE n = 4711" "PRAGMA integrity_check" .dump | cksum
		rm -f ready.db*'
done

# ---- locks: held as long as the program holds them, whatever the shim closes

same "locked against others" -- sqlite3 ready.db "BEGIN EXCLUSIVE" \
	".system sqlite3 ready.db 'SELECT count(*) FROM t'" "COMMIT" \
	".system sqlite3 ready.db 'SELECT count(*) FROM t'"
same "a reserved lock lets readers in, not writers" -- sqlite3 ready.db \
	"BEGIN IMMEDIATE" "INSERT INTO t (n) VALUES (5)" \
	".system sqlite3 ready.db 'SELECT count(*) FROM t'" \
	".system sqlite3 ready.db 'INSERT INTO t (n) VALUES (6)'" "COMMIT" \
	"SELECT count(*) FROM t"
same "locks outlive much opening and closing" -- sqlite3 ready.db \
	"ATTACH 'copy2.db' AS b" "BEGIN EXCLUSIVE" "INSERT INTO t (n) VALUES (7)" \
	"CREATE TABLE b.x AS SELECT * FROM t" ".output out" "SELECT * FROM t" ".output" \
	"SELECT writefile('file', zeroblob(100000)), length(readfile('out'))" \
	".system sqlite3 ready.db 'SELECT 1 FROM t'; echo \$?" "COMMIT" \
	".system sqlite3 ready.db 'SELECT count(*) FROM t'"

cat >"$in/twice.py" <<'END'
import sqlite3, subprocess
def other(sql):
    r = subprocess.run(["sqlite3", "ready.db", sql], capture_output=True)
    print(r.returncode, r.stdout, r.stderr)
a = sqlite3.connect("ready.db", isolation_level=None)
a.execute("BEGIN IMMEDIATE")
a.execute("INSERT INTO t (n) VALUES (8)")
for _ in range(3):
    b = sqlite3.connect("ready.db")
    print(b.execute("SELECT count(*), sum(n) FROM t").fetchone())
    b.close()
    other("INSERT INTO t (n) VALUES (9)")
a.execute("COMMIT")
other("INSERT INTO t (n) VALUES (10)")
print(a.execute("SELECT count(*), sum(n) FROM t").fetchone())
END
same "one process, the database open twice" -- "$PYTHON" twice.py

# ---- several processes at once: the outcome is the plain one's

writer() {	# NAME ROWS; a transaction each
	local i
	echo ".timeout 60000"
	echo "PRAGMA synchronous = normal;"
	for ((i = 0; i < $2; i++)); do
		echo "BEGIN IMMEDIATE; INSERT INTO w VALUES ('$1', $i, zeroblob($i * 37 % 6000)); UPDATE total SET n = n + 1; COMMIT;"
	done
}
writer a 150 >"$in/a.sql"
writer b 150 >"$in/b.sql"
writer c 150 >"$in/c.sql"

fresh_db() {	# JOURNAL
	rm -f "$SCRATCH"/w.db*
	sqlite3 "$SCRATCH/w.db" "PRAGMA journal_mode = $1" \
		"CREATE TABLE w (who, i, data)" "CREATE TABLE total (n)" \
		"INSERT INTO total VALUES (0)" >/dev/null
}

all_there() {	# WRITERS NAME
	is "$(sqlite3 "$SCRATCH/w.db" "SELECT count(*), count(DISTINCT who || i), sum(length(data) = i * 37 % 6000) FROM w" \
		"SELECT n FROM total" "PRAGMA integrity_check" 2>&1 | tr '\n' ' ')" \
		"$(($1 * 150))|$(($1 * 150))|$(($1 * 150)) $(($1 * 150)) ok " "$2"
}

db=$SCRATCH/w.db
for journal in delete wal; do
	fresh_db $journal
	shim -- sh -c "sqlite3 '$db' <'$in/a.sql' >/dev/null & sqlite3 '$db' <'$in/b.sql' >/dev/null & wait"
	ok "$([ "$(direct_bytes)" -gt 0 ]; echo $?)" "journal $journal, two writers under the shim: direct I/O"
	all_there 2 "journal $journal, two writers under the shim: every row is there"

	fresh_db $journal
	shim -- sqlite3 "$db" ".read $in/a.sql" >/dev/null &
	plain -- sqlite3 "$db" ".read $in/b.sql" >/dev/null
	wait
	all_there 2 "journal $journal, one shimmed writer and a plain one: every row is there"

	fresh_db $journal
	shim -- sqlite3 "$db" ".read $in/a.sql" >/dev/null &
	shim -- sqlite3 "$db" ".read $in/b.sql" >/dev/null &
	plain -- sqlite3 "$db" ".read $in/c.sql" >/dev/null &
	for i in $(seq 20); do
		sqlite3 "$db" ".timeout 60000" "SELECT (SELECT count(*) FROM w) = n FROM total"
	done >"$SCRATCH/reader"
	wait
	is "$(sort -u "$SCRATCH/reader")" 1 "journal $journal, a plain reader beside three writers sees whole transactions"
	all_there 3 "journal $journal, three writers, two of them shimmed: every row is there"
done

strace_direct "writing" -- sqlite3 new.db ".read fill.sql"
strace_direct "writing, write-ahead" -- sqlite3 new.db "PRAGMA journal_mode = wal" ".read fill.sql"
strace_direct "reading" -- sqlite3 ready.db ".read look.sql"

done_testing
