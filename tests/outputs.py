"""The outputs of a report against its JSON, for tests. Silent and 0 when right.

  outputs.py csv JSON CSV            every line, and nothing left out
  outputs.py metrics JSON FILE       parsed by prometheus_client
  outputs.py schema SCHEMA JSON...   validated by jsonschema
  outputs.py lists SCHEMA SHIM       its names against the .def lists
  outputs.py merge A B BOTH          the JSON of two folders, and of both
  outputs.py trace JSON LINES CHROME the same requests in both formats
"""
import csv
import json
import re
import sys
from pathlib import Path

WRONG = []


def same(what, got, want):
    if got != want:
        WRONG.append(f"{what}: {got!r}, not {want!r}")


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


# ---- CSV ----

def place(code):
    if "module" in code:
        return f"{code['module']}+{code['offset']:#x}"
    return f"{code['address']:#x}" if code["address"] else ""


def site_name(site):
    others = " (all other call sites)" if site["others"] else ""
    frames = [place(code) for code in site["frames"]]
    return f"{site['op']}{others}" + ("" if not frames else " " + " < ".join(frames))


def books(part):
    for kind, key in (("route", "routes"), ("reason", "reasons")):
        for name, row in part.get(key, {}).items():
            row = {"bytes": row} if isinstance(row, int) else row
            for unit, value in row.items():
                yield (kind, name, unit), value
    for name, value in part["classes"].items():
        yield ("class", name, "bytes"), value


def wanted(report):
    """(scope, pid, start, file, site, kind, name, unit) -> figure, summed."""
    sums = {}

    def add(scope, who, what, value):
        if value or scope == "all":
            key = (scope, *who, *what)
            sums[key] = sums.get(key, 0) + value

    nobody = ("", "", "", "")
    for what, value in books(report):
        add("all", nobody, what, value)
    for key, kind in (("copies", "copies"), ("witness", "witness")):
        for name, value in report[key].items():
            if not name.endswith("processes"):
                add("all", nobody, (kind, name, "bytes"), value)
    for f in report["files"]:
        who = ("", "", f["path"], "")
        for what, value in books(f):
            add("file", who, what, value)
        for name in ("read_bytes", "written_bytes"):
            add("file", who, ("total", name, "bytes"), f[name])
    for p in report["processes"]:
        who = (str(p["pid"]), str(p["start_ns"]), "", "")
        for what, value in books(p):
            add("process", who, what, value)
    for s in report["sites"]:
        who = ("", "", s.get("path", ""), site_name(s))
        for what, value in books(s):
            add("site", who, what, value)
        for name in ("calls", "failed_calls", "asked_bytes", "copied_bytes", "misaligned_calls", "refused_calls"):
            add("site", who, ("total", name, "bytes" if name.endswith("bytes") else "calls"), s[name])
        for dim in ("address", "offset", "length"):
            for i, calls in enumerate(s[dim]["calls_by_power_of_two"]):
                add("site", who, (f"{dim}_power", str(1 << i), "calls"), calls)
    return sums


def check_csv(json_path, csv_path):
    report = load(json_path)
    lines = re.sub(rb'"[^"]*"', b"", Path(csv_path).read_bytes())
    same("lines that do not end in CR LF", lines.count(b"\n") - lines.count(b"\r\n"), 0)
    with open(csv_path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, strict=True))
    got, counters, texts = {}, {}, {}
    for row in rows:
        if None in row or None in row.values():
            WRONG.append(f"a line of another length: {row}")
        who = (row["scope"], row["pid"], row["start_ns"], row["file"], row["site"])
        if row["unit"] == "text":
            texts[who[:2] + (row["name"],)] = row["value"]
        elif row["kind"] == "counter":
            counters[who[:3] + (row["name"],)] = int(row["value"])
        elif row["kind"] in ("route", "reason", "class", "copies", "witness", "total") or row["kind"].endswith("_power"):
            key = (*who, row["kind"], row["name"], row["unit"])
            got[key] = got.get(key, 0) + int(row["value"])
    want = wanted(report)
    got = {k: v for k, v in got.items() if not (k[0] == "process" and k[5] == "witness")}
    for key in sorted(set(want) | set(got)):
        same(f"csv {key}", got.get(key), want.get(key))
    for name, value in report["counters"].items():
        same(f"counter {name}", counters.get(("all", "", "", name)), value)
    for p in report["processes"]:
        for name, value in p["counters"].items():
            same(f"counter {name} of {p['pid']}",
                 counters.get(("process", str(p["pid"]), str(p["start_ns"]), name), 0), value)
    same("command", texts.get(("all", "", "command")), report["command"])


