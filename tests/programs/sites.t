#!/usr/bin/env bash
# Call sites: who asked, for how much; and that they add up to the ledger's
# totals, of all and of each file. What no site is asked for: pipes and sockets
# (not_file), copies from file to file and in the kernel.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../hazards/transcripts.sh"
need nm readelf
scratch
CC=${CC:-cc}

sites() {
	"$PYTHON" -I -S -B "$TESTS/sites.py" "$@"
}

add_up() {	# NAME
	sites sums "$SHIM_JSON" >"$SCRATCH/sums" 2>&1
	ok $? "$1: the sites add up" || diag_file "$SCRATCH/sums"
}

# In a fresh copy of the input, in this shell.
in_work() {	# [OPTIONS] -- COMMAND
	local status
	fresh_work
	cd "$SCRATCH/work" || exit
	shim "$@"
	status=$?
	cd "$SCRATCH" || exit
	return $status
}

# A line per function and operation: its name, calls and bytes.
summed() {
	awk '{ c[$1 " " $2] += $3; b[$1 " " $2] += $4 } END { for (f in c) print f, c[f], b[f] }' | sort
}

noise "$SCRATCH/input/file" 1000000

known() {	# NAME STEP [OPTIONS]: the functions are those that the program says
	local name=$1 step=$2
	shift 2
	in_work "$@" -- "$PROGS/sites" $step file >"$SCRATCH/want"
	sites calls "$SHIM_JSON" | summed >"$SCRATCH/got"
	summed <"$SCRATCH/want" | cmp -s - "$SCRATCH/got"
	ok $? "$name: callers, calls and bytes" || summed <"$SCRATCH/want" | diff - "$SCRATCH/got" | sed 's/^/#   /' >&8
	add_up "$name"
}

for mode in direct observe; do
	for depth in 1 4; do
		known "mode $mode, $depth deep" calls --mode $mode --backtrace $depth
	done
done
in_work --mode observe --backtrace 4 -- "$PROGS/sites" calls file >"$SCRATCH/want"
sites calls "$SHIM_JSON" 4 >"$SCRATCH/got"
for chain in "inner<middle<outer_a<calls read 1 4096" "inner<middle<outer_b<calls read 2 1024" \
	"calls_a_tail<calls<main<libc.so.6 read 1 4096"; do
	summed <"$SCRATCH/got" | grep -qxF "$chain"
	ok $? "chain: $chain" || diag_file "$SCRATCH/got" 40
done

known "threads" threads --mode observe --backtrace 1 --records 1000
# A thread that was held up for a whole round leaves no record, and is counted: at most one a thread.
kept=$(json records.kept) incomplete=$(json records.incomplete)
is "$((kept + incomplete)),$(json records.overwritten)" 1000,17000 "threads: a record of each call, the newest kept"
is "$((incomplete <= 8))" 1 "threads: hardly any is incomplete" || echo "#   $incomplete" >&8
known "threads, deep, on routed files" threads --mode direct --stream 0 --backtrace 3
known "fork and exec" processes --mode observe --backtrace 1
is "$(json 'len(processes)')" 4 "fork and exec: a ledger each"

# Killed: what the ledger has is what was done, and is read later.
rm -rf "$SCRATCH/kept"
mkdir "$SCRATCH/kept"
fresh_work
(cd "$SCRATCH/work" && plain -- "$DIOSHIM" run --dir "$SCRATCH/kept" --mode observe --backtrace 2 --records 20 -o /dev/null -- \
	"$PROGS/sites" killed file) >"$SCRATCH/want" 2>/dev/null
is $? 137 "killed"
SHIM_JSON=$SCRATCH/kept.json
"$DIOSHIM" report --json - "$SCRATCH/kept" >"$SHIM_JSON"
sites calls "$SHIM_JSON" | summed | cmp -s - "$SCRATCH/want"
ok $? "killed: the sites are there" || sites calls "$SHIM_JSON" >&8
add_up "killed"
is "$(json records.kept),$(json records.overwritten),$(json records.incomplete)" 20,30,0 "killed: the newest records are there"

# In the middle of something: what is there is sound, and no site has more than all.
for after in 0.02 0.05 0.11; do
	rm -rf "$SCRATCH/kept"
	mkdir "$SCRATCH/kept"
	fresh_work
	(cd "$SCRATCH/work" && plain -- "$DIOSHIM" run --dir "$SCRATCH/kept" --backtrace 4 --records 50 -o /dev/null -- \
		sh -c '"$1" threads file & sleep $2; kill -9 $!; wait $!' sh "$PROGS/sites" $after) >/dev/null 2>&1
	"$DIOSHIM" report --json - "$SCRATCH/kept" >"$SHIM_JSON"
	is "$?,$(json 'int(sum(sum(vars(s.routes).values()) for s in sites) <= sum(r.bytes for r in vars(routes).values()) and records.kept <= 100)')" 0,1 \
		"killed after $after s: $(json records.kept) records, $(json 'sum(s.calls for s in sites)') calls"
done

# ---- programs that are built otherwise

