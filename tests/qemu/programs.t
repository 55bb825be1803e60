#!/bin/bash
# The tests' own programs, plain and under the library. qemu has no preadv2 and
# pwritev2. Plain, glibc does without, and errno tells: that is not compared.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/hazards/transcripts.sh"
scratch

eval "as_it_is_$(declare -f run_once)"
run_once() {	# plain|shim
	as_it_is_run_once "$1"
	sed -i 's/ \(ENOSYS\|EOPNOTSUPP\)//; s/  */ /g' "$SCRATCH/$1.out"
}

for mode in rdonly rdwr append; do
	transcript "matrix $mode" --chunk 64K --pool 1M -- "$PROGS/matrix" $mode 65536
	went_direct "matrix $mode"
done
for chunk in 65536 1048576; do
	transcript "ends of files, chunk $chunk" --chunk $chunk -- "$PROGS/matrix_eof" $chunk
	went_direct "ends of files"
	transcript "random calls, chunk $chunk" --chunk $chunk -- "$PROGS/matrix_random" $chunk 1 1500
	went_direct "random calls"
done
transcript "random calls, mode off" --mode off -- "$PROGS/matrix_random" 65536 4 1500

done_testing
