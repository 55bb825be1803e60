#!/usr/bin/env bash
# Mode observe: the program, its files and its descriptors are what they are
# plainly; and what it tells of requests is what mode direct does with them.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../hazards/transcripts.sh"
scratch

# ---- nothing is changed

chunk=$((64 << 10))
transcript "calls" --mode observe -- "$PROGS/matrix" rdwr $chunk
transcript "appends" --mode observe --backtrace 2 --records 100 -- "$PROGS/matrix" append $chunk
transcript "vectors" --mode observe --backtrace 1 -- "$PROGS/matrix_iov" $chunk
transcript "ends of files" --mode observe --records 1000 -- "$PROGS/matrix_eof" $chunk
for step in readers mixed; do
	transcript "shared offsets: $step" --mode observe --backtrace 1 -- "$PROGS/shared" $step
done
transcript "descriptors" --mode observe --backtrace 1 -- "$PROGS/fds"
transcript "processes" --mode observe --backtrace 4 -- "$PROGS/hz_process"
is "$(direct_bytes)" 0 "no direct I/O"

DIOSHIM_BUILD=$DIOSHIM_BUILD "$TESTS/machines/differential.sh" --options "--mode observe --backtrace 3 --records 200" \
	"$SCRATCH" 1 12 120 >"$SCRATCH/machine.out" 2>&1 8>&- 9>&-
ok $? "12 random sequences of operations" || diag_file "$SCRATCH/machine.out" 40

# Not one call on descriptors but the program's.
noise "$SCRATCH/input/a" 300777
if command -v strace >/dev/null && strace -f -o /dev/null true 2>/dev/null; then
	trace() {	# MODE
		(cd "$SCRATCH/input" && strace -f -o "$SCRATCH/trace.$1" "$DIOSHIM" run --mode "$1" --backtrace 1 -o /dev/null -- \
			dd if=a of=b bs=4096 iflag=fullblock status=none)
	}
	trace observe
	trace direct
	grep -q 'openat.*self/fd/.*O_DIRECT' "$SCRATCH/trace.direct"
	ok $? "strace sees second openings in mode direct"
	! grep -E 'openat.*(self/fd/|O_DIRECT\W)|F_SETFL' "$SCRATCH/trace.observe" >"$SCRATCH/seen"
	ok $? "and none in mode observe" || diag_file "$SCRATCH/seen"
	is "$(grep -cE ' (read\(0|write\(1), ".*, 4096' "$SCRATCH/trace.observe")" 148 "requests are one call each"
else
	skip "strace" "strace cannot trace here"
fi

cat >"$SCRATCH/input/fds.py" <<'END'
import os
for name in "ab":
    with open(name, "rb") as f:
        f.read(8192)
        print(sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 1000))
END
cp "$SCRATCH/input/a" "$SCRATCH/input/b"
same "open descriptors" --mode observe -- $PYTHON -I -S fds.py

# ---- the classes are what mode direct does

in_work() {	# [OPTIONS] -- COMMAND
	local status
	fresh_work
	settle "$SCRATCH/work"
	cd "$SCRATCH/work" || exit
	shim "$@"
	status=$?
	cd "$SCRATCH" || exit
	return $status
}

both() {	# NAME -- COMMAND: the same classes in both modes, and as_is is zero_copy
	local name=$1 observe direct bytes
	shift
	in_work --mode observe --backtrace 1 "$@" >"$SCRATCH/out.observe" 2>&1
	observe="$(json 'classes.as_is') $(json 'list(vars(classes).values()), counters.misaligned_calls')"
	bytes=$(json 'sum(vars(classes).values()) - sum(r.bytes for n, r in vars(routes).items() if n not in ("not_file", "in_kernel"))')
	in_work --mode direct --stream 0 --backtrace 1 "$@" >"$SCRATCH/out.direct" 2>&1
	direct="$(json 'classes.as_is') $(json 'list(vars(classes).values()), counters.misaligned_calls')"
	is "$observe" "$direct" "$name: classes as in mode direct"
	# What it left to the page cache for the moment's sake would have been zero-copy.
	is "$(json '(routes.zero_copy.bytes <= classes.as_is <= routes.zero_copy.bytes + reasons.dirty.bytes +
		reasons.raced.bytes + reasons.changing.bytes + reasons.locked.bytes + reasons.direct_failed.bytes)')" 1 "$name: as_is is the zero-copy of mode direct"
	is "$bytes" 0 "$name: the classes are all bytes"
	cmp "$SCRATCH/out.observe" "$SCRATCH/out.direct" >&8
	ok $? "$name: the same output"
}

for row in 512:0:0 512:1:1 1000:0:0 4096:0:0 4096:3:1 4096:100:0 5000:0:4096 65536:512:4096 100000:4096:512 1048576:0:0; do
	IFS=: read -r bs skip seek <<<"$row"
	both "dd $row" -- dd if=a of=c bs=$bs iflag=skip_bytes skip=$skip oflag=seek_bytes seek=$seek status=none
done
both "dd, over what is there" -- dd if=a of=b bs=6000 conv=notrunc oflag=seek_bytes seek=700 status=none
both "dd, its own O_DIRECT" -- dd if=a of=b bs=512 count=100 iflag=direct oflag=direct,seek_bytes seek=512 conv=notrunc status=none
both "dd, append" -- dd if=a of=b bs=4096 conv=notrunc oflag=append status=none
for seed in 1 2 3 4; do
	both "random requests, seed $seed" -- "$PROGS/requests" $seed 1500
done
if command -v sqlite3 >/dev/null; then
	both "sqlite3" -- sqlite3 new.db "PRAGMA synchronous = off" "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)" \
		"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000) INSERT INTO t SELECT i, zeroblob(i % 500) FROM c" \
		"SELECT count(*), sum(length(b)) FROM t"
else
	skip "sqlite3" "not installed"
fi

# ---- where requests begin, whoever moved the offset

for step in seek dups forked spawned sent stdio raw turns2 turns4 turns8 threads append reused positional; do
	in_work --mode observe -- "$PROGS/offsets" $step >"$SCRATCH/out"
	status=$?
	read -r _ least most _ all <<<"$(tail -n 1 "$SCRATCH/out")"
	as_is=$(json classes.as_is)
	total=$(json 'sum(vars(classes).values())')
	[ $status = 0 ] && [ "$least" -le "$as_is" ] && [ "$as_is" -le "$most" ] &&
		[ "$all" -le "$total" ] && [ "$total" -le $((all + 4)) ]
	ok $? "offsets, $step: $as_is of $total as they are, $least to $most" || diag_file "$SCRATCH/out"
done

done_testing
