#!/usr/bin/env bash
# Other libraries preloaded beside the shim, in front of it and behind it:
# allocators, libeatmydata, nocache. Real programs, compared byte for byte.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/transcripts.sh"
need tar gzip
scratch

cat >"$SCRATCH/programs" <<'END'
set -e
cp text copied
cat text noise >joined
dd if=joined of=dd.out bs=10007 conv=fsync status=none
tar --sort=name --format=gnu --mtime=@0 -cf all.tar text noise joined
tar -xOf all.tar noise | cmp - noise
gzip -n -1 <all.tar >all.tar.gz
sort --parallel=2 -S 200K -T . -r text >sorted
sha256sum sorted all.tar.gz dd.out
split -b 70001 noise part.
cat part.* | cmp - noise
command -v xz >/dev/null && xz -T2 --block-size=64KiB -0 -k text && xz -dc -T2 text.xz | cmp - text
command -v sqlite3 >/dev/null && sqlite3 base.db 'pragma journal_mode=wal; create table t(a,b); begin;
	with recursive n(i) as (select 1 union all select i+1 from n where i<3000) insert into t select i, hex(i*i) from n;
	commit; pragma integrity_check; select count(*), sum(length(b)) from t; vacuum;'
python3 -I -S - <<'PY'
import hashlib, os, subprocess, threading
def work(k):
    path = f"thread{k}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    data = bytes((i * k) % 251 for i in range(9973))
    for n in range(60):
        os.pwrite(fd, data, n * 4999)
        assert os.pread(fd, 5000, n * 4999) == data[:5000]
    os.fsync(fd)
    os.close(fd)
threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
for t in threads: t.start()
for n in range(5):
    subprocess.run(["dd", "if=text", f"of=child{n}", "bs=64k", "status=none"], check=True)
for t in threads: t.join()
for k in range(1, 5): print(k, hashlib.sha256(open(f"thread{k}", "rb").read()).hexdigest())
PY
rm -f base.db-wal base.db-shm
END
lines "$SCRATCH/input/text" 400777
noise "$SCRATCH/input/noise" 300000

found() {	# NAME, in $library
	local folder
	for folder in /usr/lib/nocache "/usr/lib/$(uname -m)-linux-gnu" /usr/lib64 /usr/lib; do
		library=$(compgen -G "$folder/$1" | head -n 1)
		[ -z "$library" ] || return 0
	done
	return 1
}

# The shell starts the programs with the other library in its place.
front='LD_PRELOAD=$0${LD_PRELOAD:+:$LD_PRELOAD}; export LD_PRELOAD; exec "$@"'
behind='LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}$0; export LD_PRELOAD; exec "$@"'

beside() {	# NAME LIBRARIES
	local order
	for order in front behind; do
		same "$1, $order" -- sh -c "${!order}" "$2" sh "$SCRATCH/programs"
		is "$SAME_STATUS" 0 "$1, $order: exit status" || diag_file "$SCRATCH/shim.err"
		went_direct "$1, $order"
		# Forks beside threads stop nocache for good, without the shim too.
		case $1 in *malloc*) set -- "$1" "$2" forks_and_threads ;; *) set -- "$1" "$2" vforked ;; esac
		transcript "$1, $order: $3" -- sh -c "${!order}" "$2" "$PROGS/hz_process" "$3"
		transcript "$1, $order: constructors" -- sh -c "${!order}" "$2" "$PROGS/early"
		transcript "$1, $order: numbers" -- sh -c "${!order}" "$2" "$PROGS/fds" random 9 500
	done
}

all=
for name in libjemalloc.so.2 libmimalloc.so.2 libeatmydata.so nocache.so; do
	if found "$name"; then
		beside "$name" "$library"
		case $name in libmimalloc*) ;; *) all=$all:$library ;; esac
	else
		skip "$name" "not installed"
	fi
done
case $all in
*eatmydata*nocache*)
	same "three at once, front" -- sh -c "$front" "${all#:}" sh "$SCRATCH/programs"
	same "three at once, behind" -- sh -c "$behind" "${all#:}" sh "$SCRATCH/programs"
	;;
esac

done_testing
