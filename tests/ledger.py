"""The report of `dioshim run --json`, for tests.

  ledger.py closes FILE        silent and 0 when every identity holds
  ledger.py json FILE EXPR     the value of a Python expression over the names
                               of the report: routes.zero_copy.bytes
"""
import json
import sys
from types import SimpleNamespace

HUGE = 1 << 62  # beyond it: a sum below zero, as unsigned 64 bits show it


def bytes_of(sums):
    return {name: row["bytes"] for name, row in sums.items()}


class Closing:
    def __init__(self):
        self.wrong = []

    def same(self, where, what, left, right):
        if left != right:
            self.wrong.append(f"{where}: {what}: {left} != {right} "
                              f"(difference {left - right})")

    def sane(self, where, numbers):
        for name, number in numbers.items():
            if not 0 <= number < HUGE:
                self.wrong.append(f"{where}: {name} is {number}")

    def one(self, where, part):
        counters, routes = part["counters"], bytes_of(part["routes"])
        witness = part["witness"]
        self.sane(where, counters)
        self.sane(where, routes)
        self.sane(where, {k: v for k, v in witness.items()
                          if isinstance(v, int)})
        self.same(where, "asked_bytes = routes + not_transferred_bytes",
                  counters["asked_bytes"],
                  sum(routes.values()) + counters["not_transferred_bytes"])
        self.same(where, "seen + unseen = rchar + wchar",
                  witness["seen_bytes"] + witness["unseen_bytes"],
                  witness["rchar"] + witness["wchar"])
        self.same(where, "reasons = routes but zero-copy",
                  sum(bytes_of(part["reasons"]).values()),
                  routes["bounced"] + routes["staged"]
                  + routes["cached"] + routes["in_kernel"])
        # The report's own verdict must be this one.
        self.same(where, "closes", part["closes"], True)

    def sums(self, report):
        processes = report["processes"]
        for name, total in report["counters"].items():
            self.same("sum", f"counters.{name} over processes",
                      sum(p["counters"][name] for p in processes), total)
        for name, total in report["routes"].items():
            for unit in ("calls", "bytes"):
                self.same("sum", f"routes.{name}.{unit} over processes",
                          sum(p["routes"][name][unit] for p in processes),
                          total[unit])
        # A byte copied file to file stands in the rows of both files.
        direct = ("zero_copy", "bounced", "staged")
        total = sum(report["routes"][name]["bytes"] for name in direct)
        rows = sum(f["routes"][name]["bytes"]
                   for f in report["files"] for name in direct)
        twice = report["counters"]["copied_bytes"]
        if not total <= rows <= total + twice:
            self.wrong.append(f"files: direct bytes {rows}, of all {total}, "
                              f"copied {twice}")


def closes(path):
    with open(path) as f:
        report = json.load(f)
    closing = Closing()
    if not report["processes"]:
        closing.wrong.append("no process left a ledger")
    closing.one("sum", report)
    for process in report["processes"]:
        closing.one(f"process {process['pid']} ({process['command']})",
                    process)
    closing.sums(report)
    for line in closing.wrong:
        print(line)
    return 1 if closing.wrong else 0


def value(path, expression):
    with open(path) as f:
        names = json.load(
            f, object_hook=lambda pairs: SimpleNamespace(**pairs))
    result = eval(expression, {"vars": vars}, vars(names))
    if isinstance(result, bool):
        result = int(result)
    print(result)
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "closes":
        sys.exit(closes(sys.argv[2]))
    sys.exit(value(sys.argv[2], sys.argv[3]))
