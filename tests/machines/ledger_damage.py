"""Damaged ledgers, for ledger_damage.t.

  ledger_damage.py DIOSHIM GOOD FOLDER

GOOD holds ledgers of real runs. Each is damaged in many ways; every time the
damaged one lies in FOLDER beside a good one, and is reported alone and with
it. One line per kind of damage: its name, how many, and what was wrong.
"""
import json
import os
import random
import struct
import subprocess
import sys

DIOSHIM, GOOD, FOLDER = sys.argv[1:]
PAGE = 4096
HEADER = 40             # bytes: magic, version, size, the lengths of the lists and of what follows
FIGURES = 376           # where the counters begin
BEFORE = "dioshim.1.0"  # the good one
BAD = "dioshim.2.0"


def report(*words):
    return subprocess.run([DIOSHIM, "report", *words, "--json", "-"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)


def put(name, data):
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(data)


def judge(done, processes, refused):
    """What is wrong with a report on the folder; None: nothing."""
    lines = done.stderr.decode("utf-8").splitlines()
    if done.returncode not in (0, 1):
        return f"status {done.returncode}"
    if (done.returncode == 1) != bool(lines):
        return f"status {done.returncode} with {lines}"
    if refused and not lines:
        return "taken for good"
    if refused is False and lines:
        return f"refused: {lines}"
    if len(lines) > 1 or any(f"/{BAD}: " not in line for line in lines):
        return f"complaint {lines}"
    if any(not c.isprintable() for line in lines for c in line):
        return f"not printable: {lines!r}"
    got = len(json.loads(done.stdout.decode("utf-8"))["processes"])
    if got != processes + (not lines):
        return f"{got} processes reported"
    return None


def kinds(good, other, rnd):
    """Name, must it be refused (None: may be), damaged bytes."""
    for at in range(HEADER):
        for value in {0, 255, good[at] ^ 1, (good[at] + 1) % 256} - {good[at]}:
            yield "header", True, good[:at] + bytes([value]) + good[at + 1:]
    for end in range(PAGE, len(good), PAGE):
        for n in (end - 1, end, end + 1):
            yield "truncated", True, good[:n]
    for n in range(1, 400, 7):
        yield "truncated", True, good[:n]
    for more in (1, PAGE, 1 << 20):
        yield "longer", True, good + bytes(more)
    for data in (bytes(range(256)) * 900, b"\n" * len(good), good[8:] + good[:8]):
        yield "foreign", True, data
    for at in range(HEADER, 1600, 24):
        for value in (0, 1 << 63, (1 << 64) - 1, rnd.getrandbits(64)):
            yield "a figure", False, good[:at] + struct.pack("<Q", value) + good[at + 8:]
    for _ in range(60):
        a, b = (rnd.randrange(1, len(good) // PAGE) * PAGE for _ in "ab")
        data = bytearray(good)
        data[a:a + PAGE], data[b:b + PAGE] = good[b:b + PAGE], good[a:a + PAGE]
        yield "pages exchanged", None, bytes(data[:len(good)])
    for end in range(PAGE, len(good), PAGE):
        yield "of two ledgers", False, good[:end] + other[end:]
        yield "a page of zeroes", False, good[:end] + bytes(PAGE)[:len(good) - end] + good[end + PAGE:]
    for n in (1, 10, 1000, 100000):
        for _ in range(10):
            data = bytearray(good)
            for _ in range(n):
                data[rnd.randrange(HEADER, len(data))] = rnd.getrandbits(8)
            yield f"{n} random bytes", False, bytes(data)


def main():
    rnd = random.Random(1)
    files = sorted(os.listdir(GOOD))
    good = []
    for name in files:
        with open(os.path.join(GOOD, name), "rb") as f:
            good.append(f.read())
    counts, tried, wrong = {}, {}, {}
    for i, data in enumerate(good):
        put(BEFORE, good[i - 1])
        for kind, refused, damaged in kinds(data, good[i - 1], rnd):
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] % len(good) != i:   # of every ledger its share of each kind
                continue
            tried[kind] = tried.get(kind, 0) + 1
            put(BAD, damaged)
            why = judge(report(FOLDER), 1, refused)
            if why:
                wrong.setdefault(kind, f"{files[i]}: {why}")
    for kind, n in tried.items():
        print(f"{kind}|{n}|{wrong.get(kind, '')}")


main()
