#!/usr/bin/env bash
# What no preload sees works as it would without one: libraries that bind
# elsewhere, io_uring, static programs, set-id programs.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

# The report does not claim what it did not see.
says_unseen() {	# NAME BYTES
	local unseen
	unseen=$(json witness.unseen_bytes)
	ok "$([ "${unseen:-0}" -ge "$2" ]; echo $?)" "$1: $unseen bytes were not seen, and the report says so"
}

CC=${CC:-cc}
if command -v "${CC%% *}" >/dev/null &&
   $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$SCRATCH/behind.so" "$TESTS/progs/behind.c"; then
	for way in deepbind namespace; do
		transcript "a library behind: $way" -- "$PROGS/behind" $way "$SCRATCH/behind.so"
		went_direct "a library behind: $way"
		says_unseen "a library behind: $way" 1000000
	done
else
	skip "a library behind" "no C compiler"
fi

transcript "io_uring" -- "$PROGS/ring"
if grep -q "no io_uring" "$SCRATCH/plain.out"; then
	skip "io_uring: direct I/O" "the kernel does not let us"
else
	went_direct "io_uring"
fi

# Started by a shell that is seen; with descriptors and an offset that are shared.
lines "$SCRATCH/input/in" 300777
shared='exec 4<>in; head -c 5000 <&4 >a; "$0" <&4 >b; printf end >>b; cat in >c; "$0" <c >d; cat <&4'
if $CC -D_GNU_SOURCE -O2 -static -o "$SCRATCH/static" "$TESTS/progs/early.c" 2>/dev/null; then
	transcript "a static program" -- sh -c '"$0"; cat early.file >copy; "$0" >out; cat out' "$SCRATCH/static"
	says_unseen "a static program" 10000
else
	skip "a static program" "no C compiler, or no static libc"
fi
if [ "$(id -u)" = 0 ] && cp "$(command -v cat)" "$SCRATCH/set-id" && chmod 755 "$SCRATCH" &&
   chown 65534 "$SCRATCH/set-id" && chmod 4755 "$SCRATCH/set-id"; then
	same "a set-id program" -- sh -c "$shared" "$SCRATCH/set-id"
	ok "$(cmp -s <(tail -c +5001 "$SCRATCH/shim/in") <(head -c -3 "$SCRATCH/shim/b"); echo $?)" "a set-id program went on at the shared offset"
	says_unseen "a set-id program" 500000
else
	skip "a set-id program" "only root can make one"
fi

done_testing
