# Sourced by bench/auto: one row of the table per call of `job`.

auto=DIOSHIM_MODE=auto

auto_begin() {
	auto_json=$scratch/auto.json auto_verdicts=$scratch/auto.verdicts auto_first=1
	sweep_json=$scratch/sweep.json
	: >"$auto_json"; : >"$auto_verdicts"; : >"$sweep_json"
}

# How near plain comes to the device: where it reaches it, nothing is 1.2 x faster.
device_limit() {
	find_fio_engine || return
	measure -1 -w 0 -n 5 -p "cat $bulk >/dev/null; $bin/file drop $bulk" \
		::= "$here/limit" $fio_engine read "$bulk" ::: dd if="$bulk" of=/dev/null bs=1M status=none
	awk -v bytes="$((mib << 20))" '
		$1 == "value" && $2 == 0 && $3 == 0 { limit = bytes / 1048576 / $4 * 1e9 }
		$1 == "ratio" && $2 == 0 && $3 == 1 { printf "%-13s%.0f MiB/s (fio, four of 1 MiB in flight); cold dd of 1 MiB, plain, comes to %.2f of it\n",
			"its limit", limit, 1 / $4 }' "$scratch/out"
}

# every COMMAND...: with all the files that the words of $files name or hold, of those that exist.
every() { echo "find $files -type f -print0 2>/dev/null | xargs -0 -r $*"; }

# Before each sample, as a shell script. What the job will read is read through the page cache
# in both cases (see the stick), and dropped again for cold.
auto_prepare() {
	cat <<-END
		${before-:}
		sync -f $scratch
		$(every cat) >/dev/null
	END
	[ "$1" = warm ] || every "$bin/file drop"
}

# What the job prints and what it has made, as one line.
outcome() {	# COMMAND...
	sh "$scratch/prepare" >/dev/null && { "$@" && sh -c "${check:-:}"; } 2>"$scratch/err" | sha256sum
	[ "${PIPESTATUS[0]}" = 0 ]
}

# job NAME TEXT STATE "FILES" COMMAND: STATE is cold, warm or new (nothing is read that was
# there before); FILES, or folders, are those whose pages count. Further, from the caller's variables:
# before, check (commands), bulk_case (the aim of 1.2 is for it), tells (the command tells
# its figures itself, see versus).
job() {
	local name=$1 text=$2 state=$3 files=$4 command=$5
	local plain with sep=:::

	[ "$auto_first" ] && auto_heading
	auto_prepare "$state" >"$scratch/prepare"
	[ -z "${tells-}" ] || sep=::=
	if [ -z "${tells-}" ]; then
		plain=$(outcome sh -c "$command") || { failed "$text" plain; return; }
		with=$(outcome env "$shim" $auto sh -c "$command") || { failed "$text" auto; return; }
		[ "$plain" = "$with" ] || { failed "$text" "auto: another result than plain"; return; }
	fi
	(measure -1 -w 0 -n "$rounds" -t "$row_seconds" -p "sh $scratch/prepare >/dev/null" \
		-q "$(every "$bin/file resident") | awk '{ n += \$1 } END { print n + 0 }'" \
		${tells:+::=} sh -c "$command" $sep "$shim" $auto sh -c "$command") ||
		{ failed "$text" "while it was measured"; return; }
	awk -v name="$name" -v text="$text" -v state="$state" -v bulk="${bulk_case-}" \
		-v bytes="$(sh -c "$(every stat -c %s)" | awk '{ n += $1 } END { printf "%.0f", n }')" \
		-v json="$auto_json" -v verdicts="$auto_verdicts" -v first="$auto_first" \
		-f "$here/auto.awk" "$scratch/out"
	auto_first=
}

# failed TEXT WHY: a row all the same.
failed() {
	note "FAILED: $1: $2"
	head -n 3 "$scratch/err" 2>/dev/null
	echo "$1 not failed" >>"$auto_verdicts"
}

auto_heading() {
	cat <<-END

		time and CPU: auto / plain, medians of paired ratios; above 1 auto is slower or uses more.
		left: MiB of the job's own files in the page cache afterwards.
		aims: time at most 1.053 (speed 0.95), in the cases marked * at most 0.833 (1.2 x faster); CPU at
		most 1.05; at most 8 MiB left where plain leaves all, in cases that are not warm.

	END
	printf '%-34s %-5s %6s %-13s %6s %-13s %8s %7s %7s  %s\n' "" "" time quartiles CPU quartiles \
		"plain, s" "left" "by auto" aims
}

auto_end() {
	[ -s "$auto_verdicts" ] || return
	awk '{ n++; met += $(NF - 1) == "met"; if ($(NF - 1) != "met") { bad[$NF]++ } }
		END { printf "\n%d of %d aims met", met, n
			for (b in bad) printf "; %s: %d not", b, bad[b]
			print "" }' "$auto_verdicts"
}
