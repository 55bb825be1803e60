# Sourced by bench/run: one function per letter of the table.

# unrouted ID TEXT ARGUMENTS OF calls: plain is the base.
unrouted() {
	local id=$1 text=$2
	shift 2
	measure -c -n 3000 -t "$(seconds 6)" "$bin/calls" "$@" ::: "$shim" "$bin/calls" "$@"
	row "$id" "$text, over plain" diff 0 1 ns "<=" 15
}

# a: a call on a descriptor that is no file.
figure_a() {
	unrouted a1 "read 1 byte of /dev/zero" zero 5000
	unrouted a2 "write 1 byte to /dev/null" null 5000
	unrouted a3 "1 byte through a pipe, per call" pipe 5000
	unrouted a4 "read 1 byte of /dev/zero, two threads" zero 5000 threads
}

# Against native O_DIRECT without streams: what a request costs by itself. The
# stick has them.
alone=DIOSHIM_STREAM=0

# native_shim BURST SECONDS "OPTIONS" FILE ["MORE FOR THE SHIM"]: native O_DIRECT
# is the base. All on one CPU: half the spread, the same medians.
native_shim() {
	measure -c -n 2000 -t "$(seconds "$2")" "$bin/io" -d -k "$1" $3 "$4" \
		::: "$shim" $alone "$bin/io" -k "$1" $3 ${5-} "$4"
}

# b: aligned small requests, time.
figure_b() {
	native_shim 64 14 "-r -b 4096" "$data"
	row b1 "pread 4 KiB random, time" ratio 0 1 us "<=" 1.05
	native_shim 64 6 "-r -w -b 4096" "$overwritten"
	row b2 "pwrite 4 KiB random, time" ratio 0 1 us
	native_shim 64 5 "-r -b 16384" "$data"
	row b3 "pread 16 KiB random, time" ratio 0 1 us
}

# c: aligned large requests, throughput.
figure_c() {
	native_shim 8 9 "-b 1048576" "$data"
	row c1 "pread 1 MiB sequential, throughput" inverse 0 1 MiB/s:1048576 ">=" 0.98
	native_shim 8 6 "-w -b 1048576" "$overwritten"
	row c2 "pwrite 1 MiB sequential, throughput" inverse 0 1 MiB/s:1048576 ">=" 0.98
}

# d: misaligned requests, throughput; the base is native O_DIRECT with aligned ones.
figure_d() {
	local mib1=MiB/s:1048576 mib8=MiB/s:8388608

	native_shim 8 7 "-b 1048576" "$data" "-m 13"
	row d1 "pread 1 MiB, memory +13, throughput" inverse 0 1 $mib1 ">=" 0.85
	native_shim 8 7 "-b 1048576" "$data" "-m 64"
	row d2 "pread 1 MiB, memory +64, throughput" inverse 0 1 $mib1 ">=" 0.85
	native_shim 2 7 "-b 8388608" "$data" "-m 13"
	row d3 "pread 8 MiB, memory +13, throughput" inverse 0 1 $mib8 ">=" 0.92
	native_shim 2 7 "-b 8388608" "$data" "-m 64"
	row d4 "pread 8 MiB, memory +64, throughput" inverse 0 1 $mib8 ">=" 0.92
	native_shim 8 4 "-b 1048576" "$data" "-o 100"
	row d5 "pread 1 MiB, offset +100, throughput" inverse 0 1 $mib1
	native_shim 8 4 "-b 1048576" "$data" "-o 100 -m 100"
	row d6 "pread 1 MiB, memory and offset +100, throughput" inverse 0 1 $mib1
	native_shim 64 4 "-r -b 4096" "$data" "-m 13"
	row d7 "pread 4 KiB random, memory +13, throughput" inverse 0 1 MiB/s:4096
	native_shim 8 5 "-w -b 1048576" "$overwritten" "-m 13"
	row d8 "pwrite 1 MiB, memory +13, throughput" inverse 0 1 $mib1
	native_shim 8 5 "-w -b 1048576" "$overwritten" "-o 100"
	row d9 "pwrite 1 MiB, offset +100, throughput" inverse 0 1 $mib1
}

# prepare_for FILE COMMAND: before each whole run: COMMAND, cold caches, and the
# programs themselves warm again (dropping the caches has dropped them too).
prepare_for() {
	cat >"$scratch/prepare" <<-END
		$2
		$(cold_command "$1")
		cp $scratch/small $scratch/small2
		$dioshim run -o /dev/null -- cp $scratch/small $scratch/small2
		dd if=$scratch/small of=$scratch/small2 status=none
	END
}

