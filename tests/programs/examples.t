#!/bin/bash
# The examples: what examples/README.md says of them holds, by the ledger.
. "$(dirname "$0")/../lib.sh"
scratch

ROOT=$(cd -P "$TESTS/.." && pwd)
STORE=$DIOSHIM_BUILD/examples/page_store
MISALIGNED=$DIOSHIM_BUILD/examples/misaligned
PAGE=4096

# What a script of the examples sees: the build, and room for its files.
script() {	# NAME ARGS...: status in $status, texts in out and err
	local name=$1
	shift
	DIOSHIM_BUILD=$DIOSHIM_BUILD timeout -k 5 60 "$ROOT/examples/$name" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" 8>&- 9>&-
	status=$?
}

said() {	# PATTERN NAME
	grep -qE -- "$1" "$SCRATCH/out"
	ok $? "$2" || { diag "   want: $1"; diag_file "$SCRATCH/out" 40; diag_file "$SCRATCH/err"; }
}

# The text report in one line: where it breaks lines does not matter.
report_text() { tr -s ' \n' ' ' <"$SHIM_REPORT"; }

# ---- page_store ----------------------------------------------------------------

store() {	# shim|plain [OPTION...] -- [OPTION...]: status in $status
	local how=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	$how "${options[@]}" -- "$STORE" --pages=512 --pool=128 --updates=1000 --seed=7 "$@" "$SCRATCH/store" \
		>"$SCRATCH/out" 2>"$SCRATCH/err"
	status=$?
}

digest() { sed -n 's/^all 32256 records verified, digest \([0-9a-f]*\)$/\1/p' "$SCRATCH/out"; }

pages() {	# read|written: by the program's own count
	sed -n "s/^\([0-9]*\) pages read, \([0-9]*\) written in [0-9]* calls\$/\1 \2/p" "$SCRATCH/out" |
		{ read -r read written; echo "${!1:-0}"; }
}

# Some disks take memory at multiples of 4: what malloc gives fits there.
takes_malloc() { [ "$mem_align" -le 16 ]; }
why_taken="malloc's memory is aligned enough for this disk"

# All of the program's pages, by its count and the ledger's; 99 in a hundred of them on one route.
went() {	# ROUTE NAME
	local bytes=$((($(pages read) + $(pages written)) * PAGE))
	is "$status $(digest)" "0 $want" "$2: the records are those of the plain run" || diag_file "$SCRATCH/err"
	is "$(json counters.read_bytes) $(json counters.written_bytes)" \
		"$(($(pages read) * PAGE)) $(($(pages written) * PAGE))" "$2: every page is in the ledger"
	if [ "$1" = bounced ] && takes_malloc; then
		skip "$2: bounced" "$why_taken"
		return
	fi
	ok "$([ "$(json "routes.$1.bytes")" -ge $((bytes * 99 / 100)) ]; echo $?)" \
		"$2: $(json "routes.$1.bytes") of $bytes bytes $1"
}

store plain -- --frames=malloc
want=$(digest)
is "$status ${#want}" "0 16" "page_store verifies its records" || diag_file "$SCRATCH/err"
is "$(stat -c %s "$SCRATCH/store")" $((512 * PAGE)) "and its file has all pages"
cp "$SCRATCH/store" "$SCRATCH/store.plain"

store shim -- --frames=malloc
mem_align=$(json 'files[0].mem_align')
went bounced "frames of malloc"
takes_malloc || is "$(json reasons.address.bytes)" "$(json routes.bounced.bytes)" "frames of malloc: the address is the reason"
cmp "$SCRATCH/store" "$SCRATCH/store.plain"
is $? 0 "frames of malloc: the file is the plain run's"

store shim -- --frames=aligned
went zero_copy "aligned frames"
is "$(json copies.made_bytes)" 0 "aligned frames: no copy"
cmp "$SCRATCH/store" "$SCRATCH/store.plain"
is $? 0 "aligned frames: the file is the plain run's"

store shim -- --frames=malloc --coalesce
went bounced "pwritev of malloc's frames"
store shim --backtrace 1 -- --frames=aligned --coalesce
went zero_copy "pwritev of aligned frames"
ok "$([ "$(json 'min(s.calls for s in sites if s.op == "write")')" -lt $(($(pages written) / 2)) ]; echo $?)" \
	"pwritev: neighbours go together: $(tail -n 2 "$SCRATCH/out" | head -n 1)"

store plain -- --frames=aligned --direct
is "$status $(digest)" "0 $want" "O_DIRECT of its own, aligned frames: as it should be"
store plain -- --frames=malloc --direct
if takes_malloc; then
	skip "O_DIRECT of its own, frames of malloc: EINVAL" "$why_taken"
