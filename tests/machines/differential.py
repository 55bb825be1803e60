"""The driver of the differential machine; see differential.sh for its usage."""
import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import ledger  # noqa: E402

BUILD = os.environ["DIOSHIM_BUILD"]
DIOSHIM = os.path.join(BUILD, "dioshim")
PROGRAM = os.path.join(BUILD, "tests", "diff")

RUN_LIMIT = 60      # seconds one run may take
SHRINK_LIMIT = 60   # seconds for making a sequence shorter


def settings(seed):
    """What the shim is told for this seed, and whether O_DIRECT is asked for."""
    rnd = random.Random(seed)
    direct = True
    chunk = rnd.choice([64, 64, 128, 256, 1024])
    options = ["--chunk", f"{chunk}K",
               "--pool", f"{chunk * rnd.choice([1, 2, 4, 16, 64])}K"]
    if rnd.randrange(6) == 0:
        options += ["--min-file", rnd.choice(["20000", "100K", "1M"])]
    # A file that is not routed gives a program that asks for O_DIRECT its EINVAL.
    other = rnd.randrange(20)
    if other == 0:
        options += ["--exclude", "a:c"]
    elif other == 1:
        options += ["--include", "b:d"]
    elif other == 2:
        options += ["--mode", "off"]
    if other <= 2 or rnd.randrange(2) == 0:
        direct = False
    return options, direct


