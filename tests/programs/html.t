#!/bin/bash
# The report as a page: its figures are the JSON's, nothing in it runs or loads
# anything, and a browser without scripts shows all of it. How sums grew.

. "$(dirname "$0")/../lib.sh"
need dd
scratch
cd "$SCRATCH" || exit 1

run() {		# ARGS: status in $status
	timeout -k 10 60 "$DIOSHIM" run "$@" >out 2>err
	status=$?
}
page() {	# NAME ARGS: of page.py
	local name=$1
	shift
	$PYTHON -I -S "$TESTS/page.py" "$@" >wrong 2>&1
	ok $? "$name" || diag_file wrong
}

# ---- pages of every kind -----------------------------------------------------

noise big 3000000
hostile=$'x"><script>alert(1)<!--<img src=x onerror=alert(2)>&amp;\n\xff'
cp big "$hostile"
sync -d big "$hostile"
many='for i in $(seq 24); do dd if=big of=f$i bs=5000 count=$((30 - i)) status=none; done'
run --dir d --backtrace=3 --html run.html --json run.json -- \
	sh -c "$many"'; dd if=big of=copy bs=100000 status=none; sleep 0.5; dd if="$0" of=copy bs=65536 status=none' "$hostile"
is $status 0 "run --html"
run --mode=strict --html strict.html --json strict.json -- dd if=big of=copy bs=1000 count=3 status=none
run --html plain.html --json plain.json -- dd if=big of=copy bs=65536 status=none
run --html killed.html --json killed.json -- sh -c 'dd if=big of=copy bs=65536 status=none; kill -9 $$'
is $status 137 "a killed command is one with --html, too"
run --html none.html --json none.json -- true
"$DIOSHIM" report d --explain --html report.html --json report.json >/dev/null
is $? 0 "report --html"
for form in run strict plain killed none report; do
	page "$form: the figures are the JSON's, and all there" figures $form.html $form.json
	page "$form: no script, nothing from elsewhere" closed $form.html
done
page "run: paths and commands are texts" texts run.html '"><script>alert(1)<!--<img src=x onerror=alert(2)>&amp; '$'\ufffd' "$PWD/x\"><script>"
page "colours have the contrast of WCAG AA" contrast run.html
ok "$(grep -q 'prefers-color-scheme:dark' run.html && grep -q '@media print' run.html && grep -q 'name=viewport' run.html; echo $?)" \
	"it knows dark mode, paper and phones"
ok "$(grep -q 'more files, summed' run.html; echo $?)" "what is summed is said"
ok "$(grep -q 'Requests that failed' strict.html && ! grep -q 'Requests that failed' plain.html; echo $?)" "requests that failed, where there are some"
ok "$(grep -q 'Not kept: it takes <code>--backtrace' plain.html; echo $?)" "what was not kept is said"
"$DIOSHIM" report d --html - >out
cmp -s out <("$DIOSHIM" report d --html /dev/stdout -o /dev/null)
ok $? "- is standard output, without the text"

# ---- over time ---------------------------------------------------------------

page "run: the picture over time ends in the sums" timeline run.html run.json 1
page "report: it was kept with the ledgers" timeline report.html report.json 1
is "$(sed -n '1s/[0-9]*$//p; 2p' d/dioshim.timeline)" \
	"dioshim timeline 1 "$'\n'"ms running calls zero_copy bounced staged cached in_kernel not_file" "dioshim.timeline: as it is documented"
ok "$(awk 'NR > 2 { if (NF != 9 || $1 < ms || $4 < sum) exit 1; ms = $1; sum = $4; n++ } END { exit !(n >= 6 && n < 300) }' d/dioshim.timeline; echo $?)" \
	"samples in order, growing, about ten a second" || diag_file d/dioshim.timeline
run --dir quiet -- dd if=big of=copy bs=65536 status=none
is "$(ls quiet | grep -c timeline)" 0 "nobody samples who was not asked to"
"$DIOSHIM" report quiet --html quiet.html >/dev/null
ok "$(grep -q 'Not sampled' quiet.html; echo $?)" "and the page says so"
run --dir d --html again.html --json again.json -- sh -c 'dd if=big of=copy bs=65536 status=none; sleep 0.2'
page "the second run in a folder shows its own" timeline again.html again.json 1
"$DIOSHIM" report d --html both.html >/dev/null
is "$(grep -c 'class=timeline' both.html)" 2 "its report shows both"
cp -r d damaged
for line in 'nonsense' 'dioshim timeline 1 5' '1 2 3' "$(printf '9%.0s' {1..40})"; do
	cp d/dioshim.timeline damaged/dioshim.timeline
	printf '%s\n' "$line" >>damaged/dioshim.timeline
	"$DIOSHIM" report damaged --html damaged.html >/dev/null 2>err
	is "$? $(grep -c 'dioshim.timeline: damaged' err)" "1 1" "a damaged timeline is named: ${line:0:20}"
done
rm -f damaged/dioshim.timeline
ln -s ../d/dioshim.timeline damaged/dioshim.timeline
"$DIOSHIM" report damaged >/dev/null 2>err
is $? 1 "one behind a link is not read"
run --dir damaged --html damaged.html -- true
ok "$([ $status = 0 ] && [ "$(sed -n 's/^dioshim timeline.*/x/p' d/dioshim.timeline | wc -l)" = 2 ]; echo $?)" "nor written to"

# ---- signals are the command's -----------------------------------------------

for signal in TERM HUP USR1; do
	"$DIOSHIM" run --html signal.html -- sh -c "trap 'echo got; exit 3' $signal; touch ready; for i in \$(seq 200); do sleep 0.05; done" >out 2>err &
	until [ -e ready ]; do sleep 0.02; done
	kill -$signal $!
	wait $!
	is "$? $(cat out)" "3 got" "SIG$signal reaches the command while it is sampled"
	rm ready
done
is "$(ls "$TMPDIR")" "" "no folder is left there"

# ---- in a browser ------------------------------------------------------------

browse() {	# ARGS: of chromium
	timeout -k 5 60 chromium --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update \
		--disable-sync --no-first-run --hide-scrollbars --user-data-dir="$SCRATCH/browser" "$@" 2>err
}
if command -v chromium >/dev/null; then
	for form in run report strict; do
		browse --dump-dom "file://$SCRATCH/$form.html" >$form.dom
		page "a browser shows all of it: $form" same $form.html $form.dom
	done
	for scheme in 0 1; do
		browse --blink-settings=preferredColorScheme=$scheme --window-size=800,600 \
			--screenshot="$SCRATCH/$scheme.png" "file://$SCRATCH/run.html" >out
	done
	ok "$([ -s 0.png ] && [ -s 1.png ] && ! cmp -s 0.png 1.png; echo $?)" "dark and light differ"
else
	skip "a browser shows all of it" "chromium is not installed"
fi

done_testing
