# Sourced by bench/auto: the jobs, one function per name of --only. Inputs are
# old enough for a stream when they are first read: 3.5 seconds.

# has PROGRAM PACKAGE: or it is named and left out.
has() { type -P "$1" >/dev/null || { missing "$1" "$2"; false; }; }

job_dd() {
	local bs state bulk_case
	local before="rm -f $target" check

	for bs in 4k 1M; do
		for state in cold warm; do
			bulk_case=$([ $state = cold ] && echo '*')
			job dd "dd read $bs" $state "$bulk" "dd if=$bulk bs=$bs status=none"
		done
	done
	bulk_case= check="cat $target"
	for bs in 4k 1M; do
		job dd "dd write $bs, fsync" new "$target" \
			"dd if=$bulk of=$target bs=$bs conv=fsync status=none"
		job dd "dd write $bs, no fsync" new "$target" "dd if=$bulk of=$target bs=$bs status=none"
	done
	rm -f "$target"
}

# copies NAME TEXT COMMAND: from $bulk into $target, cold and warm.
copies() {
	local state bulk_case before="rm -f $target" check="cmp $bulk $target"

	for state in cold warm; do
		bulk_case=$([ $state = cold ] && echo '*')
		job "$1" "$2" $state "$bulk $target" "$3"
	done
	rm -f "$target"
}

job_cp() { copies cp "cp, sync" "cp $bulk $target && sync $target"; }

# reads_of NAME TEXT COMMAND: cold and warm.
reads_of() {
	local state bulk_case

	for state in cold warm; do
		bulk_case=$([ $state = cold ] && echo "${mark-}")
		job "$1" "$2" $state "${input:-$bulk}" "$3"
	done
}

job_cat() { mark='*' reads_of cat "cat | cat" "cat $bulk | cat"; }

# A tree of sixteen files.
make_tree() {
	local i
	tree=$scratch/tree

	[ -d "$tree" ] && return
	mkdir "$tree"
	for ((i = 0; i < 16; i++)); do
		file fill "$tree/$i" $((mib << 16)) || die "cannot make $tree"
	done
	sleep 4
}

job_tar() {
	local input=$scratch/tree

	make_tree
	mark='*' reads_of tar "tar | cat" "tar -C $tree -cf - . | cat"
	input="$tree $target" before="rm -f $target" check="sha256sum <$target" mark='*' \
		reads_of tar "tar into a file, sync" "tar -C $tree -cf $target . && sync $target"
	rm -f "$target"
}

job_rsync() {
	has rsync rsync || return
	make_tree
	input="$tree $target" before="rm -rf $target" check="diff -r $tree $target" mark='*' \
		reads_of rsync "rsync -a, sync" "rsync -a $tree/ $target/ && sync -f $target"
	rm -rf "$target"
}

# Text, of which gzip makes three quarters: a few seconds of work.
make_text() {
	text=$scratch/text
	[ -e "$text" ] || { head -c $((mib << 17)) "$bulk" | base64 >"$text"; sleep 4; }
}

job_gzip() {
	make_text
	input="$text $target" before="rm -f $target" check="sha256sum <$target" \
		reads_of gzip "gzip -1" "gzip -1 -n -c $text >$target"
	rm -f "$target"
}

job_sqlite3() {
	local rows=$((mib * 256)) i before check
	local new=$scratch/new.db sql=$scratch/insert.sql

	has sqlite3 sqlite3 || return
	make_database "$db" $((mib * 512))
	sleep 4
	input=$db reads_of sqlite3 "sqlite3 scan" "sqlite3 $db '$scan'"
	rm -f "$db"
	before="rm -f $new $new-*"
	check="sqlite3 $new 'PRAGMA integrity_check; SELECT count(*), sum(n), sum(length(x)) FROM t'"
	{
		echo "CREATE TABLE t(n INTEGER PRIMARY KEY, x TEXT); CREATE INDEX i ON t(x);"
		for ((i = 0; i < 20; i++)); do
			echo "INSERT INTO t WITH RECURSIVE c(i) AS (VALUES($((i * rows / 20 + 1))) UNION ALL
				SELECT i+1 FROM c WHERE i<$(((i + 1) * rows / 20)))
				SELECT i, printf('%08x%0200d', i*2654435761 % 4294967296, i) FROM c;"
		done
	} >"$sql"
	job sqlite3 "sqlite3 insert" new "$new" "sqlite3 $new <$sql"
	job sqlite3 "sqlite3 insert, WAL" new "$new $new-wal" "sqlite3 -cmd 'PRAGMA journal_mode=WAL' $new <$sql"
	rm -f "$new"*
}

