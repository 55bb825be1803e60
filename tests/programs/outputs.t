#!/bin/bash
# Other forms of a report: CSV, OpenMetrics, traces, the JSON's schema. Each is
# read by a tool that is not ours, and compared with the JSON.

. "$(dirname "$0")/../lib.sh"
need dd mkfifo
scratch
cd "$SCRATCH" || exit 1
ROOT=$(cd -P "$TESTS/.." && pwd)
PY=/usr/bin/python3	# the one that the packages are for
[ -x $PY ] || PY=$PYTHON

run() {		# ARGS: status in $status, texts in out and err
	timeout -k 10 60 "$DIOSHIM" run "$@" >out 2>err
	status=$?
}
report() {
	"$DIOSHIM" report "$@" >out 2>err
	status=$?
}
agrees() {	# NAME ARGS: of outputs.py
	local name=$1
	shift
	$PY -I "$TESTS/outputs.py" "$@" >wrong 2>&1
	ok $? "$name" || diag_file wrong
}
module() {	# NAME
	$PY -I -c "import $1" 2>/dev/null
}
agrees_by() {	# MODULE NAME ARGS
	local module=$1
	shift
	if module "$module"; then
		agrees "$@"
	else
		skip "$1" "python3's $module is not installed"
	fi
}
forms() {	# FOLDER NAME: kept ledgers in every form, against the JSON
	report "$1" --explain -o r.txt --json "$2.json" --csv "$2.csv" --openmetrics "$2.prom"
	is $status 0 "report of $1: every form at once"
	report "$1" --json "$2.json" --csv "$2.csv" --openmetrics "$2.prom"
	agrees "$2: CSV is the JSON" csv "$2.json" "$2.csv"
	agrees_by prometheus_client "$2: OpenMetrics is the JSON" metrics "$2.json" "$2.prom"
}

noise big 3000000
hostile=$'a,"b"\\<script>alert(1)<!--\n\xff=1'
cp big "$hostile"
sync -d big "$hostile"

# ---- runs of every kind ------------------------------------------------------

run --dir a --backtrace=3 --records=5000 --json direct.json --csv direct.csv --openmetrics direct.prom -o direct.txt \
	-- sh -c 'dd if=big of=copy bs=100000 status=none; cat <big >/dev/null; exec dd if="$0" of=copy bs=65536 status=none' "$hostile"
is $status 0 "run: every form at once"
agrees "run: CSV is the JSON" csv direct.json direct.csv
agrees_by prometheus_client "run: OpenMetrics is the JSON" metrics direct.json direct.prom
run --dir b --mode=observe --backtrace=1 --json observe.json -- dd if=big of=copy bs=100000 status=none
run --dir b --mode=strict --explain --json strict.json -- dd if=big of=copy bs=1000 count=3 status=none
ok "$([ "$status" != 0 ]; echo $?)" "strict: dd fails"
run --dir b --backtrace=3 --records=100 -- sh -c 'dd if=big of=copy bs=100000 status=none; cat <big >/dev/null'
run --dir b --json killed.json -- sh -c 'dd if=big of=copy bs=100000 status=none; kill -9 $$'
ok "$(grep -q '"state": "killed"' killed.json; echo $?)" "a process was killed"
ok "$(grep -q '"misfits_seen": [1-9]' strict.json; echo $?)" "requests were refused"
forms a one
forms b two
report a b --explain --json both.json --csv both.csv --openmetrics both.prom
report a b --json both.json
agrees "two folders: each figure is the sum of both" merge one.json two.json both.json
agrees "two folders: CSV is the JSON" csv both.json both.csv
agrees_by prometheus_client "two folders: OpenMetrics is the JSON" metrics both.json both.prom
mkdir many
run --dir many --openmetrics many.prom --json many.json --csv many.csv -- sh -c 'for i in $(seq 30); do dd if=big of=f$i bs=5000 count=$((40 - i)) status=none; done; rm f1; dd if=big of=f1 bs=4096 count=9 status=none; dd if=big of="say \"so" bs=5000 count=1 status=none'
agrees "of many files: CSV is the JSON" csv many.json many.csv
agrees_by prometheus_client "of many files 20 paths and the rest, one that was made anew once" metrics many.json many.prom
is "$(grep -c '^dioshim_file_bytes_total{.*file="(all others)"' many.prom)" \
	"$(sed -n 's/^dioshim_file_bytes_total{.*file="(all others)",route="\(.*\)"}.*/\1/p' many.prom | sort -u | wc -l)" "the rest is one series a route"

# ---- CSV as others read it ---------------------------------------------------

if command -v sqlite3 >/dev/null; then
	is "$(printf '.mode csv\n.import both.csv r\n.mode list\n%s\n' \
		"select sum(value) from r where scope='file' and kind='route' and name='bounced' and unit='bytes';" | sqlite3 2>&1)" \
		"$($PYTHON -I -S -c 'import json; print(sum(f["routes"]["bounced"]["bytes"] for f in json.load(open("both.json"))["files"]))')" \
		"sqlite3 imports it, and sums"