class Sequence:
    """One seed: its two runs, and what differed."""

    def __init__(self, seed, length, folder, options=None):
        self.seed, self.length, self.folder = seed, length, folder
        self.options, self.direct = settings(seed)
        if options is not None:
            self.options = options.split()
            # What is not routed gives a program that asks for O_DIRECT its EINVAL.
            self.direct = self.direct and "--mode" not in self.options
        self.report = {}
        self.slots = {}     # act: the slots it had in the plain run of all

    def program(self, keep, reference):
        words = [PROGRAM]
        if reference:
            words.append("-b")
        if not self.direct:
            words.append("-n")
        if keep is not None:
            words += ["-k", self.listed(keep)]
        return words + [str(self.seed), str(self.length), self.work()]

    def listed(self, keep):
        """The acts to keep, each on the slots it had: -k's argument."""
        if isinstance(keep, str):
            return keep
        return ",".join(self.slots.get(n, str(n)) for n in keep)

    def work(self):
        return os.path.join(self.folder, "work")

    def execute(self, words):
        """(status, transcript, stderr) of one run in a fresh folder."""
        shutil.rmtree(self.work(), ignore_errors=True)
        os.mkdir(self.work())
        out = os.path.join(self.folder, "out")
        err = os.path.join(self.folder, "err")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        with open(os.open(out, flags, 0o600), "wb") as o, open(err, "wb") as e:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                       stdout=o, stderr=e,
                                       start_new_session=True)
            try:
                status = process.wait(RUN_LIMIT)
            except subprocess.TimeoutExpired:
                status = "too long"
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
        with open(out, errors="replace") as o, open(err, errors="replace") as e:
            return status, o.read().splitlines(), e.read().splitlines()

    def shimmed(self, keep):
        path = os.path.join(self.folder, "ledger.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        words = [DIOSHIM, "run", "--json", path, "-o", "/dev/null",
                 *self.options, "--", *self.program(keep, False)]
        status, out, err = self.execute(words)
        return status, out, err, self.ledger_of(path)

    def ledger_of(self, path):
        """What is wrong with the ledger, a line each."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                ledger.closes(path)
            with open(path) as f:
                self.report = json.load(f)
        except (OSError, ValueError, KeyError) as e:
            return [f"no ledger: {e}"]
        return said.getvalue().splitlines()

    def differs(self, keep=None):
        """The lines to show, or [] when the runs are equal."""
        plain = self.execute(self.program(keep, True))
        if keep is None:
            self.slots = {int(word.split(":")[0]): word for line in plain[1]
                          for word in re.findall(r"^\d+:\d+:\d+", line)}
        shim = self.shimmed(keep)
        lines, at = [], None
        if plain[1] != shim[1]:
            at = next((i for i, (a, b) in enumerate(zip(plain[1], shim[1]))
                       if a != b), min(len(plain[1]), len(shim[1])))
            lines += [f"  {line}" for line in plain[1][:at]]
            for name, out in ("plain", plain[1]), ("shim ", shim[1]):
                lines += [f"{name} {out[at] if at < len(out) else '(nothing)'}"]
            after = sum(a != b for a, b in zip(plain[1][at + 1:], shim[1][at + 1:]))
            lines += [f"  ({after} of the lines after it differ)"]
        for what, a, b in ("status", plain[0], shim[0]), ("stderr", plain[2], shim[2]):
            if a != b or a not in (0, []):
                lines += [f"{what}: plain {a}, shim {b}"]
        if (lines or shim[3]) and at is None:
            lines = [f"  {line}" for line in plain[1]] + lines
        return lines + [f"ledger: {line}" for line in shim[3]]

    def first_difference(self, lines):
        """The number of the act that differed first, or the last one."""
        for line in lines:
            found = re.match(r"plain (\d+):", line)
            if found:
                return int(found[1])
        return self.length - 1


def shrink(sequence, lines):
    """Delta debugging, bounded: the acts that are needed, and what they show."""
    until = time.monotonic() + SHRINK_LIMIT
    keep = list(range(sequence.length))     # this one is known to differ
    shorter = list(range(sequence.first_difference(lines) + 1))
    found = sequence.differs(shorter)
    if found:
        keep, lines = shorter, found
    size = max(1, len(keep) // 2)
    while time.monotonic() < until:
        at, smaller = 0, False
        while at < len(keep) and time.monotonic() < until:
            fewer = keep[:at] + keep[at + size:]
            found = sequence.differs(fewer) if fewer else []
            if found:
                keep, lines, smaller = fewer, found, True
            else:
                at += size
        if size == 1 and not smaller:
            break
        size = max(1, size // 2)
    simpler(sequence, keep)
    return keep, sequence.differs(keep) or lines


def simpler(sequence, keep):
    """Without the settings that do not matter."""
    at = 0
    while at < len(sequence.options):
        whole = sequence.options
        sequence.options = whole[:at] + whole[at + 2:]
        if not sequence.differs(keep):
            sequence.options = whole
            at += 2


def explain(sequence, lines):
    say = lambda text: print(f"# {text}", flush=True)  # noqa: E731
    say(f"seed {sequence.seed} differs with {' '.join(sequence.options)}")
    again = sequence.differs()
    if not again:
        say("once, not when it was run again; it said:")
        keep, lines = None, lines[-12:]
    else:
        keep, lines = shrink(sequence, again)
    for line in lines[-60:]:
        say("    " + line[:400])
    options = f" --options='{' '.join(sequence.options)}'"
    if keep is not None:
        options += f" --keep {sequence.listed(keep)}"
    say("again: tests/machines/differential.sh"
        f"{options} FOLDER {sequence.seed} 1 {sequence.length}")


def totals(report, sums):
    for kind in "routes", "reasons":
        for name, row in report.get(kind, {}).items():
            sums[name] = sums.get(name, 0) + row["bytes"]
    sums["copied"] = sums.get("copied", 0) + report.get("counters", {}).get("copied_bytes", 0)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--keep")
    parser.add_argument("--options")
    parser.add_argument("--failures", type=int, default=3)
    parser.add_argument("folder")
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("length", type=int)
    return parser.parse_args()


def run(args, folder):
    began, seed, failed, sums = time.monotonic(), args.first, 0, {}
    while (time.monotonic() - began < args.seconds if args.seconds
           else seed < args.first + args.count):
        sequence = Sequence(seed, args.length, folder, args.options)
        lines = sequence.differs(args.keep)
        totals(sequence.report, sums)
        if lines and args.keep:
            print("\n".join(lines))
        elif lines:
            explain(sequence, lines)
        failed += bool(lines)
        seed += 1
        if failed >= args.failures:
            print("# enough")
            break
    print(f"{seed - args.first} sequences of {args.length} operations from seed {args.first} on, "
          f"{failed} differ, in {time.monotonic() - began:.0f} s", flush=True)
    print("KiB by route and reason: " + ", ".join(
        f"{name} {n >> 10}" for name, n in sums.items() if n), flush=True)
    return 1 if failed else 0


def main():
    args = parse()
    if not os.path.exists(PROGRAM) or not os.path.exists(DIOSHIM):
        print(f"{PROGRAM} and {DIOSHIM} are not built", file=sys.stderr)
        return 2
    try:
        folder = tempfile.mkdtemp(prefix="differential.", dir=os.path.abspath(args.folder))
    except OSError as e:
        print(e, file=sys.stderr)
        return 2
    try:
        return run(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
