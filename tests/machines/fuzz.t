#!/bin/bash
# The fuzz targets without a fuzzer: their corpora and some thousand inputs made
# from fixed seeds. `make fuzz` looks for new ones.
. "$(dirname "$0")/../lib.sh"

# Inputs per target: about two seconds each.
declare -A count=([answers]=20000 [config]=20000 [engine]=15000 [ledger]=400 [plan]=30000)

for name in "${!count[@]}"; do
	smoke=$DIOSHIM_BUILD/fuzz/smoke_$name
	if [ ! -x "$smoke" ]; then
		ok 1 "$name: $smoke was not built"
		continue
	fi
	out=$(timeout -k 5 120 "$smoke" -n "${count[$name]}" "$TESTS/fuzz/corpus/$name" 2>&1)
	ok $? "$name: ${out##*$'\n'}" || diag "$out"
done

done_testing
