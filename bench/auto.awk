# One row of bench/auto out of the output of versus, and one object of JSON.
#
# Set with -v: name, text, state, bulk ("*" or ""), bytes (of the files), json,
# verdicts (files), first (of all rows).

# Columns of versus: wall ns, CPU ns, peak RSS, bytes left. Command 0 is plain, 1 auto.
$1 == "rounds" { rounds = $4 }
$1 == "value" { value[$2, $3] = $4 }
$1 == "ratio" && $3 == 1 {
	for (i = 1; i <= 3; i++)
		ratio[$2, i] = $(i + 3)
}

function spread(col) { return sprintf("%.2f .. %.2f", ratio[col, 2], ratio[col, 3]) }
function triple(col) { return sprintf("[%.6g, %.6g, %.6g]", ratio[col, 1], ratio[col, 2], ratio[col, 3]) }

function judge(aim, figure, bound,    met) {
	met = figure <= bound
	if (!met)
		missed = missed (missed == "" ? "" : ", ") aim
	printf "%s{\"aim\": \"%s\", \"value\": %.6g, \"at_most\": %.6g, \"met\": %s}", judged++ ? ", " : "",
		aim, figure, bound, met ? "true" : "false" >> json
	print text, met ? "met" : "not", aim >> verdicts
}

END {
	left = value[3, 1] / 1048576
	printf "%s{\"job\": \"%s\", \"text\": \"%s\", \"state\": \"%s\", \"bulk\": %s, \"rounds\": %d, \"time\": %s, \"cpu\": %s, \"plain_s\": %.6g, \"auto_s\": %.6g, \"plain_cpu_s\": %.6g, \"auto_cpu_s\": %.6g, \"file_bytes\": %.0f, \"plain_left_bytes\": %.0f, \"auto_left_bytes\": %.0f, \"aims\": [",
		first == "" ? ",\n    " : "", name, text, state, bulk ? "true" : "false", rounds,
		triple(0), triple(1), value[0, 0] / 1e9, value[0, 1] / 1e9, value[1, 0] / 1e9,
		value[1, 1] / 1e9, bytes, value[3, 0], value[3, 1] >> json
	judge("time", ratio[0, 1], 1 / 0.95)
	judge("CPU", ratio[1, 1], 1.05)
	if (bulk)
		judge("faster", ratio[0, 1], 1 / 1.2)
	if (state != "warm" && value[3, 0] >= 0.9 * bytes)
		judge("left", left, 8)
	printf "]}" >> json
	printf "%-34s %-5s %6.2f %-13s %6.2f %-13s %8.3f %7.1f %7.1f  %s\n", text bulk, state, ratio[0, 1],
		spread(0), ratio[1, 1], spread(1), value[0, 0] / 1e9, value[3, 0] / 1048576, left,
		missed == "" ? "met" : "NOT MET: " missed
}
