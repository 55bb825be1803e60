#!/usr/bin/env bash
# The staleness machine: writers of every kind, in the same and in other
# processes, shimmed and plain, against readers whose data is read ahead. What
# they get is never older than what had been announced (I3). What is done, and
# what is allowed, says tests/progs/stale/stale.h.
#
#   stale.t                             fixed seeds, on the file systems that can be had
#   stale.t SECONDS [FOLDER [SEED]]     for so long, from SEED on, in FOLDER, or in
#                                       turns on each file system
#   stale.t 0 FOLDER SEED               one seed
#
# By default the shim wants a file to be unchanged for three seconds, before it
# reads ahead: most of that time is spent waiting, many files at a time. With
# a lower age there are far more beginnings, and only writes that keep readers
# out while they last. A plain run shows that the machine itself is right.
. "$(dirname "$0")/../loop.sh"
scratch
seconds=${1:-}
folder=${2:-}
seed=${3:-$RANDOM}
stale=$DIOSHIM_BUILD/tests/stale
totals=$SCRATCH/totals
touch "$totals"

# In a long run only what is wrong is shown.
[ -z "$seconds" ] || exec 9>/dev/null

"$DIOSHIM" run --help | grep -q -e --stream-age
streams=$?

# A test in which nothing was read ahead, or nothing changed then, proves nothing.
streamed() {	# NAME
	local staged changed
	if [ $streams != 0 ] || ! usable "$work"; then
		skip "$1: streams" "there are none here"
		return
	fi
	staged=$(json routes.staged.bytes)
	changed=$(json counters.streams_changed)
	echo "stream staged $staged begun $(json counters.streams) changed $changed" >>"$totals"
	[ "${staged:-0}" -gt 0 ] && [ "${changed:-0}" -gt 0 ]
	ok $? "$1: $staged bytes from $(json counters.streams) streams, $changed of them ended by a change" ||
		diag_file "$SHIM_REPORT" 60
}

# Settings of the shim's own, by the seed.
settings() {	# SEED AGE
	local ahead=(256K 2M 2M 2M 8M) chunks=(128K 1M 1M 4M)
	RANDOM=$1
	OPTS=(--stream-age="$2" --stream="${ahead[RANDOM % 5]}" --chunk="${chunks[RANDOM % 4]}")
	[ $streams = 0 ] || OPTS=()
}

run_seed() {	# shim|plain NAME FOLDER SEED MILLISECONDS AGE
	local run=$1 name="$1, $2, age $6, seed $4" status work OPTS
	local out=$SCRATCH/out.$BASHPID
	settings "$4" "$6"
	[ "$run" = shim ] || OPTS=()
	work=$(mktemp -d "$3/dioshim-stale.XXXXXX") || return
	"$run" "${OPTS[@]}" -- "$stale" "$work" "$4" "$5" "$6" >"$out" 2>"$out.err"
	status=$?
	sed -n "s/^seed/$run seed/p" "$out" >>"$totals"
	ok $status "$name ${OPTS[*]}: $(sed -n 's/.*\(reads [0-9]*\).*\(changes [0-9]*\).*\(sharp [0-9]*\).*/\1, \2, \3/p' "$out")" || {
		diag "    again: $0 0 FOLDER $4"
		diag_file "$out" 40
		diag_file "$out.err"
	}
	[ "$run" != shim ] || [ $status != 0 ] || streamed "$name"
	rm -rf "$work" "$out"*
	return $status
}

# The age says how long a run has to be: some rounds of waiting.
one_seed() {	# NAME FOLDER SEED
	local ages=(20 30 60 100)
	run_seed shim "$1" "$2" "$3" 3000 "${ages[$3 % 4]}"
	run_seed shim "$1" "$2" "$3" 14000 3000
	[ $(($3 % 4)) != 0 ] || run_seed plain "$1" "$2" "$3" 2000 "${ages[$3 % 4]}"
}

# ---- file systems ------------------------------------------------------------

names=(scratch)
folders=("$SCRATCH")

file_systems() {
	local kind
	for kind; do
		if filesystem "$kind" "$SCRATCH/$kind" 500M; then
			names+=("$kind")
			folders+=("$SCRATCH/$kind")
		else
			skip "$kind" "$FS_WHY"
		fi
	done
}

# Waiting costs nothing: the long age on all file systems at a time.
fixed_seeds() {
	local i
	for i in "${!names[@]}"; do
		run_seed shim "${names[i]}" "${folders[i]}" $((i + 1)) 12000 3000 &
	done
	run_seed plain scratch "$SCRATCH" 21 8000 3000 &
	wait
	for i in "${!names[@]}"; do
		run_seed shim "${names[i]}" "${folders[i]}" $((i + 11)) 3500 30
	done
	run_seed plain scratch "$SCRATCH" 22 2000 30
}

for_long() {
	local i
	while :; do
		for i in "${!names[@]}"; do
			one_seed "${names[i]}" "${folders[i]}" "$seed"
			seed=$((seed + 1))
			[ $SECONDS -lt "$seconds" ] || return
		done
	done
}

if [ -n "$folder" ]; then
	names=("$folder")
	folders=("$folder")
elif [ -z "$seconds" ]; then
	file_systems xfs btrfs overlay
else
	file_systems ext4 ext4_1k ext4_4kn xfs xfs_4kn btrfs btrfs_nocow overlay
fi
if [ -z "$seconds" ]; then
	fixed_seeds
else
	for_long
fi

sum() {	# shim|plain|stream WORD
	awk -v run="$1" -v word="$2" '$1 == run { for (i = 2; i < NF; i++) if ($i == word) n += $(i + 1) } END { print n + 0 }' "$totals"
}

for run in shim plain; do
	diag "$run: $(sum $run reads) reads, $(sum $run blocks) blocks judged, $(sum $run torn) of them mixed," \
		"$(sum $run changes) changes announced; read on right after an announcement ahead: $(sum $run sharp) times," \
		"$(sum $run at_once) by the next call, $(sum $run grown) past the old end"
done
diag "streams: $(sum stream begun), $(sum stream changed) ended by a change, $(sum stream staged) bytes"
done_testing
