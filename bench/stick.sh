# Sourced by bench/run: the measuring stick. Each job is done by every contender
# that can do it, in turns, from cold caches; jobs.sh has the jobs.

# Files that nobody but the stick touches: bulk is read, spare overwritten by fio.
bulk=$scratch/bulk
spare=$scratch/spare
db=$bulk.db
scan='SELECT count(*), sum(n) FROM t'

# missing WHAT PACKAGE: a reason for lines that are not there.
missing() { note "not measured: $1 (apt-get install $2)"; }

make_database() {
	sqlite3 "$1" "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
		CREATE TABLE t(n INTEGER, x BLOB);
		INSERT INTO t WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i<$2)
		SELECT i, randomblob(950) FROM c" >/dev/null || die "sqlite3 cannot make $1"
}

# One that measures the device's limit here, in $fio_engine.
find_fio_engine() {
	for fio_engine in io_uring libaio; do
		"$here/limit" $fio_engine read "$data" >/dev/null 2>&1 && return
	done
	fio_engine=
	false
}

# What can take part; the rest with the reason. The files are old enough for a
# stream when this ends: 3.5 seconds.
stick_begin() {
	local why f

	echo
	find_fio_engine || missing "the device's limit: no fio, or it cannot read here" fio
	# The wrapper of the package knows where its library is.
	nocache=$(grep -so '/[^" ]*/nocache\.so' "$(type -P nocache || echo /dev/null)")
	[ -r "${nocache%%$'\n'*}" ] || { missing nocache nocache; nocache=; }
	why=$("$bin/io" -u -b 512 -n 1 "$data" 2>&1)
	uncached=$([ "$why" ] || echo yes)
	[ "$uncached" ] || note "not measured: RWF_DONTCACHE: ${why##*: } (needs Linux 6.14 and a file system that can)"
	file fill "$bulk" $((stick_mib << 20)) && file first "$bulk" &&
		file fill "$spare" $((stick_mib << 20)) || die "cannot make $bulk"
	head -c 1048576 "$data" >"$scratch/tiny"
	if type -P sqlite3 >/dev/null; then
		make_database "$db" $((stick_mib * 512))
		make_database "$scratch/tiny.db" 100
		file first "$db"
	fi
	file drop "$bulk"
	sleep 4
	stick_heading
}

stick_heading() {
	printf '\n%-3s %-16s %6s %-13s %8s %-13s %7s %-13s %9s %6s %9s %8s\n' "" "" "MiB/s" \
		quartiles "x plain" quartiles "x limit" quartiles "CPU s/GiB" copies \
		"left, KiB" "RSS, MiB"
}

# What is done before a sample, as a shell script, with the variables of stick. $populate
# is read through the page cache: plain's pages then lie in memory that the guest has
# had in use a moment ago (a host that first has to find some makes plain look three
# times slower), and for everybody the device has seen the same requests last. Then
# cold caches, and the program warm again.
stick_prepare() {
	cat <<-END
		set -- $names
		shift \$VERSUS_COMMAND
		exec >/dev/null
		${before-}
		cat $populate
		$(cold_command $files)
		case \$1 in
		shim) export LD_PRELOAD=$lib ;;
		nocache) export LD_PRELOAD=$nocache ;;
		limit) exec cat $(type -P fio) ;;
		esac
		$warm
	END
}

# stick ID TEXT AIMS "FILES" COMMAND: one job. FILES are those of which nothing
# should stay in the page cache. Further, from the caller's variables:
# bytes, direct, dontcache (commands), limit (read or write), before (a command),
# warm (a short run of the same), populate (files).
stick() {
	local id=$1 text=$2 aims=$3 files=$4 plain=$5 names=plain args=(sh -c "$5")
	local made unseen json=$scratch/ledger.json
	local bytes=${bytes:-$((stick_mib << 20))} populate=${populate:-$bulk} limit=${limit-}
	local warm=${warm:-${plain//"$bulk"/$scratch/tiny}}
	local sep name what

	while IFS='|' read -r name sep what; do
		[ "$what" ] || continue
		names+=" $name"
		case $sep in
		:::) args+=(::: sh -c "$what") ;;
		::=) args+=(::= $what) ;;
		*) args+=(::: "$sep" sh -c "$what") ;;
		esac
	done <<-END
		shim|$shim|$plain
		direct|:::|${direct-}
		nocache|LD_PRELOAD=$nocache|${nocache:+$plain}
		dontcache|:::|${uncached:+${dontcache-}}
		limit|::=|${fio_engine:+${limit:+$here/limit $fio_engine $limit}}
	END
	stick_prepare >"$scratch/prepare"
	VERSUS_COMMAND=0 sh "$scratch/prepare" &&
		"$dioshim" run -o /dev/null --json "$json" -- sh -c "$plain" >/dev/null || die "failed: $plain"
	made=$(json_number made_bytes "$json")
	unseen=$(json_number unseen_bytes "$json")
	measure -1 -w 0 -n "$stick_rounds" -t "$stick_seconds" -p "sh $scratch/prepare" \
		-q "$bin/file resident $files" "${args[@]}"
	awk -v id="$id" -v text="$text" -v names="$names" -v aims="$aims" -v bytes="$bytes" \
		-v copied=$((made + unseen)) -v unseen="$unseen" -v json="$stick_json" \
		-v tsv="$stick_tsv" -v verdicts="$stick_verdicts" -v first="$stick_first" \
		-f "$here/stick.awk" "$scratch/out"
	stick_first=
}
stick_first=1
stick_json=$scratch/stick.json
stick_tsv=$scratch/stick.tsv
stick_verdicts=$scratch/stick.verdicts
touch "$stick_json" "$stick_tsv" "$stick_verdicts"

stick_end() {
	awk '{ n++; met += $2 == "met"; if ($2 != "met") not = not ", " $1 " " $3 }
		END { if (n) printf "\n%d of %d aims met%s\n", met, n, not ? "; not: " substr(not, 3) : "" }' \
		"$stick_verdicts"
}

# picture FILE: an SVG of ratios to plain and of CPU time, by gnuplot.
picture() {
	[ -s "$stick_tsv" ] || die "--svg: nothing of the stick was measured"
	type -P gnuplot >/dev/null || { missing "the picture: no gnuplot" gnuplot-nox; return; }
	gnuplot -e "table='$stick_tsv'; out='$1'" "$here/picture.gp" || die "cannot draw $1"
}
