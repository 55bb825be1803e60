"""Call sites of `dioshim run --json`, for tests.

  sites.py sums FILE            silent and 0 when the sites add up to the totals
  sites.py calls FILE [DEPTH]   "FUNCTION OP CALLS BYTES" of each site, a function's
                                callers behind it with "<" up to DEPTH
  sites.py misfits FILE         "FUNCTION OP ADDRESS OFFSET LENGTH WHAT..." of each

Functions are those of nm, in programs that were not stripped; the ledger's
offset is that in the file, which readelf translates.
"""
import bisect
import functools
import json
import os
import re
import subprocess
import sys

COPIES = ("not_file", "in_kernel")  # no site is asked for these


def run(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout


@functools.lru_cache(None)
def symbols(module):
    """Sorted (address, end, name) and the loaded parts (offset, size, address)."""
    names, parts = [], []
    for line in run("nm", "-S", module).splitlines():
        m = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (\S+)", line)
        if m:
            start, size = int(m[1], 16), int(m[2], 16)
            names.append((start, start + size, m[3]))
    for line in run("readelf", "-lW", module).splitlines():
        w = line.split()
        if w and w[0] == "LOAD":
            parts.append((int(w[1], 16), int(w[4], 16), int(w[2], 16)))
    return sorted(names), parts


def function(frame):
    module = frame.get("module")
    if not module:
        return "?"
    if not os.path.exists(module):
        return os.path.basename(module.replace(" (deleted)", ""))
    names, parts = symbols(module)
    for offset, size, address in parts:
        if offset <= frame["offset"] < offset + size:
            at = frame["offset"] - offset + address - 1  # the call, not what follows it
            i = bisect.bisect_right(names, (at, 1 << 64, "")) - 1
            if i >= 0 and at < names[i][1]:
                return names[i][2]
    return os.path.basename(module)


def name(site, depth):
    frames = site["frames"][:depth]
    return "<".join(map(function, frames)) if frames else "others"


def data(routes):
    return {k: v if isinstance(v, int) else v["bytes"]
            for k, v in routes.items() if k not in COPIES}


def sums(report):
    wrong = []

    def same(what, got, want):
        if got != want:
            wrong.append(f"{what}: sites {got}, all {want}")

    sites = report["sites"]

    def total(key, inner):
        return sum(s[key][inner] for s in sites)

    # A copy from file to file is nobody's request, and stands in two rows.
    copied = report["counters"]["copied_bytes"]
    all_routes = data(report["routes"])
    if copied:
        same("routes without copies",
             sum(total("routes", r) for r in all_routes),
             sum(all_routes.values()) - copied)
    else:
        for route, want in all_routes.items():
            same(f"route {route}", total("routes", route), want)
        for f in report["files"]:
            mine = [s for s in sites if not s["others"]
                    and (s.get("path"), s.get("path_hex")) == (f["path"], f.get("path_hex"))]
            if len([g for g in report["files"] if g["path"] == f["path"]]) > 1:
                continue  # one name, several files: sites tell them apart, this does not
            for route, want in data(f["routes"]).items():
                got = sum(s["routes"][route] for s in mine)
                same(f"{f['path']}: route {route}", got, want)
            for c, want in f["classes"].items():
                same(f"{f['path']}: class {c}", sum(s["classes"][c] for s in mine), want)
        for reason, want in report["reasons"].items():
            if reason.startswith(("copy_", "share_")):
                continue
            got = sum(s["reasons"].get(reason, {"bytes": 0})["bytes"] for s in sites)
            same(f"reason {reason}", got, want["bytes"])
    for c, want in report["classes"].items():
        same(f"class {c}", total("classes", c), want)
    same("classes of all", sum(report["classes"].values()),
         sum(sum(data(s["routes"]).values()) for s in sites))
    for counter in ("misaligned_calls", "refused_calls"):
        same(counter, sum(s[counter] for s in sites), report["counters"][counter])
    for s in sites:
        who = name(s, 1)
        for dim in ("address", "offset", "length"):
            d = s[dim]
            counted = sum(r["calls"] for r in d["remainders"])
            if not d["off_calls"] - 6 * d["uncounted_calls"] - d["uncounted_calls"] <= counted <= d["off_calls"]:
                wrong.append(f"{who}: remainders of {dim}: {counted} of {d['off_calls']}")
        if sum(s["length"]["calls_by_power_of_two"]) != s["calls"]:
            wrong.append(f"{who}: powers of two")
    return wrong


def calls(report, depth):
    for s in report["sites"]:
        print(name(s, depth), s["op"], s["calls"], sum(s["routes"].values()))


def misfits(report):
    for m in report["misfits"]:
        print(function(m["caller"]), m["op"], m["address"], m["offset"], m["length"], *m["off"])


def main():
    with open(sys.argv[2]) as f:
        report = json.load(f)
    if sys.argv[1] == "sums":
        wrong = sums(report)
        if not report["sites"]:
            wrong.append("no sites")
        print("\n".join(wrong), end="")
        return 1 if wrong else 0
    if sys.argv[1] == "calls":
        calls(report, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    else:
        misfits(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
