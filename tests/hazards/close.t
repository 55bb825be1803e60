#!/usr/bin/env bash
# Descriptors closed unseen, everything closed, programs started at once.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
scratch

for step in reuse replaced close_all daemon_like redirection text_busy busy_threads races; do
	transcript "closing: $step" -- "$PROGS/hz_close" $step
done

transcript "daemons" -- prlimit --nofile=4096: "$PROGS/hz_daemon"
went_direct "daemons"

# A compiler's output, run the moment the compiler is done.
CC=${CC:-cc}
if command -v "${CC%% *}" >/dev/null; then
	cat >"$SCRATCH/build" <<'END'
for i in $(seq 8); do
	echo "int main(void) { return $i; }" >made.c
	$1 -o made made.c && ./made
	echo "$i: $?"
done
END
	same "a compiler's output, run at once" -- sh "$SCRATCH/build" "$CC"
	is "$(grep -c '^\([0-9]*\): \1$' "$SCRATCH/shim.out")" 8 "a compiler's output: run eight times"
else
	skip "a compiler's output, run at once" "no C compiler"
fi

done_testing