# e: cp of a cold file and sync of the target; plain is the base.
figure_e() {
	local plain="cp $data $target && sync $target" made copied

	prepare_for "$data" "rm -f $target; sync -f $scratch"
	measure -1 -w 1 -n 15 -t "$(seconds 40)" -p "sh $scratch/prepare" sh -c "$plain" \
		::: sh -c "$dioshim run -o /dev/null -- $plain"
	row e1 "cp of a cold $mib MiB file and sync, speed" inverse 0 1 s ">=" 1.0
	row e2 "the same, CPU time" ratio 1 1 s
	"$dioshim" run -o /dev/null --json "$scratch/cp.json" -- cp "$data" "$target"
	cmp -s "$data" "$target" || die "cp under the shim: the copy differs"
	made=$(json_number made_bytes "$scratch/cp.json")
	copied=$(json_number copied_bytes "$scratch/cp.json")
	given e3 "CPU copies in the ledger of that cp" "$made" "$copied" "" bytes "<=" 4096
	rm -f "$target"
}

# f: start-up of a program that does nothing; plain is the base.
figure_f() {
	local limit run many=1048576

	run=$(type -P true)
	(ulimit -n $many) 2>/dev/null || many=$(ulimit -Hn)
	for limit in 1024 "$many"; do
		(ulimit -n "$limit" && measure -1 -w 20 -n 2000 -t "$(seconds 8)" "$run" ::: "$shim" "$run") || exit
		row f$((limit == 1024 ? 1 : 2)) "start and end of true, ulimit -n $limit" diff 0 1 ms "<=" 1e6
	done
	measure -1 -w 5 -n 500 -t "$(seconds 4)" "$run" ::: "$dioshim" run -o /dev/null -- "$run"
	row f3 "the same by dioshim run, with its report" diff 0 1 ms
}

# rss_figure WORD COLUMN ARGUMENTS OF rss: the median of five runs.
rss_median() {
	local word=$1 col=$2 n
	shift 2
	for n in 1 2 3 4 5; do
		"$@" || die "failed: $*"
	done | awk -v w="$word" -v c="$col" '$1 == w { print $c }' | sort -n | sed -n 3p
}

# g: resident memory over plain.
figure_g() {
	local plain with pool=67108864

	plain=$(rss_median idle 2 "$bin/rss" "$data")
	with=$(rss_median idle 2 env "$shim" $alone "$bin/rss" "$data")
	given g1 "resident before the first bounce, over plain" $((with - plain)) "$with" "$plain" KiB "<" 1048576
	plain=$(rss_median idle 3 "$bin/rss" "$data")
	with=$(rss_median idle 3 env "$shim" $alone "$bin/rss" "$data")
	given g2 "of that, private memory" $((with - plain)) "$with" "$plain" KiB
	plain=$(rss_median busy 2 "$bin/rss" "$data" 4 "$(seconds 1)")
	with=$(rss_median busy 2 env "$shim" $alone "$bin/rss" "$data" 4 "$(seconds 1)")
	given g3 "4 threads bouncing 8 MiB, highest, over plain" $((with - plain)) "$with" "$plain" KiB \
		"<=" $((pool + 1048576))
}