else
	is "$status $(cat "$SCRATCH/err")" "1 page_store: pwrite of page 0: Invalid argument (memory at % 4096 = 16)" \
		"O_DIRECT of its own, frames of malloc: EINVAL"
fi
store shim -- --frames=malloc --direct
went bounced "rescued by the shim"
store shim -- --frames=aligned --direct
went zero_copy "O_DIRECT of its own under the shim"

$STORE --seed=8 --pages=512 --pool=128 --updates=1000 "$SCRATCH/store" >"$SCRATCH/out"
ok "$([ "$(digest)" != "$want" ]; echo $?)" "another seed, other records"
$STORE --frames=stack "$SCRATCH/store" 2>/dev/null
is $? 2 "a bad option: 2"

# ---- misaligned -----------------------------------------------------------------

misaligned() {	# shim|plain WORDS...: status in $status
	"$@" >"$SCRATCH/out" 2>"$SCRATCH/err"
	status=$?
}

fine="64 blocks written, read and compared"
refusals() {	# STATUS COUNT NAME
	is "$status $(cat "$SCRATCH/err" "$SCRATCH/out")" \
		"$1 misaligned: $2 writes failed, the first with: Invalid argument" "$3"
}

on_disk=$SCRATCH/blocks
misaligned plain -- "$MISALIGNED" "$on_disk"
refusals 1 65 "on a disk both mistakes show"
misaligned plain -- "$MISALIGNED" --buffer=aligned "$on_disk"
refusals 1 65 "with aligned memory the header still shifts everything"
misaligned plain -- "$MISALIGNED" --mended "$on_disk"
is "$status $(cat "$SCRATCH/out")" "0 $fine" "mended: no mistake"
misaligned shim --fail-on-misaligned -- "$MISALIGNED" "$on_disk"
is "$status $(head -n 1 "$SCRATCH/out")" "1 $fine" "under the shim it works, and the exit status tells"
is "$(json counters.misaligned_calls)" 129 "all 129 requests are misaligned"

misaligned shim --mode observe --backtrace 1 -- "$MISALIGNED" "$on_disk"
is "$(json counters.explained_calls)" 65 "observe: what the kernel refused is explained"
memory="address "
! takes_malloc || memory=
is "$(json 'sorted({" ".join(m.off) for m in misfits})')" "['${memory}length', '${memory}offset']" \
	"observe: by memory, by length (the header) and by offset"

# Where O_DIRECT takes everything, or is not taken at all, only strict finds it.
on_tmpfs=
for folder in /dev/shm /tmp /run; do
	if [ -w $folder ] && [ "$(stat -f -c %T $folder)" = tmpfs ]; then
		on_tmpfs=$(mktemp $folder/dioshim-test.XXXXXX)
		at_exit 'rm -f "$on_tmpfs"'
		break
	fi
done
if [ -n "$on_tmpfs" ]; then
	misaligned plain -- "$MISALIGNED" "$on_tmpfs"
	is "$status $(cat "$SCRATCH/out")" "0 $fine" "on tmpfs nothing is wrong"
fi
for file in "$on_disk" $on_tmpfs; do
	kind=$(stat -f -c %T "${file%/*}")
	misaligned shim --mode strict=512 --exclude : --fail-on-misaligned -- "$MISALIGNED" "$file"
	is "$status $(json counters.refused_calls) $(json len\(misfits\))" "1 65 65" "$kind: strict finds the mistakes"
	ok "$(report_text | grep -q 'EINVAL: write of .* % 512 = 16, offset 64 (% 512 = 64), length 4096; refused by mode strict'; echo $?)" \
		"$kind: and says by how much" || diag_file "$SHIM_REPORT" 60
	misaligned shim --mode strict --exclude : --fail-on-misaligned -- "$MISALIGNED" --mended "$file"
	is "$status $(cat "$SCRATCH/out")" "0 $fine" "$kind: mended, strict has no complaint"
	misaligned shim --mode strict=512 --exclude : --fail-on-misaligned -- "$MISALIGNED" --buffer=aligned --header=512 "$file"
	is "$status" 0 "$kind: a header of 512 is well where sectors have 512 bytes"
	misaligned shim --mode strict=4096 --exclude : --fail-on-misaligned -- "$MISALIGNED" --buffer=aligned --header=512 "$file"
	is "$status $(json counters.refused_calls)" "1 65" "$kind: but not where they have 4096"
	misaligned shim --mode strict=4096 --exclude : --fail-on-misaligned -- "$MISALIGNED" --mended "$file"
	is "$status" 0 "$kind: mended, that is well too"
