#!/usr/bin/env bash
# Files cut, extended, punched and replaced by another process meanwhile, and a
# buffer that is a mapping of such a file.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch
cd "$SCRATCH" || exit

changing() {	# WAY SEED ROUNDS [OPTIONS]
	local way=$1 seed=$2 rounds=$3
	shift 3
	plain -- "$PROGS/truncated" "$way" "$seed" "$rounds" >plain.out 2>plain.err
	is "$?, $(cat plain.out)" "0, 0 faults" "plain, $way, seed $seed" || diag_file plain.err
	shim "$@" -- "$PROGS/truncated" "$way" "$seed" "$rounds" >shim.out 2>shim.err
	is "$?, $(cat shim.out)" "0, 0 faults" "shim, $way, seed $seed" || diag_file shim.err
	diag "$way: $(tail -n 1 shim.err)"
	went_direct "$way, seed $seed"
}

for seed in 1 2 3; do
	changing read $seed 5000
	changing write $seed 2000
done
changing read 4 3000 --chunk 64K --pool 128K
changing replaced 5 2000

# Between the check of the memory and the copy another process cuts the file
# that is mapped there.
changing mapped 6 1500

done_testing
