#!/bin/bash
# What it cannot be built for is refused in one line.
. "$(dirname "$0")/lib.sh"
need make "${CC:=cc}"
scratch
ROOT=$(cd -P "$TESTS/.." && pwd)
cd "$SCRATCH" || exit 1
unset MAKEFLAGS MAKELEVEL

refused() {	# NAME PATTERN MAKE-ARGUMENT...
	local name=$1 pattern=$2
	shift 2
	make -C "$ROOT" --no-print-directory B="$SCRATCH/none" "$@" >out 2>&1
	is $? 2 "$name: refused"
	ok "$(grep -q "\*\*\* $pattern" out; echo $?)" "$name: it says why" || diag_file out
	is "$(wc -l <out)" 1 "$name: in one line"
	is "$(ls none 2>/dev/null)" "" "$name: nothing was made"
}

if command -v musl-gcc >/dev/null; then
	refused "musl" "glibc is needed: " CC=musl-gcc
else
	skip "musl" "musl-gcc is not installed"
fi
case $("$CC" -dumpmachine) in
x86_64-*)
	refused "32 bits" "64 bits are needed: " CC="$CC -m32" ;;
*)
	skip "32 bits" "$CC has no -m32" ;;
esac
make -C "$ROOT" CC="$CC -m32" help >out 2>&1
is $? 0 "make help helps nevertheless"

done_testing
