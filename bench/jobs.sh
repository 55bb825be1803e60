# Sourced by bench/run: the jobs of the stick, one capital letter each. The aims:
# speed over plain, speed over the device's limit, CPU time over plain, bytes left
# in the page cache.

# reads ID TEXT BYTES AIMS [OPTION OF io]: native O_DIRECT reads into aligned
# memory always, it can do no other.
reads() {
	local run="$bin/io -s -n 0 -b $3" direct dontcache limit="read $bulk"

	direct="$run -d $bulk"
	dontcache="$run -u ${5-} $bulk"
	stick "$1" "$2" "$4" "$bulk" "$run ${5-} $bulk"
}

figure_A() { reads A "read 4 KiB" 4096 "speed 1.3 cpu 1 left 0"; }
figure_B() { reads B "read 32 KiB" 32768 "speed 1.3 limit 0.85 cpu 1 left 0"; }
figure_C() { reads C "read 128 KiB" 131072 "speed 1.3 limit 0.85 cpu 1 left 0"; }
figure_D() { reads D "read 1 MiB" 1048576 "limit 0.85 cpu 1 left 0"; }
figure_E() { reads E "read 128 KiB, memory +16" 131072 "speed 1.3 limit 0.85 cpu 1 left 0" "-m 16"; }

figure_F() {
	local before="rm -f $target; sync -f $scratch" populate="$bulk $spare"
	local warm="cp $scratch/tiny $scratch/tiny2" direct

	direct="dd if=$bulk of=$target bs=1M iflag=direct oflag=direct status=none && sync $target"
	stick F "cp and sync" "speed 1.3 cpu 1 left 0" "$bulk $target" "cp $bulk $target && sync $target"
	rm -f "$target"
}

# consumer ID TEXT COMMAND: a program that knows nothing of O_DIRECT.
consumer() {
	local limit="read $bulk"

	type -P "${3%% *}" >/dev/null || { note "not measured: $1: ${3%% *} is not installed"; return; }
	stick "$1" "$2" "left 0" "$bulk" "$3"
}

figure_G() { consumer G "wc -l" "wc -l $bulk"; }

# CPU-heavy, and into memory that malloc has given. A python3 that is a script around
# another one would be the larger part of the figure.
figure_H() {
	local python

	python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
	cat >"$scratch/sha256.py" <<-END
		import hashlib, sys
		h = hashlib.sha256()
		with open(sys.argv[1], "rb") as f:
		    while block := f.read(65536):
		        h.update(block)
		print(h.hexdigest())
	END
	consumer H "python3 sha256" "${python:-python3} $scratch/sha256.py $bulk"
}

# Reads through stdio: nothing to see for a preload, nothing to lose.
figure_I() {
	local limit="read $bulk"
	stick I "sha256sum (stdio)" "" "$bulk" "sha256sum $bulk"
}

# To /dev/null itself tar would not read at all.
figure_J() { consumer J "tar | cat" "tar -Pcf - $bulk | cat"; }

# scans ID TEXT OPTION: a scan of a database without an index.
scans() {
	local limit="read $db" bytes warm="sqlite3 $3 $scratch/tiny.db \"$scan\""

	[ -e "$db" ] || { missing "$1: $2" sqlite3; return; }
	bytes=$(stat -c %s "$db")
	stick "$1" "$2" "left 0" "$db" "sqlite3 $3 $db \"$scan\""
}

figure_K() { scans K "sqlite3 scan" ""; }
figure_L() { scans L "sqlite3 scan, -readonly" -readonly; }

figure_M() {
	local count=$((stick_mib * 16)) bytes run direct dontcache warm="$bin/io -r -n 1 $scratch/tiny"

	bytes=$((count * 4096))
	run="$bin/io -r -n $count"
	direct="$run -d $bulk"
	dontcache="$run -u $bulk"
	stick M "random 4 KiB" "left 0" "$bulk" "$run $bulk"
}

# writes ID TEXT BYTES: a new file and its fsync.
writes() {
	local before="rm -f $target; sync -f $scratch" limit="write $spare" direct dontcache
	local run="$bin/io -s -c -b $3 -n" warm

	warm="$run 1 $scratch/tiny2"
	run+=" $(((stick_mib << 20) / $3))"
	direct="$run -d $target"
	dontcache="$run -u $target"
	stick "$1" "$2" "left 0" "$target" "$run $target"
	rm -f "$target"
}

figure_N() { writes N "write 128 KiB, fsync" 131072; }
figure_O() { writes O "write 1 MiB, fsync" 1048576; }
