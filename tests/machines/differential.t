#!/usr/bin/env bash
# The differential machine: random sequences of operations on files, plain and
# under the shim, must see the same of everything.
#
#   differential.t                             a fixed number of sequences
#   differential.t SECONDS [FOLDER [SEED]]     longer ones, as long as told
. "$(dirname "$0")/../lib.sh"
scratch

SEEDS=150
LENGTH=120

machine() {	# NAME ARGUMENT...
	local name=$1 status
	shift
	DIOSHIM_BUILD=$DIOSHIM_BUILD "$TESTS/machines/differential.sh" "$@" 8>&- 9>&- \
		>"$SCRATCH/machine.out" 2>&1
	status=$?
	ok $status "$name" || sed 's/^#* */#   /' "$SCRATCH/machine.out" >&8
	diag "$(tail -n 2 "$SCRATCH/machine.out")"
}

# A machine that went one way alone tested nothing of the others.
went() {	# ROUTE|REASON
	tail -n 1 "$SCRATCH/machine.out" | grep -q " $1 [1-9]"
	ok $? "bytes went: $1"
}

if [ $# != 0 ]; then
	machine "random sequences for $1 seconds" --seconds "$1" "${2:-$SCRATCH}" \
		"${3:-$(($(date +%s) * 1000))}" 0 200
	done_testing
fi

machine "$SEEDS random sequences of $LENGTH operations" "$SCRATCH" 1 $SEEDS $LENGTH
for way in zero_copy bounced cached in_kernel address offset edge append mapped; do
	went $way
done
if shares_extents; then
	skip "bytes went: copied" "files share extents here, nothing is copied"
else
	went copied
fi

done_testing