# A server of its own per sample; time and CPU are those of ten thousand transactions.
job_pgbench() {
	local pg=$scratch/pg user=postgres as=() initdb postgres
	local tells=1 rounds=$((rounds < 5 ? rounds : 5)) row_seconds=$((pgbench_seconds * 12))

	initdb=$(find /usr/lib/postgresql /usr/pgsql-* /usr/bin -name initdb 2>/dev/null | sort -V | tail -n 1)
	[ "$initdb" ] || { missing pgbench postgresql; return; }
	postgres=$(dirname "$(readlink -f "$initdb")")
	mkdir -p "$pg.base"
	if [ "$(id -u)" = 0 ]; then
		id $user >/dev/null 2>&1 || user=nobody
		as=(setpriv --reuid "$user" --regid "$(id -g $user)" --clear-groups)
		chmod 711 "$scratch"
		chown "$user" "$pg.base"
		chmod 700 "$pg.base"
	fi
	"${as[@]}" sh -c "cat '$lib' '$here/pgbench' >/dev/null && cd $pg.base" 2>/dev/null ||
		{ note "not measured: pgbench: the user $user cannot reach $lib"; return; }
	(cd / && "${as[@]}" "$postgres/initdb" -A trust -U bench -D "$pg.base" >/dev/null &&
		"${as[@]}" "$here/pgbench" "$postgres" "$pg.base" init) >"$scratch/err" 2>&1 ||
		{ failed pgbench "no cluster"; return; }
	local before="rm -rf $pg; cp -a $pg.base $pg"
	local run="cd / && exec ${as[*]} $here/pgbench $postgres $pg $pgbench_seconds -c 4 -j 2"
	job pgbench "pgbench, 10,000 transactions" warm "$pg" "$run"
	job pgbench "pgbench -S, 10,000 transactions" warm "$pg" "$run -S"
	rm -rf "$pg" "$pg.base"
}

# A packed repository, and one whose objects are loose, for gc.
job_git() {
	local repo=$scratch/repo loose=$scratch/loose clone=$scratch/clone i check before
	local -x GIT_CONFIG_NOSYSTEM=1 HOME=$scratch

	has git git || return
	make_text
	git init -q "$loose" && git -C "$loose" config gc.auto 0 || return
	split -b 48k -a 4 "$text" "$loose/f"
	for i in a b c d; do
		git -C "$loose" add "$loose"/faa$i* "$loose"/fab$i* 2>/dev/null
		git -C "$loose" add "$loose"/f??$i* && git -C "$loose" -c user.name=bench \
			-c user.email=bench@localhost commit -q -m "$i" || { failed git "no repository"; return; }
	done
	git clone -q --bare --no-hardlinks "$loose" "$repo" && git -C "$repo" gc -q
	check="git -C $clone cat-file --batch-all-objects --batch-check"
	before="rm -rf $clone"
	sleep 4
	input="$repo $clone" reads_of git "git clone --no-hardlinks" "git clone -q --no-hardlinks $repo $clone"
	before="rm -rf $clone; cp -a $loose $clone"
	job git "git gc" warm "$clone" "git -C $clone gc -q --prune=now"
	rm -rf "$clone" "$loose" "$repo"
}

job_python() {
	local python

	python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
	[ "$python" ] || { missing python3 python3; return; }
	cat >"$scratch/odd.py" <<-END
		import os, random, sys
		sizes = random.Random(1)
		with open(sys.argv[1], "rb", buffering=0) as f, open(sys.argv[2], "wb", buffering=0) as g:
		    while block := f.read(sizes.randrange(1, 300000)):
		        g.write(block[:sizes.randrange(len(block) + 1)])
		        if sizes.random() < 0.1:
		            f.seek(sizes.randrange(5000), os.SEEK_CUR)
		    os.fsync(g.fileno())
	END
	input="$bulk $target" before="rm -f $target" check="sha256sum <$target" \
		reads_of python "python3, odd sizes, fsync" "$python $scratch/odd.py $bulk $target"
	rm -f "$target"
}

job_rocksdb() {
	local dir=$scratch/rocks keys=$((mib * 1024)) quiet=">$scratch/db_bench 2>&1" run before

	has db_bench rocksdb-tools || return
	run="db_bench --db=$dir --num=$keys --value_size=500 --compression_type=none --seed=1"
	before="rm -rf $dir"
	job rocksdb "db_bench fillseq" new "$dir" "$run --benchmarks=fillseq $quiet"
	[ -d "$dir" ] || return
	before= run+=" --use_existing_db=1"
	sleep 4
	input=$dir reads_of rocksdb "db_bench readseq" "$run --benchmarks=readseq $quiet"
	input=$dir reads_of rocksdb "db_bench readrandom" "$run --benchmarks=readrandom --reads=$((keys / 16)) $quiet"
	rm -rf "$dir"
}

job_fio() {
	local run

	has fio fio || return
	file fill "$spare" $((mib << 20))
	run="fio --name=mixed --ioengine=psync --rw=randrw --bs=16k --filename=$spare --size=${mib}M"
	run+=" --io_size=$((mib / 4))M --end_fsync=1 --fallocate=none --invalidate=0 --thread --output=/dev/null"
	input=$spare reads_of fio "fio psync randrw 16k, fsync" "$run"
	rm -f "$spare"
}
