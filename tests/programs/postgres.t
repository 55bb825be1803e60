#!/bin/bash
# PostgreSQL: a cluster made, filled, checked, crashed and recovered; with the
# server plain and under the shim.
. "$(dirname "$0")/../lib.sh"
scratch

bin=$(find /usr/lib/postgresql /usr/pgsql-* /usr/libexec/postgresql -name initdb 2>/dev/null | sort -V | tail -n 1)
bin=${bin:-$(command -v initdb)}
bin=$(dirname "$(readlink -f "${bin:-/}")")
for program in initdb postgres pg_ctl pgbench psql; do
	[ -x "$bin/$program" ] || skip_all "PostgreSQL's $program is not installed"
done

# The server refuses to be root.
cluster=$SCRATCH/pg
mkdir "$cluster"
if [ "$(id -u)" = 0 ]; then
	user=postgres
	id $user >/dev/null 2>&1 || user=nobody
	command -v setpriv >/dev/null || skip_all "setpriv is not installed"
	RUN_AS=(setpriv --reuid "$user" --regid "$(id -g $user)" --clear-groups)
	chmod 711 "$SCRATCH"
	chown "$user" "$cluster" "$TMPDIR"
	"${RUN_AS[@]}" sh -c "cat '$DIOSHIM_BUILD/libdioshim.so' >/dev/null && '$DIOSHIM' --version >/dev/null && cd '$cluster'" 2>/dev/null ||
		skip_all "the user $user cannot reach $DIOSHIM_BUILD"
fi
LEDGERS=$cluster	# dioshim writes them as that user
export PGHOST=$cluster PGUSER=bench PGDATABASE=postgres PGPORT=5432 HOME=$cluster
unset PGDATA PGOPTIONS PGSERVICE PGPASSWORD
cd "$cluster" || exit

as_user() {
	"${RUN_AS[@]}" "$@" 8>&- 9>&-
}
sql() {
	as_user "$bin/psql" -X -A -t -v ON_ERROR_STOP=1 -c "$1" 2>&1
}

# The server in the foreground of a background job: shim's or plain's.
start() {	# shim|plain DATA
	local i
	RUN_LIMIT=500 "$1" -- "$bin/postgres" -D "$2" >>"$cluster/$1.log" 2>&1 &
	server=$!
	for ((i = 0; i < 600; i++)); do
		[ -z "$(jobs -r -p)" ] && break
		as_user "$bin/pg_isready" -q && return 0
		sleep 0.1
	done
	diag_file "$cluster/$1.log"
	return 1
}
at_exit '[ ! -f "$data/postmaster.pid" ] || kill -QUIT "$(head -n 1 "$data/postmaster.pid")"'

stop() {	# DATA
	as_user "$bin/pg_ctl" -D "$1" -s -w -t 120 -m fast stop
	wait "$server"
	SHIM_JSON=$(ls -t "$LEDGERS"/ledger.*.json 2>/dev/null | head -n 1)
}

settings() {	# DATA
	as_user sh -c 'cat >>"$0/postgresql.conf"' "$1" <<-END
		listen_addresses = ''
		unix_socket_directories = '$cluster'
		shared_buffers = 4MB
		max_wal_size = 64MB
		wal_buffers = 64kB
		checkpoint_timeout = 30s
		checkpoint_completion_target = 0.1
		full_page_writes = on
		fsync = on
		max_connections = 20
		restart_after_crash = on
		autovacuum_naptime = 2s
	END
}