# ---- OpenMetrics ----

def check_metrics(json_path, path):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    report = load(json_path)
    families = {f.name: f for f in text_string_to_metric_families(Path(path).read_text(encoding="utf-8"))}
    command = report["command"] or report["processes"][0]["command"]

    def values(name, *labels):
        result = {}
        for s in families[name].samples:
            same(f"{name}: command", s.labels["command"], command)
            same(f"{name}: labels", set(s.labels), {"command", *labels})
            key = tuple(s.labels[label] for label in labels)
            result[key if len(key) != 1 else key[0]] = s.value
        return result

    for family, label, key in (("", "route", "routes"), ("reason_", "reason", "reasons")):
        for unit in ("bytes", "calls"):
            same(f"{key} {unit}", values(f"dioshim_{family}{unit}", label),
                 {name: row[unit] for name, row in report[key].items()})
    same("classes", values("dioshim_class_bytes", "class"), report["classes"])
    same("copies", values("dioshim_copies_bytes", "copies"),
         {name[:-6]: value for name, value in report["copies"].items()})
    same("kernel", values("dioshim_kernel_bytes", "seen"),
         {"yes": report["witness"]["seen_bytes"], "no": report["witness"]["unseen_bytes"]})
    counters = {n[len("dioshim_counter_"):]: f for n, f in families.items() if n.startswith("dioshim_counter_")}
    same("number of counters", len(counters), len(report["counters"]))
    for name, value in report["counters"].items():
        family = counters.get(name) or counters.get(f"{name}_bytes")
        same(f"counter {name}", family and family.samples[0].value, value)
    for f in families.values():
        if not f.documentation or f.type not in ("counter", "gauge"):
            WRONG.append(f"{f.name}: type {f.type}, help {f.documentation!r}")
    files = values("dioshim_file_bytes", "file", "route")
    paths = {path for path, _ in files} - {"(all others)"}
    if len(paths) > 20:
        WRONG.append(f"{len(paths)} paths")
    for route in report["routes"]:
        for path in paths:
            same(f"{route} of {path}", files.get((path, route), 0),
                 sum(f["routes"][route]["bytes"] for f in report["files"] if f["path"] == path))
        same(f"{route} of all files", sum(v for (_, r), v in files.items() if r == route),
             sum(f["routes"][route]["bytes"] for f in report["files"]))


# ---- the schema ----

def check_schema(schema, *reports):
    import jsonschema
    validator = jsonschema.Draft202012Validator
    validator.check_schema(load(schema))
    for path in reports:
        for e in validator(load(schema)).iter_errors(load(path)):
            WRONG.append(f"{path}: {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}")


