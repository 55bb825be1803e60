#!/usr/bin/env bash
# The concurrency machine: processes and threads, shimmed and plain, work on
# the same files at once; nothing is lost, doubled or stale, and fsync never
# fails. tests/progs/conc/conc.h says what they do.
#
#   concurrency.t                             some fixed seeds
#   concurrency.t SECONDS [FOLDER [SEED]]     for so long, from SEED on, in FOLDER,
#                                             which may be on any file system
#   concurrency.t 0 FOLDER SEED               one seed
#
# Each seed has settings of the shim's own. Every fourth, and each that fails,
# is run plain too: what a plain run shows as well is not the shim's.
. "$(dirname "$0")/../lib.sh"
scratch
seconds=${1:-}
folder=${2:-$SCRATCH}
seed=${3:-$RANDOM}
[ -n "$seconds" ] || seed=1
conc=$DIOSHIM_BUILD/tests/conc
work=$(mktemp -d "$folder/dioshim-conc.XXXXXX") || exit 1
at_exit 'rm -rf "$work"'
totals=$SCRATCH/totals

# In a long run only what is wrong is shown.
[ -z "$seconds" ] || exec 9>/dev/null

settings() {	# SEED
	local chunks=(64K 128K 1M 1M 4M 16M) few=(64K 128K 512K)
	RANDOM=$1
	case $((RANDOM % 4)) in
	0) OPTS=(--chunk=64K --pool="${few[RANDOM % 3]}") ;;
	1) OPTS=(--chunk="${chunks[RANDOM % 6]}" --min-file="$((RANDOM % 9))00K") ;;
	*) OPTS=(--chunk="${chunks[RANDOM % 6]}") ;;
	esac
}

run_seed() {	# shim|plain SEED MILLISECONDS
	rm -rf "$work"/*
	"$1" "${OPTS[@]}" -- "$conc" "$work" "$2" "$3" >"$SCRATCH/out" 2>"$SCRATCH/err"
	status=$?
	[ "$1" = plain ] || direct=$((direct + $(direct_bytes || echo 0)))
	sed -n "s/^seed/$1 seed/p" "$SCRATCH/out" >>"$totals"
	ok $status "$1, seed $2 ${OPTS[*]}" && return
	diag "    again: $0 0 FOLDER $2"
	diag_file "$SCRATCH/out" 40
	diag_file "$SCRATCH/err"
	return 1
}

one_seed() {	# SEED MILLISECONDS
	local status OPTS
	settings "$1"
	run_seed shim "$1" "$2" && [ $(($1 % 4)) != 0 ] && return
	OPTS=()
	run_seed plain "$1" "$2"
}

sum() {	# shim|plain WORD
	awk -v run="$1" -v word="$2" '$1 == run { for (i = 2; i < NF; i++) if ($i == word) n += $(i + 1) } END { print n + 0 }' "$totals"
}

started=$SECONDS
direct=0
if [ -z "$seconds" ]; then
	for seed in 1 2 3 4 5 6 8 11 15 35; do
		one_seed "$seed" 700
	done
else
	while one_seed "$seed" 1500; [ $((SECONDS - started)) -lt "$seconds" ]; do
		seed=$((seed + 1))
	done
fi

! usable "$folder" || ok "$([ "$direct" -gt 0 ]; echo $?)" "direct I/O was done: $direct bytes"
for run in shim plain; do
	diag "$run: $(grep -c "^$run" "$totals") seeds," \
		"$(sum $run written) records written, $(sum $run looks) + $(sum $run back) read while written," \
		"$(($(sum $run logged) + $(sum $run queued) + $(sum $run lines))) entries written," \
		"$(($(sum $run tailed) + $(sum $run doled))) reads at shared offsets"
done
diag "torn reads of $(sum shim looks): $(awk '$1 == "shim"' "$totals" | grep -o 'torn [0-9+]*' | awk -F'[ +]' '{ p += $2; s += $3 } END { print s + 0 " shimmed, " p + 0 " plain beside them" }'); of $(sum plain looks) in plain runs: $(sum plain torn)"
done_testing