if command -v "$CC" >/dev/null; then
	cat >"$SCRATCH/module.c" <<-'END'
		#include <unistd.h>
		long read_in_module(int fd, void *to, long n) { return pread(fd, to, n, 0) + (getpid() == 1); }
	END
	long=$SCRATCH/$(printf 'long%.0s' {1..60})
	mkdir -p "$long/$(basename "$long")/$(basename "$long")/$(basename "$long")"
	for folder in "$SCRATCH" "$long" "$long/$(basename "$long")/$(basename "$long")/$(basename "$long")"; do
		"$CC" -shared -fPIC -o "$folder/module.so" "$SCRATCH/module.c" || continue
		export MODULE=$folder/module.so
		in_work --mode observe --backtrace 4 -- "$PROGS/sites" unloaded file >"$SCRATCH/want"
		is "$?,$(json 'sites[0].frames[0].module[-10:]'),$(json 'sites[0].calls')" "0,/module.so,1" \
			"a module that is gone at the end, in a path of ${#folder}"
		add_up "a module that is gone"
	done
	unset MODULE

	for flags in "-O2 -fomit-frame-pointer" "-O1 -foptimize-sibling-calls" "-O2 -no-pie" "-O2 -s" "-O3 -flto" "-O2 -D_FORTIFY_SOURCE=3"; do
		# shellcheck disable=SC2086
		"$CC" -std=gnu11 -D_GNU_SOURCE $flags -w -I"$TESTS" -I"$TESTS/progs" -o "$SCRATCH/input/built" "$TESTS/progs/sites.c" -pthread -ldl 2>/dev/null ||
			{ skip "$flags" "it does not build"; continue; }
		in_work --mode observe --backtrace 4 -- ./built calls file >"$SCRATCH/want"
		case $flags in
		*-s)	# no names: modules and numbers
			is "$(json 'sum(s.calls for s in sites)'),$(json '{s.frames[0].module.split("/")[-1] for s in sites}')" \
				"$(awk '{ n += $3 } END { print n }' "$SCRATCH/want"),{'built'}" "$flags: the module"
			continue ;;
		esac
		sites calls "$SHIM_JSON" | summed >"$SCRATCH/got"
		summed <"$SCRATCH/want" | cmp -s - "$SCRATCH/got"
		ok $? "$flags: callers" || summed <"$SCRATCH/want" | diff - "$SCRATCH/got" | sed 's/^/#   /' >&8
		add_up "$flags"
	done
	rm -f "$SCRATCH/input/built"
else
	skip "programs that are built otherwise" "no compiler"
fi

if command -v c++ >/dev/null; then
	cat >"$SCRATCH/input/program.cc" <<-'END'
		#include <fcntl.h>
		#include <unistd.h>
		#include <stdexcept>
		struct Reader {
			int fd;
			explicit Reader(const char *name) : fd(open(name, O_RDONLY)) {}
			__attribute__((noinline)) long get(char *to, long n) { long r = read(fd, to, n); if (r < 0) throw std::runtime_error("x"); return r; }
			~Reader() { close(fd); }
		};
		int main() {
			static char to[8192];
			Reader r("file");
			r.get(to, 8192);
			try { r.get((char *)1, 100); } catch (const std::runtime_error &) { return r.get(to, 100) != 100; }
			return 2;
		}
	END
	(cd "$SCRATCH/input" && c++ -O1 -o program program.cc)
	in_work --mode observe --backtrace 2 -- ./program
	is $? 0 "C++: exceptions pass"
	is "$(sites calls "$SHIM_JSON" 2)" "_ZN6Reader3getEPcl<main read 1 8192
_ZN6Reader3getEPcl<main read 1 100
_ZN6Reader3getEPcl<main read 1 0" "C++: methods" || sites calls "$SHIM_JSON" 2 >&8
	rm "$SCRATCH/input/program"*
else
	skip "C++" "no compiler"
fi

# ---- programs as they are

programs() {	# NAME [OPTIONS] -- COMMAND
	local name=$1
	shift
	same "$name" "$@"
	add_up "$name"
}

cat >"$SCRATCH/input/deep.py" <<'END'
import os, threading
def deep(n):
    if n:
        return deep(n - 1)
    with open("file", "rb", buffering=0) as f:
        return sum(len(f.read(700)) for i in range(200))
with open("new", "wb") as f:
    for i in range(100):
        f.write(b"x" * (i * 97))
threads = [threading.Thread(target=deep, args=(200,)) for i in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(deep(100))
END
for mode in direct observe; do
	programs "python3, mode $mode" --mode $mode --backtrace 8 -- $PYTHON -I -S deep.py
	programs "dd, mode $mode" --mode $mode --backtrace 1 -- dd if=file of=new bs=5000 status=none
	programs "sh, mode $mode" --mode $mode --backtrace 2 -- sh -c 'head -c 70000 file | cat >x; sort file | wc -l; cp file y; exec cmp file y'
	if command -v sqlite3 >/dev/null; then
		programs "sqlite3, mode $mode" --mode $mode --backtrace 4 -- sqlite3 new.db "CREATE TABLE t (n)" "INSERT INTO t VALUES (1)" "SELECT * FROM t"
	fi
	if command -v perl >/dev/null; then
		programs "perl, mode $mode" --mode $mode --backtrace 4 -- perl -e 'open F, "<", "file"; $n += length while <F>; print "$n\n"; if (fork == 0) { exec "cat", "file" } wait'
	fi
done
is "$(json 'max(len(s.frames) for s in sites) > 1')" 1 "chains of several frames"

done_testing
