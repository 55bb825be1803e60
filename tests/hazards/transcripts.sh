# transcripts: the programs of tests/progs, whose stdout tells every result,
# plain and under the shim. Sourced after lib.sh.

PROGS=$DIOSHIM_BUILD/tests

first_differences() {
	diff "$SCRATCH/plain.out" "$SCRATCH/shim.out" | cut -c 1-200 | head -n "${1:-12}" | sed 's/^/#   /' >&2
}

# The same transcript, stderr, status and files.
transcript() {	# NAME [OPTIONS] -- PROGRAM ARGUMENT...
	same "$@" || { first_differences; return 1; }
}

# The same, where the second run asks for O_DIRECT at each open, which a plain
# program could not use: what it gets must be what the buffered one got.
rescued() {	# NAME [OPTIONS] -- PROGRAM ARGUMENT...
	local name=$1 wrong=0 part OPTIONS COMMAND
	shift
	split_arguments "$@"
	scratch
	run_once plain
	COMMAND+=(direct)
	run_once shim
	SHIM_JSON=$SCRATCH/ledger.json
	for part in status out err; do
		cmp -s "$SCRATCH/plain.$part" "$SCRATCH/shim.$part" || wrong=$part
	done
	same_trees "$SCRATCH/plain" "$SCRATCH/shim" >"$SCRATCH/trees" || wrong=tree
	ok "$([ "$wrong" = 0 ]; echo $?)" "$name, O_DIRECT asked for" && return
	explain
	first_differences
	return 1
}

# The last run did direct I/O: a test that only saw the page cache tested nothing.
went_direct() {	# NAME
	local direct
	direct=$(direct_bytes)
	ok "$([ "${direct:-0}" -gt 0 ]; echo $?)" "$1: direct I/O was done"
}