# traced LABEL ARGUMENTS: a line "NAME CALLS" per system call, for one request.
traced() {
	local n

	for n in 64 192; do
		strace -f -qq -o "$scratch/trace.$n" "${@/COUNT/$n}" || die "strace failed: $*"
	done
	awk 'FNR == 1 { file++ }
		match($0, /^[0-9]+ +[a-z0-9_]+\(/) {
			name = $2; sub(/\(.*/, "", name)
			calls[name] += file == 1 ? -1 : 1
		}
		END { for (n in calls) if (calls[n]) printf "%s %.4f\n", n, calls[n] / 128 }' \
		"$scratch/trace.64" "$scratch/trace.192"
}

total() { awk '{ n += $2 } END { printf "%.2f", n }'; }

# h: system calls per request; the base is native O_DIRECT, where it works.
figure_h() {
	local n=0 text options same native with

	if ! type -P strace >/dev/null; then
		note "h: system calls per request need strace"
		return
	fi
	while IFS='|' read -r text options same; do
		n=$((n + 1))
		native=
		[ -z "$same" ] || native=$(traced "$bin/io" -d $options -n COUNT "$overwritten" | total)
		traced -E "$shim" -E $alone "$bin/io" $options -n COUNT "$overwritten" | sort -k2nr >"$scratch/calls"
		with=$(total <"$scratch/calls")
		given h$n "system calls: $text" "$with" "$with" "$native" calls
		note "$(awk '{ printf "%s%s %s", s, $1, $2 + 0; s = ", " }' "$scratch/calls")"
	done <<-END
		pread 4 KiB|-r -b 4096|same
		pwrite 1 MiB|-w -b 1048576|same
		read 64 KiB at the offset|-s -b 65536|same
		pread 1 MiB, memory +13|-b 1048576 -m 13|
		write 100,000 bytes at the offset|-s -w -b 100000|
	END
}

# cpu_of ID TEXT FILE: rows of the last measure of plain, shim, native.
cpu_of() {
	row "$1a" "$2: CPU, shim over plain" ratio 1 1 s/GiB:$part
	row "$1b" "$2: CPU, native over plain" ratio 1 2 s/GiB:$part
	row "$1c" "$2: speed, shim over plain" inverse 0 1 MiB/s:$part
	row "$1d" "$2: speed, native over plain" inverse 0 2 MiB/s:$part
}

# left FILE COMMAND...: page-cache bytes of FILE after the command.
left() {
	local f=$1
	shift
	[ ! -e "$f" ] || file drop "$f"
	env "$@" && file resident "$f"
}

# cache_of ID TEXT FILE COMMAND...: what plain and shim leave in the page cache.
cache_of() {
	local id=$1 text=$2 plain with
	shift 2

	plain=$(left "$@")
	with=$(left "$1" "$shim" "${@:2}")
	given "$id" "$text: left in the page cache" "$with" "$with" "$plain" KiB
}

# i: CPU seconds per GiB and what stays in the page cache, dd; plain is the base.
figure_i() {
	local bs n=0 part=$((mib << 19)) read write

	prepare_for "$data" "rm -f $target"
	for bs in 64k 1M; do
		read="dd if=$data of=/dev/null status=none bs=$bs count=$part"
		measure -1 -n 9 -t "$(seconds 9)" -p "sh $scratch/prepare" \
			$read iflag=count_bytes ::: "$shim" $read iflag=count_bytes \
			::: $read iflag=count_bytes,direct
		cpu_of i$((n += 1)) "dd reads, bs=$bs"
		cache_of i${n}e "dd reads, bs=$bs" "$data" $read iflag=count_bytes
	done
	write="dd if=/dev/zero of=$target status=none bs=1M count=$part iflag=count_bytes conv=fsync"
	measure -1 -n 9 -t "$(seconds 12)" -p "sh $scratch/prepare" \
		$write ::: "$shim" $write ::: $write oflag=direct
	cpu_of i$((n += 1)) "dd writes and fsync, bs=1M"
	cache_of i${n}e "dd writes, bs=1M" "$target" $write
	rm -f "$target"
}

# j: where O_DIRECT loses by nature: small, sequential, warm. Plain is the base.
figure_j() {
	local small=$((mib << 16)) run

	prepare_for "$data" "rm -f $target"
	run="dd if=$data of=/dev/null status=none bs=4k count=$small iflag=count_bytes"
	measure -1 -n 9 -t "$(seconds 8)" -p "sh $scratch/prepare" $run ::: "$shim" $run
	row j1 "dd reads a cold file, bs=4k, speed" inverse 0 1 MiB/s:$small
	run="dd if=/dev/zero of=$target status=none bs=4k count=$small iflag=count_bytes conv=fsync"
	measure -1 -n 9 -t "$(seconds 8)" -p "sh $scratch/prepare" $run ::: "$shim" $run
	row j2 "dd writes and fsync, bs=4k, speed" inverse 0 1 MiB/s:$small
	rm -f "$target"
	file fill "$scratch/warm" $((16 << 20))
	file fill "$scratch/warm2" $((16 << 20))
	measure -n 500 -t "$(seconds 3)" "$bin/io" -k 16 -b 65536 "$scratch/warm" \
		::: "$shim" "$bin/io" -k 16 -b 65536 "$scratch/warm"
	row j3 "pread 64 KiB of a file in the page cache, speed" inverse 0 1 MiB/s:65536
	measure -n 500 -t "$(seconds 3)" "$bin/io" -k 16 -s -w -b 100000 "$scratch/warm" \
		::: "$shim" "$bin/io" -k 16 -s -w -b 100000 "$scratch/warm2"
	row j4 "write 100,000 bytes at the offset, speed" inverse 0 1 MiB/s:100000
	measure -n 500 -t "$(seconds 3)" "$bin/io" -k 2000 -s -w -b 100 "$scratch/warm" \
		::: "$shim" "$bin/io" -k 2000 -s -w -b 100 "$scratch/warm2"
	row j5 "write 100 bytes at the offset, time" ratio 0 1 ns
}

# k: what it costs to be watched: 4 KiB out of the page cache. Plain is the base.
figure_k() {
	local n=0 set
	local run="$bin/io -k 300 -s -b 4096 $scratch/warm"

	file fill "$scratch/warm" $((16 << 20))
	for set in DIOSHIM_BACKTRACE=0 DIOSHIM_BACKTRACE=1 DIOSHIM_BACKTRACE=4 DIOSHIM_RECORDS=1000; do
		measure -c -n 3000 -t "$(seconds 5)" $run ::: "$shim" DIOSHIM_DIR="$scratch" DIOSHIM_MODE=observe $set $run
		row k$((n += 1)) "read 4 KiB, observed, $set, time" ratio 0 1 ns $([ $n != 1 ] || echo "<=" 1.10)
	done
}