# What must be true of a pgbench database after any number of transactions.
consistent() {	# NAME
	is "$(sql "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches),
		(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers),
		(SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
		(SELECT count(*) FROM pgbench_accounts)")" "t|t|t|200000" "$1: the balances agree"
	if [ "$(sql "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'")" = 1 ]; then
		is "$(sql "SELECT count(bt_index_parent_check(c.oid, true)) > 100 FROM pg_class c JOIN pg_am a ON a.oid = c.relam
			WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'")" t "$1: amcheck of every index"
		is "$(sql "SELECT count(*) FROM pg_class c, verify_heapam(c.oid)
			WHERE c.relkind = 'r' AND c.relpersistence = 'p'")" 0 "$1: amcheck of every table"
	else
		skip "$1: amcheck" "the extension is not installed"
	fi
}

checksums() {	# DATA NAME
	as_user "$bin/pg_checksums" --check -D "$1" >"$cluster/checksums" 2>&1
	ok $? "$2: every page has its checksum" || diag_file "$cluster/checksums"
}

# One life of a cluster; what it answers is left in $cluster/answers.$1
life() {	# shim|plain
	local run=$1 name=$1
	data=$cluster/data
	rm -rf "$data"
	"$run" -- "$bin/initdb" -D "$data" -U bench -A trust -k -E UTF8 --locale=C --no-instructions \
		>"$cluster/initdb.$run" 2>"$cluster/initdb.err"
	ok $? "$name: initdb" || { diag_file "$cluster/initdb.err"; return 1; }
	[ "$run" = plain ] || ok "$([ "$(direct_bytes)" -gt 1000000 ]; echo $?)" "$name: initdb did direct I/O: $(direct_bytes) bytes"
	checksums "$data" "$name: initdb"
	settings "$data"

	start "$run" "$data"
	ok $? "$name: the server starts" || return 1
	sql "CREATE EXTENSION IF NOT EXISTS amcheck" >/dev/null
	as_user "$bin/pgbench" -q -i -s 2 >"$cluster/pgbench" 2>&1
	ok $? "$name: pgbench -i" || diag_file "$cluster/pgbench"
	as_user "$bin/pgbench" -n -c 4 -j 1 -t 150 --random-seed=7 >"$cluster/pgbench" 2>&1
	ok $? "$name: 600 transactions" || diag_file "$cluster/pgbench"
	{
		sql "SELECT count(*) FROM pgbench_history"
		sql "CREATE TABLE t AS SELECT i, i * 7919 % 10007 AS n, repeat(md5(i::text), i % 40) AS text FROM generate_series(1, 30000) i"
		sql "CREATE INDEX ON t (n); CREATE INDEX ON t (text text_pattern_ops) WHERE i < 2000; CLUSTER t USING t_n_idx; ANALYZE t"
		sql "UPDATE t SET text = upper(text) WHERE i % 3 = 0; DELETE FROM t WHERE i % 5 = 0"
		sql "VACUUM FULL t"
		sql "SELECT count(*), sum(n), sum(length(text)), md5(string_agg(text, '|' ORDER BY i)) FROM t"
		# Larger than work_mem: sorts and joins through temporary files.
		sql "SET work_mem = '64kB'; SELECT count(*), sum(a.n) FROM t a JOIN t b ON a.text = b.text AND a.n < b.n"
		sql "SET work_mem = '64kB'; SELECT md5(string_agg(n::text, ',')) FROM (SELECT n FROM t ORDER BY text, i) s"
		sql "COPY (SELECT * FROM t ORDER BY i) TO '$cluster/copy'; CREATE TABLE u (LIKE t); COPY u FROM '$cluster/copy'; SELECT count(*) FROM (TABLE t EXCEPT TABLE u) x"
		sql "CREATE DATABASE second TEMPLATE postgres"
		sql "CHECKPOINT"
		cksum <"$cluster/copy"
	} >"$cluster/answers.$run" 2>&1
	consistent "$name"

	# The postmaster killed in the middle of transactions; its children leave.
	as_user "$bin/pgbench" -n -c 4 -j 1 -t 100000 >"$cluster/pgbench" 2>&1 &
	local load=$!
	sleep 1.5
	kill -9 "$(head -n 1 "$data/postmaster.pid")"
	wait $load "$server"
	[ "$run" = plain ] || SHIM_JSON=$(ls -t "$LEDGERS"/ledger.*.json | head -n 1)
	[ "$run" = plain ] || ok "$([ "$(direct_bytes)" -gt 10000000 ]; echo $?)" "$name: the server did direct I/O: $(direct_bytes) bytes"
	sleep 1
	start "$run" "$data"
	ok $? "$name: it starts again after a crash" || return 1
	grep -q "automatic recovery in progress" "$cluster/$run.log"
	ok $? "$name: it recovered"
	consistent "$name, recovered"
	ok "$([ "$(sql 'SELECT count(*) FROM pgbench_history')" -ge 600 ]; echo $?)" "$name, recovered: no committed transaction is lost"
	is "$(sql "SELECT count(*), sum(n), sum(length(text)), md5(string_agg(text, '|' ORDER BY i)) FROM t")" \
		"$(sql "SELECT count(*), sum(n), sum(length(text)), md5(string_agg(text, '|' ORDER BY i)) FROM u")" "$name, recovered: a table and its copy agree"
	stop "$data"
	ok $? "$name: it stops"
	checksums "$data" "$name, stopped"
}

life plain
life shim
is "$(cat "$cluster/initdb.shim")" "$(cat "$cluster/initdb.plain")" "initdb says the same"
is "$(cat "$cluster/answers.shim")" "$(cat "$cluster/answers.plain")" "the server answers the same"
is "$(grep -c -E 'PANIC|FATAL.*(corrupt|invalid page)|ERROR.*(could not (read|write|open)|corrupt|invalid page)' "$cluster/shim.log")" 0 \
	"no complaint about the files in the server's log"

# A cluster that the shim wrote, read by a plain server.
start plain "$data"
ok $? "a plain server starts on the shim's cluster"
consistent "a plain server on the shim's cluster"
stop "$data"

done_testing
