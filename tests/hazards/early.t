#!/usr/bin/env bash
# I/O in constructors and destructors, the program's own and other libraries'.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

transcript "a program's constructor" -- "$PROGS/early"
went_direct "a program's constructor"

# A library preloaded after the shim, and one before it.
CC=${CC:-cc}
if command -v "${CC%% *}" >/dev/null &&
   $CC -D_GNU_SOURCE -O2 -shared -fPIC -o "$SCRATCH/early.so" "$TESTS/progs/early.c"; then
	both='LD_PRELOAD=$0:${LD_PRELOAD:-} exec "$@"'
	transcript "another library's constructor" -- sh -c "$both" "$SCRATCH/early.so" "$PROGS/fortify" reads
	went_direct "another library's constructor"
	for order in "$DIOSHIM_BUILD/libdioshim.so:$SCRATCH/early.so" "$SCRATCH/early.so:$DIOSHIM_BUILD/libdioshim.so"; do
		mkdir -p "$SCRATCH/a" "$SCRATCH/b"
		(cd "$SCRATCH/a" && LD_PRELOAD=$SCRATCH/early.so "$PROGS/fortify" reads) >"$SCRATCH/plain.out"
		(cd "$SCRATCH/b" && LD_PRELOAD=$order "$PROGS/fortify" reads) >"$SCRATCH/shim.out"
		cmp -s "$SCRATCH/plain.out" "$SCRATCH/shim.out"
		ok $? "preloaded by hand: ${order//"$SCRATCH"\//}" || first_differences
	done
else
	skip "another library's constructor" "no C compiler"
fi

done_testing
