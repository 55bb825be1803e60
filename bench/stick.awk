# One block of the stick out of the output of versus: a line per contender, the
# aims below; and the same for JSON, and as a table for the picture.
#
# Set with -v: id, text, names (of the contenders, "plain" first), aims ("speed 1.3 cpu
# 1": name and limit in turns), bytes (of the job), copied and unseen (bytes, in
# the shim's ledger), json, tsv, verdicts (files), first (of all blocks).

# values[column, command, i]: median, first and third quartile. Columns: wall ns,
# CPU ns, peak RSS, bytes left in the page cache.
function keep(into) {
	for (i = 1; i <= 3; i++)
		into[$2, $3, i] = $(i + 3)
}
$1 == "rounds" { rounds = $4 }
$1 == "value" { keep(value) }
$1 == "ratio" { keep(to_plain) }
$1 ~ /^pair/ { keep_pair(substr($1, 5)) }
function keep_pair(other) {
	if (other == limit)
		keep(to_limit)
}

function has(name) { return name in number }
function rate(ns) { return bytes / ns * 1e9 / 1048576 }
function per_gib(ns) { return ns / 1e9 / bytes * 1073741824 }
function copies(name) {
	return name == "shim" ? copied / bytes : name == "direct" || name == "limit" ? 0 : 1
}
# Of times the low ones are the good ones: the quartiles change places.
function inverse(v, k, i) { return ((0, k, 1) in v) ? 1 / v[0, k, i == 1 ? 1 : 5 - i] : "" }
function spread(format, low, high) {
	return low == "" ? "" : sprintf(format " .. " format, low, high)
}
function triple(m, q1, q3) {
	return m == "" ? "null" : sprintf("[%.6g, %.6g, %.6g]", m, q1, q3)
}
function maybe(format, x) { return x == "" ? "-" : sprintf(format, x) }

function line(k, name,    p, l) {
	for (i = 1; i <= 3; i++) {
		p[i] = k == 0 ? 1 : inverse(to_plain, k, i)
		l[i] = k == limit ? 1 : inverse(to_limit, k, i)
	}
	printf "    %-16s %6.0f %-13s %8s %-13s %7s %-13s %9.3f %6.3f %9s %8s\n", shown[name],
		rate(value[0, k, 1]), spread("%.0f", rate(value[0, k, 3]), rate(value[0, k, 2])),
		maybe("%.2f", p[1]), k == 0 ? "" : spread("%.2f", p[2], p[3]),
		maybe("%.2f", l[1]), k == limit ? "" : spread("%.2f", l[2], l[3]),
		per_gib(value[1, k, 1]), copies(name), maybe("%.0f", value[3, k, 1] / 1024),
		maybe("%.1f", name == "limit" ? "" : value[2, k, 1] / 1048576)
	printf "%s\n      {\"name\": \"%s\", \"mib_per_s\": %s, \"speed_to_plain\": %s, \"speed_to_limit\": %s, \"cpu_s_per_gib\": %s, \"cpu_to_plain\": %s, \"copies_per_byte\": %.6g, \"left_bytes\": %.0f, \"peak_rss_bytes\": %s}",
		k ? "," : "", name,
		triple(rate(value[0, k, 1]), rate(value[0, k, 3]), rate(value[0, k, 2])),
		triple(p[1], p[2], p[3]), triple(l[1], l[2], l[3]),
		triple(per_gib(value[1, k, 1]), per_gib(value[1, k, 2]), per_gib(value[1, k, 3])),
		k ? triple(to_plain[1, k, 1], to_plain[1, k, 2], to_plain[1, k, 3]) : "[1, 1, 1]",
		copies(name), value[3, k, 1],
		name == "limit" ? "null" : sprintf("%.0f", value[2, k, 1]) >> json
	printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, text, name, p[1], p[2], p[3],
		per_gib(value[1, k, 1]) >> tsv
}

function judge(name, figure, op, bound, words,    verdict) {
	if (figure == "")
		return
	verdict = (op == "<=" ? figure <= bound : figure >= bound) ? "met" : "NOT MET"
	said = said (said == "" ? "" : "; ") sprintf(words, figure) " " verdict
	printf "%s {\"name\": \"%s\", \"value\": %.6g, \"target\": \"%s %s\", \"verdict\": \"%s\"}",
		judged++ ? "," : "", name, figure, op, bound, verdict >> json
	print id, verdict == "met" ? "met" : "not", name >> verdicts
}

BEGIN {
	commands = split(names, name_of, " ")
	for (k = 1; k <= commands; k++)
		number[name_of[k]] = k - 1
	limit = has("limit") ? number["limit"] : -1
	shown["plain"] = "plain"; shown["shim"] = "shim"
	shown["direct"] = "native O_DIRECT"; shown["nocache"] = "nocache"
	shown["dontcache"] = "RWF_DONTCACHE"; shown["limit"] = "device's limit"
}
END {
	s = number["shim"]
	printf "\n%-3s %s; %.0f MiB, %d rounds\n", id, text, bytes / 1048576, rounds
	printf "%s{\"job\": \"%s\", \"text\": \"%s\", \"bytes\": %.0f, \"rounds\": %d, \"contenders\": [",
		first == "" ? ",\n    " : "", id, text, bytes, rounds >> json
	for (k = 0; k < commands; k++)
		line(k, name_of[k + 1])
	printf "],\n      \"aims\": [" >> json
	n = split(aims, a, " ")
	for (i = 1; i < n; i += 2)
		aim[a[i]] = a[i + 1]
	if ("speed" in aim)
		judge("speed", inverse(to_plain, s, 1), ">=", aim["speed"], "%.2f x plain (>= " aim["speed"] ")")
	if ("limit" in aim)
		judge("limit", inverse(to_limit, s, 1), ">=", aim["limit"], "%.2f x the limit (>= " aim["limit"] ")")
	if ("cpu" in aim)
		judge("cpu", to_plain[1, s, 1], "<=", aim["cpu"], "%.2f x plain's CPU (<= " aim["cpu"] ")")
	if ("left" in aim)
		judge("left", value[3, s, 3] / 1024, "<=", aim["left"], "%.0f KiB left (" aim["left"] ")")
	judge("memory", (value[2, s, 1] - value[2, 0, 1]) / 1048576, "<=", 64, "%+.1f MiB of memory (<= 64)")
	print "    aims: " said
	if (unseen > bytes / 2)
		printf "    %.0f %% of the bytes pass where a preload cannot see them\n", 100 * unseen / bytes
	printf "]}" >> json
}
