# One row of the table from the output of versus, and one object of JSON.
#
# Set with -v: id, text, kind (ratio, inverse: base over subject, diff), col, cmd,
# unit (of the two values, see show()), op and limit ("" for none), json (file).
# Or, without versus: figure, q1, q3, subject, base as they are, unit.
function show(x) {
	if (x == "")
		return "-"
	if (unit ~ /^MiB\/s:/)
		return sprintf("%.0f MiB/s", per / x * 1e9 / 1048576)
	if (unit ~ /^s\/GiB:/)
		return sprintf("%.3f s/GiB", x / 1e9 / per * 1073741824)
	if (unit == "ns")
		return sprintf("%.1f ns", x)
	if (unit == "us")
		return sprintf("%.2f us", x / 1e3)
	if (unit == "ms")
		return sprintf("%.3f ms", x / 1e6)
	if (unit == "s")
		return sprintf("%.2f s", x / 1e9)
	if (unit == "KiB")
		return sprintf("%.0f KiB", x / 1024)
	if (unit == "bytes")
		return sprintf("%.0f B", x)
	return sprintf("%.2f %s", x, unit)
}
function shown(x) { return kind == "diff" ? show(x) : sprintf("%.3f x", x) }
function number(x) { return x == "" ? "null" : sprintf("%.9g", x) }
BEGIN { split(unit, u, ":"); per = u[2] }
$1 == "value" && $2 == col && $3 == 0 { base = $4 }
$1 == "value" && $2 == col && $3 == cmd { subject = $4 }
$1 == "rounds" { rounds = $4 }
$1 == (kind == "diff" ? "diff" : "ratio") && $2 == col && $3 == cmd {
	figure = $4; q1 = $5; q3 = $6
	if (kind == "inverse") {
		figure = 1 / $4; q1 = 1 / $6; q3 = 1 / $5
	}
}
END {
	verdict = "-"
	if (figure == "")
		verdict = "not measured"
	else if (op != "")
		verdict = (op == "<=" ? figure <= limit : op == "<" ? figure < limit : \
			   figure >= limit) ? "met" : "NOT MET"
	target = op == "" ? "-" : op " " shown(limit)
	if (target ~ /\./)
		sub(/\.?0+ /, " ", target)
	spread = q1 == "" ? "-" : sprintf("%s .. %s", shown(q1), shown(q3))
	printf "%-3s %-50s %11s  %-24s %12s %12s  %-12s %s\n", id, text, \
		figure == "" ? "-" : shown(figure), spread, show(subject), show(base), \
		target, verdict
	printf "%s{\"id\":\"%s\",\"figure\":\"%s\",\"kind\":\"%s\",\"value\":%s,\"q1\":%s,\"q3\":%s,\"unit\":\"%s\",\"shim\":%s,\"base\":%s,\"rounds\":%s,\"target\":\"%s\",\"verdict\":\"%s\"}", \
		first == "" ? ",\n    " : "", id, text, kind, number(figure), number(q1), \
		number(q3), unit, number(subject), number(base), number(rounds), target, \
		verdict >> json
}
