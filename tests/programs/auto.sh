# Sourced by the tests of mode auto, after lib.sh and in their scratch folder.
"$DIOSHIM" doctor . | grep -q "^ *cachestat *yes" || skip_all "no cachestat (Linux 6.5): all is left to the page cache"

# The kernel itself may take pages back at any time: so nothing is asked to be there to the byte.
MIB=$((1 << 20))
resident() { fincore -b -n -o RES "$1" | tr -d " "; }
drop() { sync -d "$@"; for f; do dd if="$f" of=/dev/null iflag=nocache count=0 status=none; done; }
warm() { cat "$@" >/dev/null; }

auto() {	# COMMAND...
	# shellcheck disable=SC2086
	shim --mode auto --stream-age 20 ${effort-} -- "$@"
}

at_least() {	# GOT LEAST NAME
	ok "$([ "${1:-0}" -ge "$2" ]; echo $?)" "$3: $1" || { diag "   at least: $2"; diag_file "$SHIM_REPORT" 40; }
}

at_most() {	# GOT MOST NAME
	ok "$([ "${1:-0}" -le "$2" ]; echo $?)" "$3: $1" || { diag "   at most: $2"; diag_file "$SHIM_REPORT" 40; }
}
