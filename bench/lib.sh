# Sourced by bench/run and bench/auto: measuring, rows of the table, the scratch folder.

die() {
	echo "bench: $*" >&2
	exit 1
}

# Nothing of the user's settings reaches what is measured.
check_build() {
	local v

	[ -r "$lib" ] && [ -x "$dioshim" ] || die "$lib and $dioshim are needed: run make first"
	for v in $(compgen -e DIOSHIM_); do
		[ "$v" = DIOSHIM_BUILD ] || unset "$v"
	done
	unset LD_PRELOAD
	shim=LD_PRELOAD=$lib
}

build_helpers() {
	local here=$1 out=$2 src bin

	mkdir -p "$out"
	for src in "$here"/*.c; do
		bin=$out/$(basename "$src" .c)
		[ "$bin" -nt "$src" ] && continue
		"${CC:-cc}" -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -pthread \
			-o "$bin" "$src" || die "cannot compile $src"
	done
}

# A folder on a real file system, removed when the run ends, however it ends.
make_scratch() {
	local kind need=$1 have

	scratch=$(mktemp -d "${TMPDIR:-$DIOSHIM_BUILD}/dioshim-bench.XXXXXX") || exit 1
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	kind=$(file system "$scratch") ||
		die "$scratch is on $kind, which is memory: set TMPDIR to a folder on a real file system"
	have=$(df -Pk "$scratch" | awk 'NR == 2 { print $4 }')
	[ "$have" -gt "$need" ] || die "$scratch: $need KiB of room needed, $have KiB there"
	results=$scratch/results
	: >"$results"
}

# Runs file(1)'s namesake and the other helpers by their full names.
file() { "$bin/file" "$@"; }

# measure ARGUMENTS OF VERSUS: keeps its output for the rows that follow.
measure() {
	"$bin/versus" "$@" >"$scratch/out" || die "measuring failed: $*"
}

# row ID TEXT KIND COLUMN COMMAND UNIT [OP LIMIT]: a row out of the last measure.
row() {
	awk -v id="$1" -v text="$2" -v kind="$3" -v col="$4" -v cmd="$5" -v unit="$6" \
		-v op="${7-}" -v limit="${8-}" -v json="$results" -v first="$first_row" \
		-f "$here/row.awk" "$scratch/out"
	first_row=
}

# given ID TEXT FIGURE SUBJECT BASE UNIT [OP LIMIT]: a row without a spread, of
# the kind "diff": the figure is shown in the unit.
given() {
	awk -v id="$1" -v text="$2" -v kind=diff -v figure="$3" -v subject="$4" -v base="$5" \
		-v unit="$6" -v op="${7-}" -v limit="${8-}" -v json="$results" \
		-v first="$first_row" -f "$here/row.awk" </dev/null
	first_row=
}
first_row=1

json_number() { grep -o "\"$1\": *[0-9]*" "$2" | head -n 1 | grep -o '[0-9]*$'; }

# A library that does not load would be measured as no cost at all.
check_routing() {
	local said n

	said=$(env "$shim" true 2>&1)
	[ -z "$said" ] || die "$said"
	"$dioshim" run -o /dev/null --json "$scratch/check.json" -- "$bin/io" -r -n 8 "$data" &&
		n=$(json_number direct_requests "$scratch/check.json")
	[ "$n" = 8 ] || die "the shim made ${n:-no} direct requests of 8 aligned random reads of $data"
}

note() { printf '    %s\n' "$*"; }

heading() {
	echo
	printf '%-3s %-50s %11s  %-24s %12s %12s  %-12s %s\n' "" figure value \
		"quartiles" "shim" "base" target verdict
}

# Drops what the page cache holds of the files, all of it where we may.
cold_command() {
	if [ -w /proc/sys/vm/drop_caches ]; then
		echo "sync; echo 3 >/proc/sys/vm/drop_caches"
	else
		local f
		for f; do
			printf '%s drop %s; ' "$bin/file" "$f"
		done
	fi
}

# write_json FILE [NAME LIST]...: LIST is a file of objects, commas between them.
write_json() {
	local to=$1
	shift
	{
		printf '{\n  "machine": [\n'
		machine | tr -d '"\\' | awk '{ printf "%s    \"%s\"", (NR > 1 ? ",\n" : ""), $0 }'
		printf '\n  ],\n  "quick": %s' "$([ "$quick" ] && echo true || echo false)"
		while [ $# -gt 0 ]; do
			printf ',\n  "%s": [\n    ' "$1"
			cat "$2"
			printf '\n  ]'
			shift 2
		done
		printf '\n}\n'
	} >"$to" || die "cannot write $to"
}
