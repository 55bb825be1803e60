#!/bin/bash
# dioshim report: ledgers made by hand, with figures known beforehand.

. "$(dirname "$0")/../lib.sh"
need "${CC:=gcc}" jq
scratch
cd "$SCRATCH" || exit 1

# ledger FILE [NAME=VALUE...]: figures by their names in ledger.h and the lists
cat >ledger.c <<'E'
#include "ledger.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ledger l;

#define IS(name) (strcmp(key, name) == 0)

static void set(const char *key, char *value)
{
	struct ledger_file *row = &l.files[l.files_used];
	unsigned long long a = 0, b = 0;

	sscanf(value, "%llu:%llu", &a, &b);
#define FIELD(name, field) if (IS(name)) { l.field = a; return; }
	FIELD("version", version) FIELD("size", size)
	FIELD("routes_n", routes_n) FIELD("counters_n", counters_n)
	FIELD("reasons_n", reasons_n) FIELD("files_n", files_n)
	FIELD("files_used", files_used)
	FIELD("pid", pid) FIELD("ppid", ppid) FIELD("state", state)
	FIELD("start", start_ns) FIELD("end", end_ns)
	FIELD("rchar0", witness.rchar0) FIELD("wchar0", witness.wchar0)
	FIELD("rchar", witness.rchar) FIELD("wchar", witness.wchar)
	FIELD("w.seen_rchar", witness.seen_rchar)
	FIELD("w.seen_wchar", witness.seen_wchar)
	FIELD("readings", witness.readings)
#define COUNTER(name, unit, sentence) FIELD(#name, counters[COUNTER_##name])
#define ROUTE(name, copies, sentence) if (IS(#name)) { \
		l.routes[ROUTE_##name].calls = a; l.routes[ROUTE_##name].bytes = b; return; }
#include "counters.def"
#define REASON(name, route, sentence) if (IS("r." #name)) { \
		l.reasons[REASON_##name].calls = a; l.reasons[REASON_##name].bytes = b; return; }
#include "reasons.def"
	if (IS("command")) { strncpy(l.command, value, sizeof(l.command)); return; }
	if (IS("fill")) { memset(l.command, 'c', sizeof(l.command)); memset(l.files[0].path, 'p', LEDGER_PATH); return; }
	if (IS("row")) {	/* DEV,INO,MEM,OFFSET,DIRECT,BOUNCED,CACHED,READ,WRITTEN,PATH */
		unsigned long long v[9];
		int n = 0;
		sscanf(value, "%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%n", v, v + 1,
		       v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, &n);
		row->dev = v[0], row->ino = v[1], row->mem_align = v[2], row->offset_align = v[3];
		row->routes[ROUTE_zero_copy].bytes = v[4], row->routes[ROUTE_bounced].bytes = v[5];
		row->routes[ROUTE_cached].bytes = row->reason_bytes[REASON_edge] = v[6];
		row->read_bytes = v[7], row->written_bytes = v[8], row->used = 1;
		strncpy(row->path, value + n, sizeof(row->path));
		l.files_used++;
		return;
	}
	fprintf(stderr, "no %s in a ledger\n", key);
	exit(2);
}

int main(int argc, char **argv)
{
	FILE *f;

	memcpy(l.magic, LEDGER_MAGIC, 8);
	l.version = LEDGER_VERSION, l.size = sizeof(l);
	l.routes_n = ROUTES, l.counters_n = COUNTERS;
	l.reasons_n = REASONS, l.files_n = LEDGER_FILES;
	l.state = LEDGER_EXITED;
	for (int i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		*value++ = 0;
		set(argv[i], value);
	}
	f = fopen(argv[1], "w");
	return !f || fwrite(&l, sizeof(l), 1, f) != 1 || fclose(f);
}
E
"$CC" -std=gnu11 -I"$TESTS/../shim" -w ledger.c -o ledger || { diag "no ledger maker"; exit 1; }
ledger() { mkdir -p "$(dirname "$1")" && "$SCRATCH/ledger" "$@"; }

report() {	# ARGS: status in $status, texts in out and err
	"$DIOSHIM" report "$@" >out 2>err
	status=$?
}
has() {	# FILE PATTERN NAME
	grep -qE -- "$2" "$1"
	ok $? "$3" || diag_file "$1" 40
}
query() {	# EXPR WANT NAME: from r.json, by jq
	is "$(jq -c "$1" r.json 2>&1)" "$2" "$3"
}

# ---- one process -----------------------------------------------------------

one=(pid=100 ppid=1 start=1000000000 end=3500000000 command='prog --flag file'
	calls=1300 asked_bytes=12582912 not_transferred_bytes=1048576
	read_bytes=8388608 written_bytes=3145728 widened_bytes=4608
	zero_copy=1000:8388608 bounced=200:2097152 cached=100:1048576
	r.address=150:2000000 r.offset=50:97152 r.edge=100:1048576
	rchar0=832 wchar0=0 rchar=9000832 wchar=3145728
	w.seen_rchar=8388608 w.seen_wchar=3145728
	seen_rchar=8388608 seen_wchar=3145728 readings=2
	'row=2049,77,512,4096,8388608,2097152,1048576,8388608,1048576,/data/big file'
	'row=2049,78,512,512,0,0,0,0,0,/data/untouched')
ledger one/dioshim.100.0 "${one[@]}"
report one/dioshim.100.0 --json r.json
is $status 0 "one good ledger: status 0"
is "$(cat err)" "" "nothing on standard error"
has out '^dioshim: prog --flag file$' "the header names the command"
has out '^ +1 process, 2\.50 s$' "and processes and time"
has out '^  zero-copy +1,000 +8\.0 MiB +72\.7 % +0 +direct, in the program' "zero-copy row"
has out '^  bounced +200 +2\.0 MiB +18\.2 % +1 ' "bounced row"
has out '^  cached +100 +1\.0 MiB +9\.1 % +1 ' "cached row"
has out 'copies: 3\.0 MiB made, 8\.0 MiB saved of the 11\.0 MiB a buffered run would have made \(72\.7 %\)' "copies"
has out 'reads widened .* 4\.5 KiB' "widened reads"
has out '^ +150 +1\.9 MiB  the buffer.s address is not a multiple' "a reason in its own sentence"
is "$(grep -A1 'what stopped' out | tail -1 | awk '{print $1}')" 150 "the largest reason first"
has out '^  /data/big file +8\.0 MiB +1\.0 MiB +72\.7 % +512/4096$' "a file row"
has out 'the kernel counted 11\.6 MiB \(rchar \+ wchar\): 11\.0 MiB seen by the shim, 597\.1 KiB not seen \(stdio$' "the witness"
! grep -qE 'staged|in-kernel|not-file|append|untouched +0|CLOSE' out
ok $? "what is zero is left out" || diag_file out
is "$(awk 'length > 100' out)" "" "no line is longer than 100 columns"
$PYTHON -I -S "$TESTS/ledger.py" closes r.json; ok $? "the JSON closes, all its identities"
query '[.routes.zero_copy.bytes,.routes.bounced.calls,.routes.staged.bytes]' '[8388608,200,0]' "JSON: routes"
query '[.copies.made_bytes,.copies.saved_bytes]' '[3145728,8388608]' "JSON: copies"
query '[.reasons.address.calls,.reasons.edge.bytes,.reasons.append.bytes]' '[150,1048576,0]' "JSON: reasons"
query '[.witness.rchar,.witness.wchar,.witness.seen_bytes,.witness.unseen_bytes]' '[9000000,3145728,11534336,611392]' "JSON: witness"
query '.files[0]|[.path,.dev,.ino,.mem_align,.offset_align,.block_device,.reasons.edge.bytes,.read_bytes,.written_bytes]' \
	'["/data/big file",2049,77,512,4096,false,1048576,8388608,1048576]' "JSON: files"
query '.processes[0]|[.pid,.ppid,.state,.command,.routes.cached.bytes,.counters.calls,.closes]' \
	'[100,1,"exited","prog --flag file",1048576,1300,true]' "JSON: processes"
is "$(jq -c '.reasons|keys' r.json)" "$(sed -n 's/^REASON(\([a-z_]*\).*/\1/p' "$TESTS/../shim/reasons.def" | LC_ALL=C sort | jq -Rsc 'split("\n")[:-1]')" \
	"JSON: every reason of the list is there"
report one -o text --json -
is "$(jq .routes.zero_copy.calls out)" 1000 "-o FILE and --json - together"
has text '^  zero-copy' "the text is in FILE"
report one --json -
ok "$(jq . out >/dev/null; echo $?)" "--json - alone: nothing but JSON on standard output"

# ---- merging ---------------------------------------------------------------

ledger two/dioshim.100.0 "${one[@]}"
ledger two/dioshim.101.0 "${one[@]}" pid=101 start=2000000000 end=6000000000
ledger two/dioshim.102.0 pid=102 start=2500000000 end=2500000001 command=other \
	zero_copy=1:10 asked_bytes=10 readings=1 \
	'row=2049,77,512,4096,10,0,0,10,0,/data/renamed' 'row=0,0,0,0,7,0,0,7,0,' 'row=2050,77,4,512,0,0,0,0,5,/data/big file'
ledger two/dioshim.103.0 pid=103 start=2600000000 end=2600000001 'row=0,0,0,0,3,0,0,3,0,'
touch two/dioshim.1 two/notes two/dioshim.1.2.bak
report two --json r.json
is $status 0 "a folder: its ledgers, and no other files"
query '[.routes.zero_copy.calls,.routes.zero_copy.bytes,.counters.asked_bytes,.witness.unseen_bytes]' \
	'[2001,16777226,25165834,1222784]' "figures merge by addition"
query '[.files[]|[.dev,.ino,.path,.read_bytes,.written_bytes]]|sort' \
	'[[0,0,"(other files)",10,0],[2049,77,"/data/big file",16777216,2097152],[2049,77,"/data/renamed",10,0],[2049,78,"/data/untouched",0,0],[2050,77,"/data/big file",0,5]]' \
	"files merge by device, inode and path; overflow rows together"
query '.files[0].path' '"/data/big file"' "the largest file first"
query '.elapsed_ns' 5000000000 "time from the first start to the last end"
query '[.processes[].pid]' '[100,101,102,103]' "processes by their start"
report two/dioshim.100.0 two/dioshim.101.0 --json r.json
query '.routes.zero_copy.calls' 2000 "files named one by one merge too"

for i in {1..12}; do rows+=("row=1,$i,0,0,$i,0,0,$i,0,/d/$i"); done
ledger many/dioshim.1.0 "${rows[@]}"
report many
is "$(grep -c '^  /d/' out)" 8 "the text has the eight largest files"
has out '^  and 4 more$' "and counts the others"

# ---- children are counted once ---------------------------------------------
# The kernel adds to a process the bytes of the children that it waited for.

parent=(pid=10 ppid=1 start=100 end=900 rchar0=50 rchar=1350 wchar=1000 readings=1
	seen_rchar=200 w.seen_rchar=200)
child=(pid=11 ppid=10 start=200 end=300 rchar0=100 rchar=1000 wchar=1000 readings=1
	seen_rchar=800 w.seen_rchar=800 seen_wchar=1000 w.seen_wchar=1000)
ledger tree/dioshim.10.0 "${parent[@]}"
ledger tree/dioshim.11.0 "${child[@]}"
report tree --json r.json
query '[.witness.rchar,.witness.wchar,.witness.seen_bytes,.witness.unseen_bytes]' '[1200,1000,2000,200]' "a child that was waited for counts once"
query '[.processes[].witness.children_bytes]' '[2000,0]' "and is named as such"
ledger tree/dioshim.10.0 "${parent[@]}" rchar=1150
report tree --json r.json
query '[.witness.rchar,.witness.wchar]' '[2000,2000]' "a child for which the parent's count has no room was not waited for"
ledger tree/dioshim.10.0 "${parent[@]}" end=250
report tree --json r.json
query '.witness.wchar' 2000 "nor was one that ended after its parent"
ledger tree/dioshim.10.0 "${parent[@]}" start=201
report tree --json r.json
query '.witness.wchar' 2000 "nor one that is older"
ledger tree/dioshim.10.0 "${parent[@]}"
ledger tree/dioshim.11.0 "${child[@]}" state=2 rchar=500 wchar=500
ledger tree/dioshim.11.1 "${child[@]}" start=300 end=400
report tree --json r.json
query '[.processes[].witness.children_bytes]' '[2000,0,0]' "an exec in the child does not make it two"

# ---- processes without a last word -----------------------------------------

ledger killed/dioshim.20.0 pid=20 state=0 readings=0 zero_copy=1:5 asked_bytes=5 seen_rchar=5
ledger killed/dioshim.21.0 pid=21 state=0 readings=1 rchar=100 w.seen_rchar=60 seen_rchar=90
report killed --json r.json
has out '1 process left no last reading \(killed\): not in this line' "a process never read is said to be missing"
has out '1 process was killed after a reading' "one read before its end too"
query '[.witness.processes,.witness.unread_processes,.witness.unseen_bytes]' '[1,1,40]' "JSON: unread processes"
query '[.processes[].state]' '["killed","killed"]' "JSON: their state"
ok "$(jq -e .closes r.json >/dev/null; echo $?)" "both close"

# ---- ledgers that do not close ---------------------------------------------

open() {	# NAME FIGURE... : one figure is wrong
	local name=$1
	shift
	ledger open/dioshim.100.0 "${one[@]}" "$@"
	report open
	is $status 0 "$name: the report is printed"
	has out 'LEDGER DOES NOT CLOSE: process 100: ' "$name: loudly"
	report --check open
	is $status 1 "$name: --check exits 1"
	report open --json r.json
	query '[.closes,.processes[0].closes]' '[false,false]' "$name: JSON says so"
}
open "a byte asked for and lost" asked_bytes=12582913
open "a byte without a reason" r.edge=100:1048575
open "a read that the kernel does not know" rchar=8389439
open "a write that the kernel does not know" wchar=3145727
report --check one
is $status 0 "--check of a good ledger"

# ---- damaged, foreign, newer -----------------------------------------------

refuse() {	# NAME PATTERN [FILE]
	report "${3:-bad}"
	is $status 1 "$1: exit 1"
	is "$(wc -l <err)" 1 "$1: one line"
	has err "^dioshim: ${3:-bad}: $2" "$1: a clear one"
	is "$(cat out)" "" "$1: no report"
}
ledger good "${one[@]}"
head -c 5000 good >bad;			refuse "truncated" 'truncated: 5000 of [0-9]+ bytes'
head -c 30 good >bad;			refuse "truncated in its head" 'not a ledger'
{ cat good; echo; } >bad;		refuse "longer" 'longer than a ledger'
: >bad;					refuse "empty" 'empty'
head -c "$(stat -c %s good)" /dev/zero >bad;	refuse "never begun" 'empty'
seq 100000 >bad;			refuse "foreign" 'not a ledger'
ledger bad version=3;			refuse "newer" 'a newer dioshim made it \(format 3, this one reads 2\)'
ledger bad version=1;			refuse "older" 'another dioshim made it \(format 1, this one reads 2\)'
ledger bad version=0;			refuse "older" 'another dioshim made it'
ledger bad reasons_n=99;		refuse "other reasons" 'another dioshim made it \(its lists differ\)'
ledger bad size=4096;			refuse "another size" 'another dioshim made it'
ledger bad routes_n=7;			refuse "other routes" "another dioshim made it"
ledger bad counters_n=1;		refuse "other counters" "another dioshim made it"
ledger bad files_n=3;			refuse "fewer file rows" "another dioshim made it"
rm bad; ln -s good bad;			refuse "a link" 'a symbolic link'
rm bad; mkfifo bad;			refuse "a FIFO" 'not a regular file'
rm bad; mkdir bad;			refuse "an empty folder" 'no ledger in this folder'
refuse "missing" 'No such file' nowhere
refuse "a device" 'not a regular file' /dev/zero
ledger mixed/dioshim.1.0 "${one[@]}"
seq 9 >mixed/dioshim.2.0
report mixed
is $status 1 "one bad among good ones: exit 1"
has err 'mixed/dioshim\.2\.0: not a ledger' "the bad one is named"
has out '^  zero-copy +1,000' "the good ones are reported"

# ---- texts that end nowhere, bytes that are no text --------------------------

ledger wild "${one[@]}" fill=1 files_used=4000000000 state=77
report wild --json r.json
is $status 0 "unterminated texts and wild counts: read within bounds"
query '[(.processes[0].command|length),(.files[0].path|length),.processes[0].state]' '[255,391,"unknown"]' "and cut off there"
is "$(awk '/^  pp/ { print length }' out)" 100 "a long path is shortened"
path=$'/a "b"\\ \t\n\x01\x7f\u00e4\u20ac\U0001f600 \xff\xc0\x80\xed\xa0\x80\xf5'
ledger odd/dioshim.1.0 "row=1,2,512,512,5,0,0,5,0,$path" command=$'x\x1b[31m\xc2\x9by\xe2\x82'
report odd --json r.json
is "$($PYTHON -I -S -c 'import json,sys; f=json.load(open("r.json", encoding="utf-8"))["files"][0]; sys.stdout.write(bytes.fromhex(f["path_hex"]).hex())')" \
	"$(printf %s "$path" | od -An -v -tx1 | tr -d ' \n')" "JSON: a path that is not UTF-8 is also there byte for byte"
is "$($PYTHON -I -S -c 'import json; print(json.load(open("r.json", encoding="utf-8"))["files"][0]["path"] == b"/a \"b\"\\ \t\n\x01\x7f".decode() + "\u00e4\u20ac\U0001f600 " + "\ufffd" * 7)')" \
	True "JSON: its text, what is wrong replaced, the rest kept"
ok "$(jq -e . r.json >/dev/null; echo $?)" "jq reads it"
is "$(LC_ALL=C tr -d '\n' <out | LC_ALL=C tr -d ' -~' | od -An -tx1 | tr -d ' ')" c3a4e282acf09f9880 "no control character reaches the terminal"
ledger plain "row=1,2,512,512,5,0,0,5,0,/ä"
report plain --json r.json
query '.files[0]|[.path,has("path_hex")]' '["/ä",false]' "JSON: a plain path needs no hex"

# ---- its own failures --------------------------------------------------------

report;				is $status 125 "nothing to report on: 125"
report --nope one;		is $status 125 "an unknown option: 125"
report one -o /nowhere/x;	is $status 125 "no place for the text: 125"
has err '^dioshim: /nowhere/x: No such' "said plainly"
report one --json /dev/full;	is $status 125 "no room for the JSON: 125"
report --help;			is $status 0 "--help"

done_testing
