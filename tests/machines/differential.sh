#!/usr/bin/env bash
# The differential machine: random sequences of operations on files, each run
# plain and under the shim; every result, offset, size and byte must be equal.
#
#   tests/machines/differential.sh [OPTIONS] FOLDER FIRST_SEED COUNT LENGTH
#
# COUNT sequences of LENGTH operations each (up to 4000), in a new folder below FOLDER, whose
# file system is the one that is tested. A sequence that differs is made shorter
# and printed. The exit status is 0 when none did, 1 when one did, 2 when nothing
# could be run.
#
#   --seconds N     go on for N seconds, whatever COUNT says
#   --keep LIST     only these operations, as printed; nothing is made shorter
#   --options WORDS for `dioshim run`, instead of what the seed says
#   --failures N    stop after N sequences that differ (default 3)
#
# DIOSHIM_BUILD is the build folder, ../../build by default. See
# tests/progs/diff/diff.h for what a sequence is, and what is not compared.

here=$(cd -P "$(dirname "$0")" && pwd)
DIOSHIM_BUILD=$(cd -P "${DIOSHIM_BUILD:-$here/../../build}" && pwd) || exit 2
for name in ${!DIOSHIM_@}; do
	[ "$name" = DIOSHIM_BUILD ] || unset "$name"
done
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3) || { echo "python3 is not installed" >&2; exit 2; }
exec env LC_ALL=C.UTF-8 DIOSHIM_BUILD="$DIOSHIM_BUILD" "$python" -I -S -B "$here/differential.py" "$@"
