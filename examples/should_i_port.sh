#!/bin/bash
# Would O_DIRECT pay for this program? Runs it in mode observe, in which nothing
# is changed, and judges what it asked for by the thresholds below.
#
#   examples/should_i_port.sh [COMMAND...]     without one: sqlite3 making a table
#
# Exit status: the command's. DIOSHIM_BUILD: the folder with dioshim.

set -u
export LC_ALL=C

# The verdict is the first that holds. Rules of thumb, not measurements: what comes
# out as "yes" deserves `dioshim compare --cold`.
UNSEEN=50		# % of the bytes not seen, or never in the program's hands: nothing can be said
LITTLE=1048576		# bytes of file I/O: not worth anybody's time
NEVER=50		# % that cannot be direct, whatever is done
AGAIN=50		# % of the bytes read that had been read before: the cache is at work
SMALL=16384		# bytes in a request, on average: each would wait for the device
MOST=90			# % that have to become zero-copy by a step, to recommend it

HERE=$(cd -P "$(dirname "$0")" && pwd)
BUILD=$(cd -P "${DIOSHIM_BUILD:-$HERE/../build}" && pwd) || exit 1
DIOSHIM=$BUILD/dioshim

give_up() { printf 'should_i_port: %s\n' "$*" >&2; exit 125; }
[ -x "$DIOSHIM" ] || give_up "no dioshim in $BUILD: run make"

scratch=$(mktemp -d "${TMPDIR:-$BUILD}/dioshim-port.XXXXXX") || exit 125
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- figures -----------------------------------------------------------------

# The report as lines: routes.cached.calls 1301
flat() {	# JSON
	awk '{
		depth = int((match($0, /[^ ]/) - 1) / 2)
		line = $0
		sub(/^ *(\{ *)?/, "", line)
		if (match(line, /^"[a-z_]+": /)) {
			key[depth] = substr(line, 2, RLENGTH - 4)
			value = substr(line, RLENGTH + 1)
			sub(/,$/, "", value)
			name = key[1]
			for (i = 2; i <= depth; i++)
				if (key[i] != "")
					name = name "." key[i]
			if (value !~ /^[\[{]/)
				print name, value
		} else {
			key[depth] = ""		# an element of a list
		}
		for (i = depth + 1; i < 9; i++)
			key[i] = ""
	}' "$1"
}

figure() { sed -n "s/^$1 //p" "$scratch/flat" | head -n 1; }

# Of every file, what was read beyond its size has been read before.
read_again() {
	local name value path= size sum=0
	while read -r name value; do
		case $name in
		files.path)
			path=${value#\"} path=${path%\"} ;;
		files.read_bytes)
			size=$(stat -c %s -- "$path" 2>/dev/null) || continue
			[ "$value" -le "$size" ] || sum=$((sum + value - size)) ;;
		esac
	done <"$scratch/flat"
	echo $sum
}

share() { echo $(($2 ? $1 * 100 / $2 : 0)); }

verdict() {
	local as_is=$(figure classes.as_is) memory=$(figure classes.memory)
	local offsets=$(figure classes.offsets) never=$(figure classes.never)
	local all=$((as_is + memory + offsets + never)) calls=$(figure routes.cached.calls)
	local unseen=$(figure witness.unseen_bytes) seen=$(figure witness.seen_bytes)
	local read=$(figure counters.read_bytes) in_kernel=$(figure routes.in_kernel.bytes) again mean
	again=$(share "$(read_again)" "$read")
	mean=$((calls ? all / calls : 0))

	if [ "$(share "$unseen" $((seen + unseen)))" -ge $UNSEEN ]; then
		echo "cannot be told: $(share "$unseen" $((seen + unseen))) % of the bytes went through stdio, or past the shim"
	elif [ "$(share "$in_kernel" $((all + in_kernel)))" -ge $UNSEEN ]; then
		echo "cannot be told: it lets the kernel copy from file to file; try dioshim compare"
	elif [ $all -lt $LITTLE ]; then
		echo "no: $all bytes of file I/O are too little to matter"
	elif [ "$(share "$never" $all)" -ge $NEVER ]; then
		echo "no: $(share "$never" $all) % of the bytes cannot be direct, whatever you align"
	elif [ "$again" -ge $AGAIN ]; then
		echo "no: $again % of what it reads it has read before, and the page cache had it"
	elif [ $mean -lt $SMALL ]; then
		echo "no, not with requests of $mean bytes: each would wait for the device; gather them first"
	elif [ "$(share "$as_is" $all)" -ge $MOST ]; then
		echo "yes, as it is: open with O_DIRECT, $(share "$as_is" $all) % of the bytes fit"
	elif [ "$(share $((as_is + memory)) $all)" -ge $MOST ]; then
		echo "yes, with aligned memory: $(share $((as_is + memory)) $all) % of the bytes fit then"
	elif [ "$(share $((all - never)) $all)" -ge $MOST ]; then
		echo "only with another layout: $(share "$offsets" $all) % of the bytes need other offsets or lengths"
	else
		echo "in part: $(share "$never" $all) % of the bytes cannot be direct"
	fi
}

# ---- the command ---------------------------------------------------------------

if [ $# = 0 ]; then
	command -v sqlite3 >/dev/null || give_up "sqlite3 is not installed: name a command"
	cat >"$scratch/table.sql" <<'SQL'
CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, n INTEGER);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40000)
INSERT INTO t SELECT i, printf('row %d of the table, %x', i, i * 7919), i * 7919 % 100003 FROM c;
CREATE INDEX t_n ON t (n);
UPDATE t SET v = v || '!' WHERE k % 7 = 0;
SELECT count(*), sum(n), sum(length(v)) FROM t;
SQL
	set -- sqlite3 -init "$scratch/table.sql" "$scratch/table.db" .quit
fi

"$DIOSHIM" run --mode=observe --explain -o "$scratch/report" --json "$scratch/json" -- "$@"
status=$?
[ -s "$scratch/json" ] || exit $status
flat "$scratch/json" >"$scratch/flat"

printf '\n'
sed -n '/^  what these bytes are/,/^$/p' "$scratch/report"
# Of the call sites, those with something to gain.
awk 'BEGIN { RS = "" } /\n *advice: / && !/advice: nothing/ { print $0 "\n" }' "$scratch/report"
printf 'O_DIRECT: %s\n' "$(verdict)"
exit $status
