#!/bin/bash
# Who includes what: shim/ against layers.list, the command against shim/; and
# the size of files.
. "$(dirname "$0")/lib.sh"
need nm

ROOT=$(cd -P "$TESTS/.." && pwd)
LIST=$TESTS/layers.list
LINES_MAX=400

declare -A layer	# file name -> number, 1 on top

read_layers() {
	local kind names name file n=0
	while read -r kind names; do
		[ "$kind" = layer ] || continue
		n=$((n + 1))
		for name in ${names%%#*}; do
			for file in "$name" "$name.h" "$name.c"; do
				[ -f "$ROOT/shim/$file" ] || continue
				[ -z "${layer[$file]:-}" ] || echo "$file stands twice"
				layer[$file]=$n
			done
			[ -f "$ROOT/shim/$name" ] || [ -f "$ROOT/shim/$name.h" ] || [ -f "$ROOT/shim/$name.c" ] ||
				echo "$name: no such file"
		done
	done <"$LIST"
}

includes() {	# FILE: what it includes in quotes
	sed -n 's/^# *include *"\(.*\)".*/\1/p' "$1" | sort -u
}

system_includes() {	# FILE
	sed -n 's/^# *include *<\(.*\)>.*/\1/p' "$1" | sort -u
}

# ---- layers of the library ---------------------------------------------------

read_layers >"$TAP_TALLY.list"
is "$(cat "$TAP_TALLY.list")" "" "layers.list names each file once, and no other"
rm -f "$TAP_TALLY.list"

for path in "$ROOT"/shim/*.[ch]; do
	file=${path##*/}
	if [ -z "${layer[$file]:-}" ]; then
		ok 1 "shim/$file stands in layers.list"
		continue
	fi
	wrong=
	for other in $(includes "$path"); do
		case $other in
		*.def | "${file%.c}.h") continue ;;
		esac
		[ "${layer[$other]:-0}" -gt "${layer[$file]}" ] || wrong+=" $other"
	done
	is "$wrong" "" "shim/$file includes downwards only"
done

# ---- pure modules ------------------------------------------------------------

# Types and numbers; nothing that declares a call of the system's.
HARMLESS='^(limits|stdbool|stddef|stdint|string|sys/uio)\.h$'

while IFS=: read -r words headers symbols; do
	[ "${words%% *}" = pure ] || continue
	name=${words##* }
	for path in "$ROOT/shim/$name.h" "$ROOT/shim/$name.c"; do
		wrong=
		for other in $(includes "$path"); do
			[[ " $headers $name " == *" ${other%.h} "* || $other = *.def ]] || wrong+=" $other"
		done
		is "$wrong$(system_includes "$path" | grep -vE "$HARMLESS")" "" "shim/${path##*/} includes nothing that does I/O"
	done
	object=$DIOSHIM_BUILD/shim/$name.o
	ok "$([ -s "$object" ]; echo $?)" "$name.o is there"
	is "$(nm --undefined-only "$object" | awk '{ print $NF }' |
		grep -vE '^(_GLOBAL_OFFSET_TABLE_|__stack_chk_.*|(__)?(str|mem)[a-z]*(_chk)?)$' |
		grep -vxF -e "${symbols# }")" "" "$name.o imports nothing that does I/O"
done <"$LIST"

# ---- the command -------------------------------------------------------------

# The command reads ledgers and settings, and asks of files what the library asks
# (`place`, `host`); it shares nothing else with the library.
for path in "$ROOT"/cli/*.[ch]; do
	wrong=
	for other in $(includes "$path"); do
		case $other in
		ledger.h | config.h | *.def) ;;
		align.h) [ "${path##*/}" = place.h ] || wrong+=" $other" ;;
		*) [ -f "$ROOT/cli/$other" ] || wrong+=" $other" ;;
		esac
	done
	is "$wrong" "" "cli/${path##*/} takes ledger and config from shim/, place.h align, no more"
done
for path in "$ROOT"/shim/*.[ch]; do
	for other in $(includes "$path"); do
		[ -f "$ROOT/shim/$other" ] || echo "${path##*/} includes $other"
	done
done >"$TAP_TALLY.list"
is "$(cat "$TAP_TALLY.list")" "" "shim/ includes nothing from outside"
rm -f "$TAP_TALLY.list"

# ---- sizes -------------------------------------------------------------------

is "$(wc -l "$ROOT"/{shim,cli}/*.[ch] | awk -v max=$LINES_MAX '$2 != "total" && $1 > max { print $2, $1 }')" "" \
	"no file has more than $LINES_MAX lines"

done_testing
