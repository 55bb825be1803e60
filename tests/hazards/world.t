#!/usr/bin/env bash
# The world changes around a process: its user, root, mounts, process ids; and
# whole runs as a user without rights.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

[ "$(id -u)" = 0 ] || skip_all "only root can change the world"

for step in users roots process_ids landlock; do
	transcript "world: $step" -- "$PROGS/hz_world" $step
	went_direct "world: $step"
done

# The same user all the way: nobody's files, nobody's ledger.
if command -v setpriv >/dev/null; then
	chmod 755 "$SCRATCH"
	RUN_AS=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	setup_input() {
		chown 65534:65534 .
	}
	nobody() {	# PROGRAM STEP...
		chown 65534 "$SCRATCH" "$SCRATCH/tmp"
		transcript "nobody: $*" -- "$PROGS/$1" "${@:2}"
	}
	if "${RUN_AS[@]}" test -x "$PROGS/hz_files"; then
		nobody hz_files nameless many_names leases memory_files toggles
		went_direct "nobody: hz_files"
		nobody hz_close reuse text_busy
		nobody hz_process vforked spawned forks_and_threads
		nobody locks around_io siblings
	else
		skip "nobody" "the build folder is closed to others"
	fi
else
	skip "nobody" "setpriv is not installed"
fi

done_testing
