#!/bin/bash
# What the documents say of settings, routes, counters and reasons is what the
# .def lists say. Where it is not, the lines that are wanted are shown.
#
#   UPDATE=1 tests/docs.t        writes them into the documents, then checks
. "$(dirname "$0")/lib.sh"
need "${CC:=cc}"

ROOT=$(cd -P "$TESTS/.." && pwd)
MAN7=$ROOT/man/libdioshim.7
MAN1=$ROOT/man/dioshim.1
README=$ROOT/README.md

# ---- the lists, one line per entry, fields separated by | --------------------

expand() {	# MACRO FILE: arguments as the compiler sees them, strings joined
	local macro='a, b, c' row='a|b|c'
	case $1 in
	CONFIG) macro='a, b, c, d, e, f' row='a|b|d|e|f' ;;
	esac
	# A line of its own per entry; GNU cpp joins an entry's lines itself.
	printf '#define %s(%s) @|%s@\n#include "%s/shim/%s"\n' "$1" "$macro" "$row" "$ROOT" "$2" |
		"$CC" -E -P -x c - | tr '\n' ' ' | tr '@' '\n' |
		sed -n 's/^| *//p' | sed 's/" *"//g; s/ *| */|/g; s/"//g; s/ *$//'
}

settings=$(expand CONFIG config.def)	# NAME|option|argument|default|sentence
routes=$(expand ROUTE counters.def)	# name|copies|sentence
counters=$(expand COUNTER counters.def)	# name|unit|sentence
reasons=$(expand REASON reasons.def)	# name|ROUTE|sentence

for list in CONFIG:config:settings ROUTE:counters:routes COUNTER:counters:counters REASON:reasons:reasons; do
	IFS=: read -r macro file name <<<"$list"
	want=$(grep -c "^$macro(" "$ROOT/shim/$file.def")
	is "$(grep -c '^[A-Za-z_]*|' <<<"${!name}")" "$want" "the $name of $file.def can be read"
	ok "$([ "$want" -gt 0 ]; echo $?)" "there are $name"
done

# ---- blocks of documents that follow a list ----------------------------------

block() {	# FILE NAME: what stands between the marks
	sed -n '/\(<!--\|\.\\"\) begin '"$2"'\b/,/\(<!--\|\.\\"\) end '"$2"'\b/p' "$1" | sed '1d;$d'
}

update() {	# FILE NAME WANT
	local new
	new=$(WANT=$3 awk -v name="$2" '
		$2 == "end" && $3 == name { print ENVIRON["WANT"]; inside = 0 }
		!inside
		$2 == "begin" && $3 == name { inside = 1 }' "$1") && printf '%s\n' "$new" >"$1"
}

follows() {	# FILE NAME WANT
	local only
	[ -z "${UPDATE:-}" ] || update "$@"
	only=$(diff <(block "$1" "$2") <(printf '%s\n' "$3") | grep '^[<>]')
	is "$only" "" "${1##*/}: $2 are those of the list (< is there, > is wanted)"
}

follows "$MAN7" settings "$(while IFS='|' read -r name option arg def sentence; do
	printf '.TP\n.B DIOSHIM_%s=\\fI%s\\fR, \\fB\\-\\-%s=\\fI%s\n%s.\n' "$name" "$arg" "${option//-/\\-}" "$arg" "$sentence"
	[ -z "$def" ] || printf 'Default:\n.B %s\n' "$def"
done <<<"$settings")"
follows "$MAN7" routes "$(while IFS='|' read -r name copies sentence; do
	printf '.TP\n.B %s\n%s (CPU copies per byte: %s)\n' "$name" "$sentence" "$copies"
done <<<"$routes")"
follows "$MAN7" counters "$(while IFS='|' read -r name _ sentence; do
	printf '.TP\n.B %s\n%s\n' "$name" "$sentence"
done <<<"$counters")"
follows "$MAN7" reasons "$(while IFS='|' read -r name route sentence; do
	printf '.TP\n.BR %s " (" %s )\n%s\n' "$name" "${route,,}" "$sentence"
done <<<"$reasons")"

follows "$README" settings "$(
	printf '| variable | option of `run` | default | |\n|---|---|---|---|\n'
	while IFS='|' read -r name option _ def sentence; do
		printf '| `DIOSHIM_%s` | `--%s` | %s | %s |\n' "$name" "$option" "${def:+\`$def\`}" "$sentence"
	done <<<"$settings")"
follows "$README" routes "$(
	printf '| route | CPU copies | |\n|---|---|---|\n'
	while IFS='|' read -r name copies sentence; do
		printf '| `%s` | %s | %s |\n' "$name" "$copies" "$sentence"
	done <<<"$routes")"

