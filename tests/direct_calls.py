"""Counts direct I/O in the output of `strace -f -y`.

  direct_calls.py FILE         prints reads, writes, their bytes and faults

A descriptor is direct when an open with O_DIRECT returned it, or a dup of
such a one. Direct I/O counts when it moved bytes at an offset and a length
that are multiples of 512; EINVAL on a direct descriptor is a fault.
Exit status 0: direct I/O was issued, without faults.
"""
import re
import sys

SECTOR = 512
CALL = re.compile(r"^(?:(\d+)\s+)?(\w+)\((.*)\)\s+= (-?\d+)(.*)$")
UNFINISHED = re.compile(r"^(\d+)\s+(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
DESCRIPTOR = re.compile(r"^(\d+)<(.*?)>(?:\(deleted\))?(?=[,)]|$)")
IOCB = re.compile(r"IOCB_CMD_(PREADV?|PWRITEV?).*?aio_fildes=(\d+)<(.*?)>"
                  r".*?aio_offset=(\d+)")


def calls(lines):
    """Whole calls, those that others interrupted joined again."""
    waiting = {}
    for line in lines:
        line = line.rstrip("\n")
        m = UNFINISHED.match(line)
        if m:
            waiting[m[1]] = line[:-len(" <unfinished ...>")]
            continue
        m = RESUMED.match(line)
        if m:
            line = waiting.pop(m[1], "") + m[2]
        m = CALL.match(line)
        if m:
            yield m[2], m[3], int(m[4]), m[5]


class Watch:
    def __init__(self):
        self.direct = set()  # (number, path)
        self.reads = self.writes = self.faults = 0
        self.read_bytes = self.written_bytes = 0

    def opened(self, args, result, rest):
        path = re.match(r"<(.*?)>", rest)
        if result < 0 or not path:
            return
        key = (result, path[1])
        if re.search(r"\bO_DIRECT\b", args):
            self.direct.add(key)
        else:
            self.direct.discard(key)

    def duplicated(self, args, result, rest):
        old = DESCRIPTOR.match(args)
        path = re.match(r"<(.*?)>", rest)
        if result < 0 or not old or not path:
            return
        if (int(old[1]), old[2]) in self.direct:
            self.direct.add((result, path[1]))
        else:
            self.direct.discard((result, path[1]))

    def moved(self, write, result):
        if write:
            self.writes += 1
            self.written_bytes += result
        else:
            self.reads += 1
            self.read_bytes += result

    def transfer(self, name, args, result, rest):
        fd = DESCRIPTOR.match(args)
        if not fd or (int(fd[1]), fd[2]) not in self.direct:
            return
        if result < 0:
            self.faults += "EINVAL" in rest
            return
        numbers = [int(n) for n in re.findall(r"(?:, )(\d+)(?=,|$)", args)]
        # pread64(fd, buffer, length, offset), preadv(fd, iov, count, offset)
        if name.startswith("p") and any(n % SECTOR for n in numbers[1:2]):
            self.faults += 1
        if name in ("pwrite64", "write") and result % SECTOR:
            return
        if result:
            self.moved("write" in name, result)

    def submitted(self, args, result):
        for command, fd, path, offset in IOCB.findall(args)[:max(result, 0)]:
            if (int(fd), path) in self.direct and int(offset) % SECTOR == 0:
                length = re.search(r"aio_nbytes=(\d+)", args)
                self.moved("WRITE" in command, int(length[1]) if length else 0)

    def call(self, name, args, result, rest):
        if name in ("open", "openat", "openat2", "creat"):
            self.opened(args, result, rest)
        elif name in ("dup", "dup2", "dup3") or \
                name == "fcntl" and "F_DUPFD" in args:
            self.duplicated(args, result, rest)
        elif name == "io_submit":
            self.submitted(args, result)
        elif re.fullmatch(r"p?(read|write)(64|v2?)?", name):
            self.transfer(name, args, result, rest)


def main(path):
    watch = Watch()
    with open(path, errors="replace") as f:
        for call in calls(f):
            watch.call(*call)
    print(f"{watch.reads} direct reads of {watch.read_bytes} bytes, "
          f"{watch.writes} direct writes of {watch.written_bytes} bytes, "
          f"{watch.faults} refused or misaligned")
    return 0 if watch.reads + watch.writes and not watch.faults else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
