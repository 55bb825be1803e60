#!/bin/bash
# dd: every block size with every flag that changes how it reads and writes.
. "$(dirname "$0")/../lib.sh"
need dd
scratch

# One file per variant, so that a difference names its variant.
cat >"$SCRATCH/input/variants" <<'END'
bs=$1
dd_() {
	out=$1
	shift
	dd status=noxfer bs=$bs of=$out "$@"
	echo "$out: $?"
}
keep() { cp old "$1"; }

case $2 in
input)
	dd_ plain if=a
	dd_ fullblock if=a iflag=fullblock
	dd_ skip if=a skip=3
	dd_ count if=a count=5
	dd_ skip_bytes if=a iflag=skip_bytes skip=513
	dd_ skip_page if=a iflag=skip_bytes skip=4096 count=4
	dd_ count_bytes if=a iflag=count_bytes count=600
	dd_ both_bytes if=a iflag=skip_bytes,count_bytes skip=511 count=7
	dd_ past_end if=a iflag=skip_bytes skip=99999999
	dd_ empty if=/dev/null
	cat a | dd_ from_pipe iflag=fullblock
	dd if=a bs=$bs status=noxfer | cat >to_pipe
	dd bs=$bs status=noxfer <a >redirected
	{ dd bs=$bs count=2 status=noxfer; dd bs=$bs count=1 status=noxfer; cat; } <a >shared_offset
	;;
output)
	keep append; dd_ append if=a oflag=append conv=notrunc
	keep notrunc; dd_ notrunc if=a conv=notrunc
	keep seek; dd_ seek if=a seek=3
	keep seek_notrunc; dd_ seek_notrunc if=a seek=3 conv=notrunc
	keep seek_bytes; dd_ seek_bytes if=a oflag=seek_bytes seek=513 conv=notrunc
	keep seek_page; dd_ seek_page if=a oflag=seek_bytes seek=4096 conv=notrunc
	keep cut; dd_ cut if=a count=0 seek=2
	dd_ past if=a oflag=seek_bytes seek=1000001
	keep over; dd_ over if=a count=3 seek=1 conv=notrunc
	keep nocreat; dd_ nocreat if=a conv=nocreat
	dd_ absent if=a conv=nocreat
	keep excl; dd_ excl if=a conv=excl
	;;
conv)
	dd_ fsync if=a conv=fsync
	dd_ fdatasync if=a conv=fdatasync
	dd_ sparse if=holes conv=sparse
	dd_ sync if=a conv=sync
	dd_ noerror if=a conv=noerror
	dd_ noerror_sync if=a conv=noerror,sync
	dd_ swab if=a conv=swab
	dd_ upper if=a conv=ucase
	keep inout; dd_ inout if=inout conv=notrunc seek=1 count=1
	;;
synced)
	dd_ dsync if=a oflag=dsync
	dd_ sync if=a oflag=sync
	;;
direct)
	dd_ idirect if=a iflag=direct
	dd_ odirect if=a oflag=direct
	dd_ both if=a iflag=direct oflag=direct
	keep dappend; dd_ dappend if=a oflag=direct conv=notrunc seek=1
	dd_ dskip if=a iflag=direct skip=2 count=3
	;;
sizes)
	dd status=noxfer if=a of=ibs ibs=1000 obs=4096
	dd status=noxfer if=a of=obs ibs=4096 obs=1000
	dd status=noxfer if=a of=odd ibs=4097 obs=511
	dd status=noxfer if=a of=block cbs=80 conv=block
	dd status=noxfer if=a of=unblock cbs=80 conv=unblock
	;;
esac
END

# Small blocks are a device round trip each.
prepare() {	# SIZE
	lines "$SCRATCH/input/a" "$1"
	noise "$SCRATCH/input/old" $(($1 + $1 / 3))
	lines "$SCRATCH/input/holes" 5000
	truncate -s "$1" "$SCRATCH/input/holes"
	truncate -s $((2 * $1)) "$SCRATCH/input/holes"
	seq 30 >>"$SCRATCH/input/holes"
}

for row in 1:700 511:100777 512:100777 4096:500777 100000:3000777 1M:7000777; do
	bs=${row%:*}
	prepare "${row#*:}"
	for group in input output conv; do
		same_direct "bs=$bs, $group" -- sh variants "$bs" $group
	done
done

prepare 50777
for bs in 511 4096 100000; do
	same_direct "bs=$bs, synced" -- sh variants $bs synced
done

# The program's own O_DIRECT, in requests that the kernel takes.
prepare 300777
for bs in 512 4096 1M; do
	same_direct "bs=$bs, direct" -- sh variants $bs direct
done
prepare 4194304
same_direct "bs=4096, direct, whole blocks" -- sh variants 4096 direct
prepare 100777
same_direct "ibs and obs differ" -- sh variants 1 sizes

# And in requests that it would refuse: the outcome is that without O_DIRECT.
for bs in 1 511 1000 4097 100000; do
	size=100777
	[ $bs != 1 ] || size=777
	lines "$SCRATCH/in" $size
	for flags in iflag=direct oflag=direct "iflag=direct oflag=direct"; do
		rm -f "$SCRATCH/out"
		# shellcheck disable=SC2086
		shim -- dd if="$SCRATCH/in" of="$SCRATCH/out" bs=$bs $flags status=none
		ok $? "bs=$bs $flags: not refused"
		cmp "$SCRATCH/in" "$SCRATCH/out"
		ok $? "bs=$bs $flags: the same bytes"
	done
done

prepare 3000777
for bs in 512 4096 100000 1M; do
	strace_direct "bs=$bs" -- dd if=a of=b bs=$bs count=20
done
rm -f "$SCRATCH/input/a"
noise "$SCRATCH/input/a" 8388608
strace_direct "reading bs=1M" -- dd if=a of=/dev/null bs=1M
if [ "$(stat -f -c %T "$SCRATCH")" = btrfs ]; then
	skip "writing bs=1M" "btrfs with checksums makes direct writes buffered"
else
	strace_direct "writing bs=1M" -- dd if=/dev/zero of=b bs=1M count=4
fi

done_testing