def check_lists(schema, shim):
    definitions = load(schema)["$defs"]

    def names(macro, file):
        return re.findall(rf"^{macro}\((\w+)", (Path(shim) / file).read_text(), re.M)

    for macro, file, keys in (("ROUTE", "counters.def", ["routes"]), ("COUNTER", "counters.def", ["counters"]),
                              ("CLASS", "counters.def", ["classes"]),
                              ("REASON", "reasons.def", ["reasons", "reason_bytes"])):
        for key in keys:
            same(f"names of {key}", list(definitions[key]["properties"]), names(macro, file))
    same("names of site.routes", list(definitions["site"]["properties"]["routes"]["properties"]),
         names("ROUTE", "counters.def"))
    same("align_from", definitions["align_from"]["enum"], names("ALIGN", "counters.def"))

    def closed(where, part):
        if isinstance(part, dict):
            if part.get("type") == "object" and part.get("additionalProperties") is not False:
                WRONG.append(f"{where} is open")
            for key, value in part.items():
                closed(f"{where}/{key}", value)

    closed("", load(schema))


# ---- merging ----

def keyed(report):
    """Lists of files and sites by what makes them one; what does not add goes."""
    report = json.loads(json.dumps(report))
    for name in ("command", "command_hex", "elapsed_ns", "closes", "classified", "processes", "misfits", "swiotlb"):
        report.pop(name, None)
    report["files"] = {(f.pop("path"), f.pop("dev"), f.pop("ino")): f for f in report["files"]}
    sites = {}
    for s in report["sites"]:
        for dim in ("address", "offset", "length"):
            d = s[dim]
            d["rests"] = sum(r["calls"] for r in d.pop("remainders")) + d.pop("uncounted_calls")
            d["calls_by_power_of_two"] = dict(enumerate(d["calls_by_power_of_two"]))
        sites[(s.pop("op"), str(s.pop("frames")), s.pop("path", None))] = s
    report["sites"] = sites
    for row in [*report["files"].values(), *sites.values()]:
        for name in ("mem_align", "offset_align", "write_align", "align_from", "block_device", "others", "path_hex"):
            row.pop(name, None)
    return report


def flat(where, part):
    if isinstance(part, dict):
        for key, value in part.items():
            yield from flat((*where, key), value)
    else:
        yield where, part


def check_merge(a, b, both):
    a, b, both = (dict(flat((), keyed(load(path)))) for path in (a, b, both))
    for key in sorted(set(a) | set(b) | set(both), key=str):
        same(f"{key}", both.get(key, 0), a.get(key, 0) + b.get(key, 0))
    same("something was added", len([k for k in both if k in a and k in b and a[k] and b[k]]) > 30, True)


# ---- traces ----

def check_trace(json_path, lines, chrome):
    report = load(json_path)
    head, *requests = [json.loads(line) for line in Path(lines).read_text(encoding="utf-8").splitlines()]
    trace = load(chrome)
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    for what in (head, trace["otherData"]):
        same("kept", what["kept"], report["records"]["kept"])
        same("overwritten", what["overwritten"], report["records"]["overwritten"])
        same("incomplete", what["incomplete"], report["records"]["incomplete"])
    same("lines", len(requests), head["kept"])
    same("events", len(events), head["kept"])
    same("by time", [r["start_ns"] for r in requests], sorted(r["start_ns"] for r in requests))
    first = min(p["start_ns"] for p in report["processes"])
    last = max(p["end_ns"] for p in report["processes"])
    for r, e in zip(requests, events):
        if not first <= r["start_ns"] <= r["start_ns"] + r["ns"] <= last:
            WRONG.append(f"{r['start_ns']} + {r['ns']} is not in the run")
        ns = r["start_ns"] - trace["otherData"]["first_ns"]
        same("ts", round(e["ts"] * 1000), ns)
        same("dur", round(e["dur"] * 1000), r["ns"])
        same("event", (e["name"], e["pid"], e["tid"], e["cat"]), (r["op"], r["pid"], r["tid"], r.get("route", "none")))
        for name, value in e["args"].items():
            same(f"args.{name}", value, r[name])
    titles = {e["pid"] for e in trace["traceEvents"] if e["ph"] == "M"}
    same("processes named", titles, {p["pid"] for p in report["processes"]})


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"](*sys.argv[2:])
    for line in WRONG[:20]:
        print(line)
    sys.exit(1 if WRONG else 0)
