# Sourced by bench/auto: the size sweep. For each size of a request the same work by
# the page cache (the base), native O_DIRECT one request at a time, RWF_DONTCACHE, and the
# shim in mode auto, which has streams.

sweep_sizes="4096 16384 65536 262144 1048576 2097152 4194304 8388608"

# sweep KIND TEXT STATE "OPTIONS OF io" FILE [BEFORE]: STATE is cold or warm.
sweep() {
	local kind=$1 text=$2 state=$3 options=$4 file=$5 size run count
	local dontcache names="plain direct auto"

	[ -z "$uncached" ] || names+=" dontcache"
	printf '\n%s\n%9s %11s  %-20s %-20s %-20s\n' "$text" "" "page cache" direct "mode auto" \
		"${uncached:+RWF_DONTCACHE}"
	for size in $sweep_sizes; do
		# Random requests: a part of the file, so that few places are met twice.
		count=$(((sweep_mib << 20) / size))
		case $kind in
		random) count=$((count > 16 ? count / 8 : 2)); [ $count -le 512 ] || count=512 ;;
		esac
		run="$bin/io $options -n $count -b $size"
		dontcache=(::: $run -u $file)
		{
			echo "${6:-:}; sync -f $scratch"
			echo "[ -e $file ] || exit 0"
			echo "cat $file >/dev/null"
			[ "$state" = warm ] || echo "$bin/file drop $file"
		} >"$scratch/prepare"
		measure -1 -w 1 -n "$sweep_rounds" -t "$sweep_seconds" -p "sh $scratch/prepare" \
			$run "$file" ::: $run -d "$file" ::: "$shim" $auto $run "$file" ${uncached:+"${dontcache[@]}"}
		awk -v kind="$kind" -v state="$state" -v size="$size" -v bytes=$((count * size)) -v names="$names" \
			-v json="$sweep_json" -v first="$sweep_first" -v table="$scratch/sweep.tsv" \
			-f "$here/auto_sweep.awk" "$scratch/out"
		sweep_first=
	done
}
sweep_first=1

# threshold KIND: the smallest size from which on direct wins in all sizes measured, "" if it never does.
threshold() {
	awk -v kind="$1" '$1 == kind { n++; size[n] = $2; ratio[n] = $3 }
		END { for (i = n; i > 0 && ratio[i] < 1; i--) at = size[i]; print at }' "$scratch/sweep.tsv"
}

# follows SETTING KIND WHAT: one line.
follows() {
	local at=$(threshold "$2")

	if [ "$at" ]; then
		echo "$1=$((at / 1024))K: $3"
	else
		echo "$1: direct does not win up to $((${sweep_sizes##* } >> 20)) MiB; above that: $3"
	fi
}

job_sweep() {
	local sweep_rounds=9 sweep_seconds=8 out=$scratch/sweep.new file=$scratch/sweep.data

	[ -z "$quick" ] || { sweep_rounds=3 sweep_seconds=1; }
	uncached=$("$bin/io" -u -b 512 -n 1 "$data" >/dev/null 2>&1 && echo yes)
	[ "$uncached" ] || note "not measured: RWF_DONTCACHE (needs Linux 6.14 and a file system that can)"
	: >"$scratch/sweep.tsv"
	file fill "$file" $((sweep_mib << 20)) && file first "$file" || die "cannot make $file"
	sleep 4
	printf '\nSize sweep: MiB/s of whole runs over %d MiB (starting up is in it); beside it speed over the page cache,\nwith quartiles; above 1 is faster. Direct is one request at a time.\n' "$sweep_mib"
	sweep sequence "read in sequence, cold" cold "-s" "$file"
	sweep random "read at random, cold" cold "-r" "$file"
	sweep warm "read in sequence, warm" warm "-s" "$file"
	sweep write "write a new file, fsync" cold "-s -c" "$out" "rm -f $out"
	sweep overwrite "overwrite, no fsync" cold "-s -w" "$file"
	rm -f "$out" "$file"
	printf '\nthresholds by the medians, direct against the page cache:\n'
	follows DIOSHIM_AUTO_READ random "cold reads at random"
	follows DIOSHIM_AUTO_WRITE write "writes with their fsync"
}
