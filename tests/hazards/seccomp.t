#!/usr/bin/env bash
# Programs that lock themselves in: not one system call more than their own.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in strict filtered threads refusing; do
	transcript "seccomp: $step" -- "$PROGS/hz_seccomp" $step
done

# Nor one for the sake of what is kept of requests.
for options in "--mode observe" "--mode observe --backtrace 4 --records 100" "--backtrace 4 --records 100"; do
	for step in strict filtered threads; do
		# shellcheck disable=SC2086
		transcript "seccomp: $step, $options" $options -- "$PROGS/hz_seccomp" $step
	done
done

done_testing
