# What runs inside the virtual machine, by its busybox: results, as TAP without
# numbers, go to /results/tap, and every ledger to /results/NAME.json. The host
# checks the ledgers. The host's settings stand in /t/settings.

. /t/settings
TAP=/results/tap
RUN_LIMIT=${RUN_LIMIT:-60}	# seconds a command may take

ok() {	# STATUS NAME
	if [ "$1" = 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
	fi | tee -a $TAP
	return "$1"
}

remark() {
	echo "# $*" | tee -a $TAP
}

remarks() {	# FILE [LINES]
	head -n "${2:-10}" "$1" | sed 's/^#* */#     /' | tee -a $TAP
}

uptime_seconds() {
	cut -d . -f 1 /proc/uptime
}

# A command under the shim; its ledger is looked at by the host.
shim() {	# NAME [OPTIONS] -- CMD...
	local name=$1
	shift
	timeout -s KILL "$RUN_LIMIT" dioshim run -o /dev/null --json "/results/$name.json" "$@" 2>/tmp/err
}

# ---- programs, byte for byte --------------------------------------------------------

SIZES="0 1 511 512 4095 4097 65537 1048576 3000001"

# Numbered lines, over again after 348,894 bytes: no block is like another.
make_originals() {
	local size numbers=/tmp/numbers
	mkdir -p /tmp/in
	seq 1 60000 >$numbers
	for size in $SIZES; do
		cat $numbers $numbers $numbers $numbers $numbers $numbers $numbers $numbers $numbers |
			head -c "$size" >/tmp/in/$size
	done
	rm $numbers
}

# Of what is on the disk, past everything that the page cache knows.
equal() {	# PREFIX NAME
	local size wrong=0
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for size in $SIZES; do
		cmp "/tmp/in/$size" "$1$size" >>/tmp/differ 2>&1 || wrong=1
	done
	ok $wrong "$2: the same bytes" || remarks /tmp/differ
	rm -f /tmp/differ
}

each() {	# COMMANDS, of which $size is one
	echo "for size in $SIZES; do $1 || exit 1; done"
}

smoke() {	# KIND
	local kind=$1 folder=/disks/$1
	mkdir "$folder/cp"
	busybox cp /tmp/in/* "$folder/"
	equal "$folder/" "$kind: the originals"
	# Else it shares extents where it can, and nothing is copied.
	shim $kind.cp -- cp --reflink=never "$folder"/[0-9]* "$folder/cp/"
	ok $? "$kind: cp" || remarks /tmp/err
	equal "$folder/cp/" "$kind: cp"
	shim $kind.dd -- dash -c "$(each "dd status=none bs=10000 if=$folder/\$size of=$folder/dd.\$size")"
	ok $? "$kind: dd" || remarks /tmp/err
	equal "$folder/dd." "$kind: dd"
	shim $kind.cat -- dash -c "$(each "cat < $folder/\$size | cat > $folder/cat.\$size")"
	ok $? "$kind: cat" || remarks /tmp/err
	equal "$folder/cat." "$kind: cat"
	shim $kind.cmp -- dash -c "$(each "cmp $folder/\$size $folder/cat.\$size")"
	ok $? "$kind: cmp finds no difference" || remarks /tmp/err
	printf x | dd of=$folder/cat.3000001 bs=1 seek=3000000 conv=notrunc status=none
	! shim $kind.differ -- cmp $folder/3000001 $folder/cat.3000001 >/tmp/out &&
		grep -q "3000001," /tmp/out
	ok $? "$kind: cmp finds the last byte" || remarks /tmp/err
	rm -r "$folder/cp" "$folder"/*[0-9]
}

# ---- ctime in ticks --------------------------------------------------------------------

# Is this a kernel from the one named on?
since() {	# VERSION
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" = "$1" ]
}

# Where ctime is not what it is taken for, the race below would test nothing.
granularity() {	# KIND
	local said
	said=$(vm_ticks count /disks/$1/count 2000)
	if since 6.13; then
		[ "${said%% *}" = 0 ]
		ok $? "$1: ctime shows every change here: $said"
	else
		[ "${said%% *}" -gt 200 ]
		ok $? "$1: ctime moves in ticks here: $said"
	fi
}

# The writer is plain, the reader's ledger of this file alone. With streams that
# do not ask for the file's age, ext4 and xfs show something stale within
# seconds; btrfs does not, where reading what was just written takes longer
# than a tick.
race() {	# KIND AGE SECONDS
	local file=/disks/$1/race name="$1: streams that begin after $2 ms" writer
	rm -f "$file" /tmp/board
	vm_ticks write "$file" /tmp/board "$3" "$2" >/tmp/wrote 2>&1 &
	writer=$!
	shim "stream.race.$1" --stream-age="$2" -- vm_ticks read "$file" /tmp/board >/tmp/out
	ok $? "$name: nothing is older than announced" || remarks /tmp/err
	wait $writer
	ok $? "$name: the writer came to its end"
	grep -q "[1-9][0-9]* times something new" /tmp/out
	ok $? "$name: the reader saw what was written"
	remark "$1: $(cat /tmp/wrote /tmp/out | tr '\n' ';')"
	rm -f "$file"
}

# The staleness machine, tests/machines/stale.t: writers of every kind.
stale() {	# KIND AGE MILLISECONDS
	local folder=/disks/$1/stale
	mkdir "$folder"
	shim "stream.stale.$1.$2" --stream-age="$2" -- /t/stale "$folder" $SEED "$3" "$2" >/tmp/out
	ok $? "$1: the staleness machine, age $2 ms, seed $SEED" || { remarks /tmp/out 20; remarks /tmp/err; }
	remark "$1: $(head -n 1 /tmp/out)"
	rm -rf "$folder"
}

# ---- unit tests ------------------------------------------------------------------------

# Each in its own minute, with TMPDIR on a file system that does direct I/O.
unit() {	# NAME
	local status started
	started=$(uptime_seconds)
	mkdir -p /disks/ext4/tmp
	(cd /disks/ext4/tmp && TMPDIR=/disks/ext4/tmp timeout -s KILL "$RUN_LIMIT" "$1" >/results/$1.out 2>/results/$1.err)
	status=$?
	ok $status "$1: $(grep -c '^ok' /results/$1.out) passed, $(($(uptime_seconds) - started)) s" && return
	grep '^not ok' /results/$1.out | sed 's/^/# /' | tee -a $TAP
	remarks /results/$1.err
}

# ---- all of it -------------------------------------------------------------------------

smokes() {
	local kind
	make_originals
	for kind in $KINDS; do
		smoke $kind
		save
	done
}

races() {
	local kind
	for kind in $KINDS; do
		granularity $kind
		race $kind 20 $SECONDS_EACH
		stale $kind 30 5000
		save
	done
	stale ext4 3000 11000
}

units() {
	local unit
	for unit in $UNITS; do
		unit $unit
		save
	done
}

KINDS=$(ls /disks)
remark "Linux $(uname -r), clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
for part in $PARTS; do
	started=$(uptime_seconds)
	$part
	remark "$part: $(($(uptime_seconds) - started)) s"
done
echo done >/results/finished
