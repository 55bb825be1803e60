# One line of the size sweep out of the output of versus, an object of JSON, and
# "KIND SIZE RATIO" (direct to page cache, time) for the thresholds.
#
# Set with -v: kind, state, size, bytes (of a run), names (of the commands), json, table
# (files), first (of all lines).

$1 == "value" && $2 == 0 { value[$3] = $4 }
$1 == "ratio" && $2 == 0 {
	for (i = 1; i <= 3; i++)
		ratio[$3, i] = $(i + 3)
}

function rate(ns) { return bytes / ns * 1e9 / 1048576 }

END {
	n = split(names, name, " ")
	printf "%5d KiB %11.0f", size / 1024, rate(value[0])
	printf "%s{\"kind\": \"%s\", \"state\": \"%s\", \"bytes\": %d, \"mib_per_s\": {", (first == "" ? ",\n    " : ""),
		kind, state, size >> json
	for (k = 0; k < n; k++)
		printf "%s\"%s\": %.6g", (k ? ", " : ""), name[k + 1], rate(value[k]) >> json
	printf "}, \"time_to_plain\": {" >> json
	for (k = 1; k < n; k++) {
		printf "  %5.2f %-14s", 1 / ratio[k, 1], sprintf("%.2f .. %.2f", 1 / ratio[k, 3], 1 / ratio[k, 2])
		printf "%s\"%s\": [%.6g, %.6g, %.6g]", (k > 1 ? ", " : ""), name[k + 1], ratio[k, 1], ratio[k, 2],
			ratio[k, 3] >> json
	}
	print ""
	printf "}}" >> json
	print kind, size, ratio[1, 1] >> table
}