else
	skip "sqlite3 imports it, and sums" "sqlite3 is not installed"
fi
is "$(head -n 1 both.csv | tr -d '\r')" "scope,kind,name,unit,value,pid,start_ns,file,site" "the first line names the columns"

# ---- OpenMetrics is never half -----------------------------------------------

is "$(tail -n 1 direct.prom)" "# EOF" "OpenMetrics ends in EOF"
is "$(stat -c %a direct.prom)" 644 "a collector may read it"
mkdir spool
cp one.prom spool/x.prom
ln -s spool/x.prom link.prom
(for i in $(seq 15); do "$DIOSHIM" report b --openmetrics link.prom -o /dev/null || echo failed; done; touch written) >out 2>&1 &
halves=0
until [ -e written ]; do
	[ "$(tail -n 1 spool/x.prom)" = "# EOF" ] || halves=$((halves + 1))
done
wait
is "$halves $(cat out)" "0 " "whoever reads while it is written sees a whole one"
is "$(ls -A spool) $(readlink link.prom)" "x.prom spool/x.prom" "nothing else is left there, a link stays one"
report a --openmetrics /dev/null -o /dev/null
ok "$([ $status = 0 ] && [ -c /dev/null ]; echo $?)" "a device stays one"
report a --openmetrics -
is "$(tail -n 1 out; grep -c 'route  ' out)" "# EOF"$'\n'0 "- is standard output, without the text"
report a --csv - -o r.txt
cmp -s out one.csv
ok $? "the same of CSV"

# ---- what cannot be written --------------------------------------------------

for form in csv openmetrics html trace json output; do
	run --$form /nowhere/x -- touch ran
	ok "$([ $status = 125 ] && [ ! -e ran ] && grep -q '^dioshim: /nowhere/x: ' err; echo $?)" "run --$form: no such place is known before the command runs"
	report a --$form /nowhere/x
	is $status 125 "report --$form: no such place: 125"
done
for form in csv openmetrics html trace; do
	report a --$form /dev/full
	is $status 125 "report --$form: no room: 125"
done
run --trace x --trace-format xml -- touch ran
ok "$([ $status = 125 ] && [ ! -e ran ]; echo $?)" "no such format of a trace"

# ---- traces ------------------------------------------------------------------

report a --json one.json --trace t.jsonl -o r.txt
report a --trace t.json -o r.txt
agrees "a trace in both formats" trace one.json t.jsonl t.json
ok "$(grep -qE '^  trace: [1-9][0-9,]* requests kept, 0 older' r.txt; echo $?)" "the text says how many" || diag_file r.txt 50
report a --trace t2.json --trace-format json -o r.txt
cmp -s t2.json t.jsonl
ok $? "--trace-format is stronger than the suffix"
run --trace t.jsonl --json t.json -- dd if=big of=copy bs=100000 status=none
is "$(grep -c '"op": "read"' t.jsonl) $(grep -c '"op": "write"' t.jsonl)" "31 30" "run --trace keeps records, each request once"
is "$($PYTHON -I -S -c 'import json
r = [json.loads(line) for line in open("t.jsonl")][1:]
j = json.load(open("t.json"))
print(sum(x["copied_bytes"] for x in r) == j["copies"]["made_bytes"], sum(x["result"] for x in r if x["op"] == "read"), {tuple(x["off"]) for x in r if x["offset"] == 100000} >= {("offset", "length")} if all("offset" in x for x in r) else "no offset")')" \
	"True 3000000 True" "the copies of all requests are the report's, and what was off"
run --trace t.jsonl --records=8 -o r.txt -- dd if=big of=copy bs=100000 status=none
is "$(wc -l <t.jsonl) $(sed -n '1s/.*"kept": \([0-9]*\), "overwritten": \([0-9]*\).*/\1 \2/p' t.jsonl)" "9 8 53" "a user's --records is left alone; what was overwritten is said"
ok "$(grep -q 'trace: 8 requests kept, 53 older ones overwritten' r.txt; echo $?)" "in the text, too"
DIOSHIM_RECORDS=8 run --trace t.jsonl -- dd if=big of=copy bs=100000 status=none
is "$(wc -l <t.jsonl)" 9 "so is DIOSHIM_RECORDS"

# ---- the schema --------------------------------------------------------------

agrees "the schema's names are those of the lists" lists "$ROOT/docs/report.schema.json" "$ROOT/shim"
for form in direct observe strict killed one both; do
	agrees_by jsonschema "a report is what the schema says: $form" schema "$ROOT/docs/report.schema.json" $form.json
done
report a b --explain --json explained.json
agrees_by jsonschema "a report is what the schema says: merged, with names" schema "$ROOT/docs/report.schema.json" explained.json
if module jsonschema; then
	sed 's/"closes"/"shuts"/' one.json >odd.json
	! $PY -I "$TESTS/outputs.py" schema "$ROOT/docs/report.schema.json" odd.json >/dev/null
	ok $? "and what it does not say, is refused"
fi

done_testing