done
[ -n "$on_tmpfs" ] || skip "tmpfs" "there is none to write to"
shim --explain -- "$MISALIGNED" "$on_disk" >/dev/null
ok "$(report_text | grep -q 'advice: write at multiples of 4096'; echo $?)" \
	"--explain gives the advice that mends it" || diag_file "$SHIM_REPORT" 60

# ---- backup.sh ------------------------------------------------------------------

mkdir "$SCRATCH/tree"
for i in 1 2 3 4 5 6 7 8; do
	noise "$SCRATCH/tree/$i" $((i * 300001))
done
settle "$SCRATCH/tree"
for tool in tar rsync; do
	if ! command -v $tool >/dev/null || ! command -v fincore >/dev/null; then
		skip "backup.sh with $tool" "$tool or fincore is not installed"
		continue
	fi
	option=; [ $tool = tar ] || option=--rsync
	for file in "$SCRATCH"/tree/*; do
		dd if="$file" iflag=nocache count=0 status=none
	done
	script backup.sh $option "$SCRATCH/tree"
	is "$status $(cat "$SCRATCH/err")" "0 " "backup.sh with $tool: both backups are equal"
	read -r plain shim < <(sed -n 's/^The backups are equal. Left behind: \([0-9]*\) pages plain, \([0-9-]*\) by dioshim.$/\1 \2/p' "$SCRATCH/out")
	ok "$([ "${plain:-0}" -ge 5000 ] && [ "${shim:-$plain}" -lt $((plain / 50)) ]; echo $?)" \
		"$tool leaves ${plain:-no} pages plain, ${shim:-no} under the shim" || diag_file "$SCRATCH/out"
done
if command -v fincore >/dev/null; then
	BACKUP_MIB=4 script backup.sh
	is "$status" 0 "backup.sh makes data of its own"
	said '^  before +0 +0$' "which is not in the page cache"
	script backup.sh "$SCRATCH/none"
	is "$status" 1 "no such folder: 1"
fi
is "$(find "$SCRATCH/tmp" -mindepth 1)" "" "nothing is left of it"

# ---- should_i_port.sh -------------------------------------------------------------

verdict() {	# PATTERN COMMAND...
	local pattern=$1
	shift
	script should_i_port.sh "$@"
	ok "$([[ $status = 0 && $(tail -n 1 "$SCRATCH/out") =~ ^"O_DIRECT: "$pattern ]]; echo $?)" "verdict on ${1:-sqlite3}: $pattern" ||
		{ diag_file "$SCRATCH/out" 40; diag_file "$SCRATCH/err"; }
}

noise "$SCRATCH/data" 16777216
verdict "yes, as it is: .* 100 %" dd if="$SCRATCH/data" of="$SCRATCH/copy" bs=1M status=none
verdict "only with another layout" dd if="$SCRATCH/data" of="$SCRATCH/copy" bs=100000 status=none
said 'advice: write in multiples of 4096 bytes' "with the advice"
verdict "no: 50 % .* cannot be direct" dd if="$SCRATCH/data" of="$SCRATCH/copy" bs=1M oflag=append conv=notrunc status=none
verdict "no: 75 % .* read before" sh -c 'for i in 1 2 3 4; do cat "$1"; done >/dev/null' sh "$SCRATCH/data"
verdict "no: .* too little" head -c 5000 "$SCRATCH/data"
verdict "(cannot be told: it lets the kernel copy|yes, as it is)" cp "$SCRATCH/data" "$SCRATCH/copy"
verdict "cannot be told: 9[0-9] %" sh -c 'seq 300000 >"$1"' sh "$SCRATCH/copy"
verdict "yes, with aligned memory: 99 %" "$PYTHON" -I -S -c '
import mmap, os, sys
m = memoryview(mmap.mmap(-1, 1 << 21))
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(16):
    os.preadv(fd, [m[2:2 + (1 << 20)]], i << 20)' "$SCRATCH/data"
script should_i_port.sh sh -c 'exit 7'
is "$status" 7 "the status is the command's"
script should_i_port.sh ./no-such-command
is "$status" 127 "a command that is not there: 127"
if command -v sqlite3 >/dev/null; then
	verdict "no, not with requests of [0-9]+ bytes"
	said '^ +[0-9.]+ % .*  zero-copy after aligning memory only$' "sqlite3: the classes are shown"
	takes_malloc || said 'advice: allocate the buffer with aligned_alloc' "sqlite3: and what would help"
else
	skip "sqlite3" "sqlite3 is not installed"
fi
is "$(find "$SCRATCH/tmp" -mindepth 1)" "" "nothing is left of it"

done_testing
