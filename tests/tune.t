#!/bin/bash
# dioshim doctor --tune: its two forms, the settings that it says, what it
# refuses, and that it leaves nothing behind.
. "$(dirname "$0")/loop.sh"
need "$PYTHON" timeout
scratch
cd "$SCRATCH" || exit 1
mkdir here
echo text >here/file

tune() {	# [OPTIONS] PATH...: status in $status; out, tune.json, err
	"$DIOSHIM" doctor --tune --tune-size=16M --json=tune.json -o out "$@" 2>err
	status=$?
}
said() {	# EXPR
	SHIM_JSON=$SCRATCH/tune.json json "$1"
}

tune here/file
is "$status $(cat err)" "0 " "a file stands for its folder"
is "$(said folder) $(said space_bytes)" "$(pwd -P)/here 16777216" "where, and how much room"
is "$(ls -A here)" file "nothing is left"
for name in read write; do
	is "$("$PYTHON" - $name <<-'END'
		import json, sys
		t = json.load(open("tune.json"))[sys.argv[1]]
		sizes = [s["bytes"] for s in t["sizes"]]
		wins = [s["bytes"] for s in t["sizes"] if s["faster"] == "direct"]
		good = sizes == sorted(sizes) and len(sizes) > 5 and all(
		    s["faster"] == ("direct" if s["time_ratio_q3"] < 1 else "cache" if s["time_ratio_q1"] > 1 else "unknown")
		    and s["time_ratio_q1"] <= s["time_ratio"] <= s["time_ratio_q3"] and s["rounds"] >= 5
		    for s in t["sizes"])
		good &= {"measured": t["from_bytes"] in wins, "never": t["from_bytes"] == 2 * sizes[-1],
		         "scattered": True}[t["found"]]
		print(good)
	END
	)" True "$name: sizes, verdicts and threshold agree"
done
line=$(grep '^DIOSHIM_AUTO_READ=[0-9]*[KM] DIOSHIM_AUTO_WRITE=[0-9]*[KM]$' out)
is "$line" "DIOSHIM_AUTO_READ=$(said settings.DIOSHIM_AUTO_READ) DIOSHIM_AUTO_WRITE=$(said settings.DIOSHIM_AUTO_WRITE)" \
	"text and JSON say the same settings"
is "$(env $line DIOSHIM_MODE=auto "$DIOSHIM" run -o report -- cat here/file 2>&1)" text "run takes the variables"
options=$(sed -n 's/^dioshim run \(--mode=auto .*\) -- COMMAND$/\1/p' out)
is "$("$DIOSHIM" run $options -o report -- cat here/file 2>&1)" text "and the options: $options"

"$DIOSHIM" doctor --tune --tune-size=8M --json=- here | "$PYTHON" -c 'import json, sys; json.load(sys.stdin)'
is "${PIPESTATUS[*]}" "0 0" "--json=-: JSON alone"

# ---- what is refused ----------------------------------------------------------

tune here here
is "$status" 125 "two paths"
for size in 4M 65G x; do
	tune --tune-size=$size here
	is "$status $(grep -c "bad value \"$size\"" err)" "125 1" "--tune-size=$size"
done
tune none
is "$status $(cat err)" "125 dioshim: --tune: none: No such file or directory" "no such path"
tune /proc
is "$status" 125 "a folder in which nothing can be made"

if filesystem ext4 "$SCRATCH/small" 64M; then
	tune --tune-size=64M small
	is "$status $(grep -c "not enough room: .* are free; 64.0 MiB are wanted, and .*, a tenth" err) $(ls -A small | grep -vx lost+found)" "125 1 " \
		"too little room is refused, with the figures"
	filesystem_end "$SCRATCH/small"
else
	skip "too little room is refused, with the figures" "$FS_WHY"
fi

# ---- an end before the end ------------------------------------------------------

for signal in INT KILL; do
	{ timeout -s $signal 1 "$DIOSHIM" doctor --tune --tune-size=64M here; } >/dev/null 2>&1
	ok "$([ $? -ge 124 ]; echo $?)" "SIG$signal ends it"
	is "$(ls -A here)" file "SIG$signal: nothing is left"
done
done_testing
