#!/usr/bin/env bash
# The machines on file systems that the test makes itself (root): few seeds each.
#
#   filesystems.t                   fixed seeds, the differential machine alone
#   filesystems.t SECONDS           so long in all, every machine, seeds of the day
. "$(dirname "$0")/../loop.sh"
scratch
[ "$(id -u)" = 0 ] || skip_all "only root can mount"
seconds=${1:-}
SEEDS=8
LENGTH=100

run_machine() {	# NAME COMMAND...
	local name=$1 status
	shift
	"$@" 8>&- 9>&- >"$SCRATCH/machine.out" 2>&1
	status=$?
	ok $status "$name" || {
		diag "again: $*"
		diag_file "$SCRATCH/machine.out" 100
	}
}

for_long() {	# KIND NAME FOLDER SECONDS
	local kind=$1 name=$2 folder=$3 seed=$RANDOM$RANDOM share=$(($4 / 3 + 1)) machine
	DIOSHIM_BUILD=$DIOSHIM_BUILD run_machine "$name: differential from seed $seed" \
		"$TESTS/machines/differential.sh" --seconds $share "$folder" $seed 1000000 200
	case $kind in
	ext4_journal | tmpfs | btrfs | vfat) return ;;	# no direct writes: the others want them
	esac
	for machine in concurrency kill; do
		DIOSHIM_BUILD=$DIOSHIM_BUILD run_machine "$name: $machine from seed $seed" \
			"$TESTS/machines/$machine.t" $share "$folder" $seed
	done
}

# Where time is too short for all, each run begins with others.
kinds=($FS_KINDS)
[ -z "$seconds" ] || kinds=($(printf '%s\n' "${kinds[@]}" | shuf))
each=$((${seconds:-0} / ${#kinds[@]}))
for kind in "${kinds[@]}"; do
	[ "$SECONDS" -lt "${seconds:-100000}" ] || break
	name=$(filesystem_name "$kind")
	folder=$SCRATCH/$kind
	if ! filesystem "$kind" "$folder" 600M; then
		skip "$name" "$FS_WHY"
		continue
	fi
	if [ -n "$seconds" ]; then
		for_long "$kind" "$name" "$folder" $each
	else
		DIOSHIM_BUILD=$DIOSHIM_BUILD run_machine "$name: $SEEDS random sequences of $LENGTH operations" \
			"$TESTS/machines/differential.sh" "$folder" 1 $SEEDS $LENGTH
		diag "$name: $(tail -n 1 "$SCRATCH/machine.out" | cut -c 1-100)"
	fi
	filesystem_end "$folder"
done

done_testing
