#!/bin/bash
# Unmodified programs under the shim, on a real file, beside plain runs.
#
#   make demo              or: DIOSHIM_BUILD=build examples/demo.sh
#   DEMO_MIB=32 make demo  a smaller file than 256 MiB
#   DIOSHIM=/usr/bin/dioshim examples/demo.sh      one that is installed
#
# Needs coreutils; python3, sqlite3 and fincore (util-linux) take part where
# they are there. Exit status 0: every result was the plain program's, and
# every ledger closed.

set -u
export LC_ALL=C

HERE=$(cd -P "$(dirname "$0")" && pwd)
BUILD=${DIOSHIM_BUILD:-$HERE/../build}
DIOSHIM=$(realpath -m "${DIOSHIM:-$BUILD/dioshim}")
MIB=${DEMO_MIB:-256}
SIZE=$((MIB * 1048576 + 1234))	# the last block is only partly data

bad=0			# results that differ, ledgers that do not close
runs=0 compared=0	# programs run; bytes compared
buffered=0 saved=0	# bytes a buffered run copies; of them not copied here
left_plain=0 left_shim=0	# bytes left in the page cache
scratch=

say() { printf '%s\n' "$*"; }
give_up() { say "demo: $*" >&2; exit 1; }
clean_up() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# 1234567890 -> 1177.4 MiB
mib() {
	local tenths=$(($1 * 10 / 1048576))
	if [ "$1" -lt 1048576 ]; then
		printf '%d KiB' $((($1 + 1023) / 1024))
	else
		printf '%d.%d MiB' $((tenths / 10)) $((tenths % 10))
	fi
}

# ---- a folder whose files the shim routes ----------------------------------

direct_folder() {	# FOLDER: writes below it can be O_DIRECT, and it is not excluded
	local kind probe status
	kind=$(stat -f -c %T "$1" 2>/dev/null) || return 1
	case $kind in
	tmpfs | ramfs | fuse*)
		say "demo: $1 is $kind, no disk: looking elsewhere" >&2
		return 1 ;;
	esac
	case $1/ in
	/usr/* | /lib* | /bin/* | /sbin/* | /etc/* | /proc/* | /sys/* | /dev/* | /run/* | /boot/*)
		say "demo: $1 is a system folder, which the shim leaves alone: looking elsewhere" >&2
		return 1 ;;
	esac
	probe=$(mktemp "$1/dioshim-demo.XXXXXX" 2>/dev/null) || return 1
	dd if=/dev/zero of="$probe" bs=4096 count=1 oflag=direct status=none 2>/dev/null
	status=$?
	rm -f "$probe"
	[ $status = 0 ] || say "demo: no direct I/O in $1 ($kind): looking elsewhere" >&2
	return $status
}

make_scratch() {
	local folder
	for folder in "${TMPDIR:-$BUILD}" "$BUILD" /var/tmp "${HOME:-/root}"; do
		folder=$(cd -P "$folder" 2>/dev/null && pwd) || continue
		direct_folder "$folder" || continue
		if [ "$(df -k --output=avail "$folder" | tail -n 1)" -lt $((MIB * 4096)) ]; then
			say "demo: less than $((MIB * 4)) MiB free in $folder: looking elsewhere" >&2
			continue
		fi
		scratch=$(mktemp -d "$folder/dioshim-demo.XXXXXX") && return
	done
	give_up "no folder on a real file system with $((MIB * 4)) MiB free: set TMPDIR"
}

# Real data: the machine's own programs and libraries, as often as it takes.
make_input() {
	local i
	for i in {1..1000}; do
		cat /usr/bin/* /usr/lib/gcc/*/*/* /usr/lib/*/* 2>/dev/null
		[ $? != 141 ] || break	# the reader has enough
	done | head -c "$SIZE" >input
	[ "$(stat -c %s input)" = "$SIZE" ] || give_up "could not make the input file"
}

# ---- the page cache --------------------------------------------------------

fincore=$(PATH=$PATH:/usr/sbin:/sbin command -v fincore)

evict() {	# FILE...: on disk, and out of the page cache
	local file
	for file; do
		sync -d "$file"
		dd if="$file" iflag=nocache count=0 status=none
	done
}

resident() {	# FILE...: their bytes in the page cache
	local sum=0 n
	if [ -n "$fincore" ]; then
		for n in $("$fincore" --bytes --noheadings --output RES "$@"); do
			sum=$((sum + n))
		done
	fi
	echo $sum
}

# ---- one program, plain and under the shim ---------------------------------

figure() {	# NAME: from the JSON report, where it stands first
	local name value
	while read -r name value; do
		[ "$name" = "\"$1\":" ] || continue
		echo "${value%,}"
		return
	done <report.json
	echo 0
}