# ---- names anywhere else -----------------------------------------------------

names() {	# FILE...: the variables it speaks of
	grep -ohE 'DIOSHIM_[A-Z_]+[A-Z]' "$@" | sort -u
}
is "$(names "$README" "$MAN7" "$MAN1" | grep -vxF -e "$(sed 's/^\([A-Z_]*\)|.*/DIOSHIM_\1/' <<<"$settings")")" "" \
	"README and man pages name no variable that does not exist"

# The tables of dioshim(1): names only, its sentences are shorter.
table() {	# FIRST-NAME: the first column of the table that begins with it
	awk -F'\t' -v first="$1" '$1 == first { on = 1 } /^\.TE/ { on = 0 } on { print $1 }' "$MAN1"
}
for name in counters reasons; do
	list=$(cut -d'|' -f1 <<<"${!name}")
	is "$(diff <(table "$(head -n 1 <<<"$list")" | sort) <(sort <<<"$list") | grep '^[<>]')" "" \
		"dioshim.1: the names of the $name are those of the list"
done
while IFS='|' read -r _ option _ def _; do
	entry=$(sed -n '/^\.BI \\-\\-'"${option//-/\\\\-}"'= /,/^\.TP/p' "$MAN1")
	ok "$([[ -n $entry && $entry == *"$def"* ]]; echo $?)" "dioshim.1 has --$option and its default"
done <<<"$settings"

# ---- the command's own help --------------------------------------------------

help=$("$DIOSHIM" run --help | tr -s ' \n' ' ')
while IFS='|' read -r name option arg def sentence; do
	ok "$([[ $help == *"--$option=$arg $sentence (DIOSHIM_$name${def:+; default $def})"* ]]; echo $?)" \
		"run --help: --$option, its sentence, variable and default"
done <<<"$settings"

options=$({ "$DIOSHIM" --help; for name in run report doctor compare top; do "$DIOSHIM" $name --help; done; } | grep -oE -- '--[a-z-]+' | sort -u)
is "$(grep -oE -- '(dioshim (run|report|doctor|compare|top)[^|]*|`)--[a-z-]+' "$README" | grep -oE -- '--[a-z-]+' | sort -u |
	grep -vxF -e "$options")" "" "README names no option that does not exist"

page=$(sed 's/\\-/-/g; s/\\f.//g' "$MAN1")
for name in run report doctor compare top; do
	is "$("$DIOSHIM" $name --help | grep -oE -- '--[a-z-]+' | sort -u | grep -vxE -- '--(help|usage|version)' |
		while read -r option; do grep -qwF -- "$option" <<<"$page" || echo "$option"; done)" "" \
		"dioshim.1 has every option of $name"
done

# ---- what documents point at -------------------------------------------------

for document in README.md CONTRIBUTING.md CHANGELOG.md docs/design.md examples/README.md; do
	folder=$(dirname "$ROOT/$document")
	missing=
	for target in $(grep -oE '\]\([^)#]+' "$ROOT/$document" | sed 's/^](//' | grep -v '^[a-z]*:'); do
		[ -e "$folder/$target" ] || missing+=" $target"
	done
	is "$missing" "" "$document: what it links to is there"
	for target in $(grep -oE '(^ {4}|`)([A-Z_]+=[^ ]* )*make[^`#]*' "$ROOT/$document" |
		sed 's/.*make//' | tr ' ' '\n' | grep -xE '[a-z][a-z0-9-]+' | sort -u); do
		ok "$(grep -q "^$target:" "$ROOT"/Makefile "$ROOT"/tests/checks.mk "$ROOT"/tests/fuzz/fuzz.mk "$ROOT"/pack/*.mk; echo $?)" "$document: make $target exists"
	done
done
while read -r file; do
	[ -e "$ROOT/$file" ] || echo "$file"
done < <(grep -ohE '\b(shim|cli|tests|bench|examples|man|docs|pack|debian)/[A-Za-z0-9_.-]+\.[a-z0-9]+' \
	"$ROOT"/{README,CONTRIBUTING}.md "$ROOT/docs/design.md" | sort -u) >"$TAP_TALLY.files"
is "$(cat "$TAP_TALLY.files")" "" "files that the documents name are there"
rm -f "$TAP_TALLY.files"

for page in "$MAN7" "$MAN1"; do
	if command -v groff >/dev/null; then
		is "$(groff -t -man -Tutf8 -rLL=100n -ww -z "$page" 2>&1)" "" "${page##*/}: groff finds nothing wrong"
	else
		skip "${page##*/}: groff finds nothing wrong" "groff is not installed"
	fi
done

done_testing
