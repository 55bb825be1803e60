#!/bin/bash
# Call sites by name, advice, and requests that failed: what a person reads.
. "$(dirname "$0")/../lib.sh"
scratch

SITES=$DIOSHIM_BUILD/tests/explain
LINE() { grep -n "LINE $1\b" "$TESTS/progs/explain.c" | cut -d: -f1; }
with_names() { [ "$(cat "$DIOSHIM_BUILD/libdw" 2>/dev/null)" = yes ]; }

# The text report as one line per paragraph: where lines are broken does not matter.
report_text() { tr -s ' \n' ' ' <"${1:-$SHIM_REPORT}"; }

has() {	# NAME TEXT
	ok "$([[ $(report_text) == *"$2"* ]]; echo $?)" "$1" || { diag "   want: $2"; diag_file "$SHIM_REPORT" 80; }
}

lacks() {	# NAME TEXT
	ok "$([[ $(report_text) != *"$2"* ]]; echo $?)" "$1" || diag "   is there: $2"
}

# The words for a call site: by its name (the compiler was told a relative one),
# or, where libdw is not, by its module.
site() {	# FUNCTION
	if with_names; then
		printf '%s (tests/progs/explain.c:%d)' "$1" "$(LINE "$1")"
	else
		printf '%s+0x' "$SITES"
	fi
}

# ---- mode direct -------------------------------------------------------------

mkdir "$SCRATCH/a"
shim --explain --stream 0 -- "$SITES" "$SCRATCH/a"
has "the site with most copies, by name" "1. $(site write_page)"
has "its file, calls and bytes" "write of $SCRATCH/a/table: 100 calls: 6.2 MiB bounced"
has "what was off, and the remainder" "off: buffer in 100.0 % of the calls (% 512 = 16 in 100.0 % of these)"
has "what the file wants, and who says so" "wanted: memory at multiples of 512, offset and length of 512 (statx(2), STATX_DIOALIGN)"
has "advice for memory" "advice: allocate the buffer with aligned_alloc(4096, ...): 6.2 MiB of copies would go"
has "a site of which the offset is off" "off: offset in 100.0 % of the calls (% 512 = 100 in 100.0 % of these)"
has "advice for offsets" "advice: read at multiples of 4096: 200.0 KiB of copies would go"
has "a site that appends" "write of $SCRATCH/a/log: 50 calls: 4.9 KiB cached"
has "a site that is as it should be" "$(site read_header)"
lacks "nothing about callers" "called by"

shim --backtrace 3 --explain --stream 0 -- "$SITES" "$SCRATCH/a"
if with_names; then
	has "who called it" "called by flush_pages (tests/progs/explain.c:$(LINE flush_pages))"
	is "$(json 'max(len(s.frames) for s in sites)')" 3 "three frames"
fi

shim -- "$SITES" "$SCRATCH/a"
lacks "nothing of call sites unless it is asked for" "call sites"
is "$(json 'len(sites)')" 0 "and none in the JSON"

# ---- many files of one site --------------------------------------------------

mkdir "$SCRATCH/many"
shim --explain -- sh -c "for i in 1 2 3 4 5; do head -c \$((i * 5000)) /dev/zero >$SCRATCH/many/\$i; done; cat $SCRATCH/many/*" >/dev/null
has "a site with all of its files" "read of 5 files, most of it of $SCRATCH/many/5"

# ---- kept ledgers, and programs that were changed since ----------------------

cp "$SITES" "$SCRATCH/mine"
mkdir "$SCRATCH/kept"
shim --dir "$SCRATCH/kept" --backtrace 1 --stream 0 -- "$SCRATCH/mine" "$SCRATCH/a"
SHIM_REPORT=$SCRATCH/later.txt
"$DIOSHIM" report --explain -o "$SHIM_REPORT" -j "$SCRATCH/later.json" "$SCRATCH/kept"
is $? 0 "report --explain of a kept folder"
with_names && has "names are found later" "1. write_page ("
cp "$SITES" "$SCRATCH/other"
mv "$SCRATCH/other" "$SCRATCH/mine"
"$DIOSHIM" report --explain -o "$SHIM_REPORT" "$SCRATCH/kept"
if with_names; then
	lacks "a program replaced since has no names" "write_page"
	has "which is said" "(replaced since: no name can be trusted)"
fi
has "module and offset are there all the same" "$SCRATCH/mine+0x"
rm "$SCRATCH/mine"
"$DIOSHIM" report --explain -o "$SHIM_REPORT" "$SCRATCH/kept"
has "a program that is gone: module and offset" "1. $SCRATCH/mine+0x"

# ---- mode strict -------------------------------------------------------------

mkdir "$SCRATCH/b"
shim --mode strict --backtrace 1 -- "$SITES" "$SCRATCH/b" 2>"$SCRATCH/err"
is $? 0 "strict: the program's own status"
is "$(cat "$SCRATCH/err")" "refused 200" "strict: it was refused what is misaligned, and nothing else"
has "strict: how many failed" "200 misaligned requests failed"
has "strict: a request that failed, whole" "EINVAL: write of $SCRATCH/b/table (descriptor 3): buffer 0x"
has "strict: by how much the buffer is off" " % 512 = 16, offset 0, length 65536; refused by mode strict; by $(site write_page)"
has "strict: how many more" "and 192 more; all are in the JSON"
is "$(json 'len(misfits)')" 200 "strict: all of them are in the JSON"
is "$(json 'sum(1 for m in misfits if m.off == ["offset"] and m.offset % 512 == 100 and m.length == 4096)')" 50 \
	"strict: those with a misaligned offset"

shim --mode strict=4096 -- "$SITES" "$SCRATCH/b" 2>"$SCRATCH/err"
has "strict=4096: by the alignment that was asked for" " % 4096 = 16, offset 0"
is "$(json 'sites[0].align_from')" strict "strict=4096: which is where it came from"

# ---- the exit status ---------------------------------------------------------

for mode in direct observe strict; do
	shim --mode $mode --fail-on-misaligned -- "$SITES" "$SCRATCH/b" 2>"$SCRATCH/err"
	is $? 1 "$mode: exit 1 on misaligned requests"
	is "$(grep -c '^dioshim: 20[0-9] misaligned requests$' "$SCRATCH/err")" 1 "$mode: and says how many"
done
shim --mode observe --fail-on-misaligned -- dd if="$SCRATCH/a/table" of=/dev/null bs=64k status=none
is $? 0 "an aligned program passes"
shim --mode observe --fail-on-misaligned -- sh -c "'$SITES' '$SCRATCH/b'; exit 7" 2>/dev/null
is $? 7 "a command that failed keeps its status"
(shim --mode observe --fail-on-misaligned -- sh -c "'$SITES' '$SCRATCH/b'; kill -TERM \$\$") 2>/dev/null
is $? 143 "and its signal"

done_testing