equal() {	# FILE FILE
	if command -v cmp >/dev/null; then
		cmp "$1" "$2"
	else
		[ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ] || { say "  $1 $2 differ"; false; }
	fi
}

# The command runs in a folder of its own and reads ../input.
both() {	# COMMAND...
	local files file wrong=0 status_plain status_shim now cache
	say
	say "==== $* ===="
	rm -rf plain shim
	mkdir plain shim

	evict input
	(cd plain && "$@" >../plain.stdout 2>../plain.stderr)
	status_plain=$?
	files=(plain/*)
	sync -d "${files[@]}"
	now=$(resident input "${files[@]}")
	cache="$(mib "$now") after the plain run"
	left_plain=$((left_plain + now))
	evict input "${files[@]}"

	(cd shim && "$DIOSHIM" run -o ../report.txt --json ../report.json -- "$@" \
		>../shim.stdout 2>../shim.stderr)
	status_shim=$?
	files=(shim/*)
	sync -d "${files[@]}"
	now=$(resident input "${files[@]}")
	left_shim=$((left_shim + now))
	cat report.txt
	say
	[ -z "$fincore" ] || say "  left in the page cache: $cache, $(mib "$now") after this one"

	if [ "$status_plain $status_shim" != "0 0" ]; then
		say "  EXIT STATUS: plain $status_plain, under the shim $status_shim"
		cat plain.stderr shim.stderr
		wrong=1
	fi
	equal plain.stdout shim.stdout || wrong=1
	equal plain.stderr shim.stderr || wrong=1
	if [ "$(cd plain && echo *)" != "$(cd shim && echo *)" ]; then
		say "  OTHER FILES: $(ls plain shim)"
		wrong=1
	fi
	for file in "${files[@]##*/}"; do
		equal "plain/$file" "shim/$file" || wrong=1
		compared=$((compared + $(stat -c %s "shim/$file")))
	done
	[ "$(figure closes)" = true ] || { say "  THE LEDGER DOES NOT CLOSE"; wrong=1; }
	if [ $wrong = 0 ]; then
		say "  as without the shim: exit status, output, and every file byte for byte; the ledger closes"
	else
		bad=$((bad + 1))
	fi
	runs=$((runs + 1))
	buffered=$((buffered + $(figure buffered_bytes)))
	saved=$((saved + $(figure saved_bytes)))
}

# ---- what is run -----------------------------------------------------------

[ -x "$DIOSHIM" ] || give_up "no $DIOSHIM: run make"
for name in ${!DIOSHIM_@} LD_PRELOAD; do
	unset "$name"
done
make_scratch
cd "$scratch" || exit 1
say "demo: $MIB MiB of this machine's programs in $scratch"
[ -n "$fincore" ] || say "demo: no fincore (util-linux) here: the page cache is not looked at"
make_input

both dd if=../input of=copy bs=1M status=none
both dd if=../input of=copy bs=100000 status=none
both cp ../input copy

cat >hash.py <<'PYTHON'
import hashlib, os, shutil

digest = hashlib.sha256()
with open("../input", "rb", buffering=0) as f:
    while block := f.read(1000003):
        digest.update(block)
print("sha256", digest.hexdigest())
fd = os.open("../input", os.O_RDONLY)
print("pread", hashlib.sha256(os.pread(fd, 123457, 4097)).hexdigest())
os.close(fd)
shutil.copyfile("../input", "copy")
PYTHON
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3)
if [ -n "$python" ]; then
	both "$python" ../hash.py
else
	say "demo: no python3 here: left out"
fi

cat >table.sql <<'SQL'
CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, n INTEGER);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40000)
INSERT INTO t SELECT i, printf('row %d of the table, %x', i, i * 7919), i * 7919 % 100003 FROM c;
CREATE INDEX t_n ON t (n);
UPDATE t SET v = v || '!' WHERE k % 7 = 0;
DELETE FROM t WHERE k % 11 = 0;
SELECT count(*), sum(n), sum(length(v)) FROM t;
PRAGMA integrity_check;
SQL
if command -v sqlite3 >/dev/null; then
	both sqlite3 -init ../table.sql table.db .quit
else
	say "demo: no sqlite3 here: left out"
fi

say
if [ $bad != 0 ]; then
	say "demo: $bad of $runs runs did NOT come out as without the shim."
	exit 1
fi
say "All $runs runs gave what the plain programs gave: $(mib $compared) compared byte for byte, every ledger closes."
left=
if [ -n "$fincore" ]; then
	left="; left in the page cache: $(mib $left_plain) plain, $(mib $left_shim) under the shim"
fi
say "Of $(mib $buffered) that plain runs copy through the page cache, $(mib $saved) ($((saved * 100 / buffered)) %) were not copied$left."
