#!/bin/bash
# Python: every way of its library to read and write files.
. "$(dirname "$0")/../lib.sh"
scratch

cd "$SCRATCH/input" || exit
lines a 1000777
noise b 2097152
lines tiny 300
: >empty
lines holes 5000
truncate -s 1000000 holes
mkdir -p dir/sub
cp a dir/one
cp tiny dir/sub/two
ln -s one dir/soft
age .
cat >common.py <<'END'
import errno, hashlib, io, os, sys

def show(*what):
    print(*what, flush=True)

def digest(data):
    return len(data), hashlib.md5(bytes(data)).hexdigest()

def content(path):
    with open(path, "rb") as f:
        return digest(f.read())

def tried(call, *args, **named):
    """The value of a call, or the name of its error."""
    try:
        value = call(*args, **named)
        return digest(value) if isinstance(value, bytes) else value
    except OSError as e:
        return errno.errorcode[e.errno]
END
age .
cd "$TESTS" || exit

# A script on stdin, run in both ways; direct I/O is expected unless it is $2.
python() {	# NAME [same]
	{ echo 'from common import *'; cat; } >"$SCRATCH/input/script.py"
	"${2:-same_direct}" "$1" -- "$PYTHON" -B script.py
	is "$SAME_STATUS" 0 "$1: the script ran to its end" || diag_file "$SCRATCH/plain.err"
}

python "open in all modes" <<'END'
for buffering in 0, 1, -1, 512, 4096, 100000:
    for mode in "rb", "r+b", "wb", "w+b", "ab", "a+b", "xb":
        name = f"{mode}{buffering}".replace("+", "p")
        if not mode.startswith("x"):
            with open(name, "wb") as f:
                f.write(open("a", "rb").read(70001))
        with open(name, mode, **({} if buffering == 1 else {"buffering": buffering})) as f:
            show(mode, buffering, f.tell())
            if f.readable():
                show(digest(f.read(777)), f.tell(), digest(f.read(8192)), f.tell())
                f.seek(max(0, f.seek(0, 2) - 100))
                show(digest(f.read()), digest(f.read()), f.tell())
            if f.writable():
                show(f.seek(0 if "w" in mode or "x" in mode else 4095))
                for size in 1, 4096, 5, 100000, 511, 8192:
                    f.write(bytes([65 + size % 26]) * size)
                    show(f.tell())
                show(f.truncate(90000), f.tell())
                f.write(b"end")
            if f.readable():
                f.seek(60000)
                show(digest(f.read(5000)), digest(f.readline()))
        show(content(name))
END

python "text" <<'END'
with open("a") as f:
    show(f.readline(), sum(1 for _ in f))
with open("text", "w", encoding="utf-16") as f:
    for i in range(20000):
        print(f"Zeile {i} äöü €", file=f)
with open("text", encoding="utf-16") as f:
    show(len(f.read()), f.tell())
with open("text", "a", newline="\r\n", encoding="utf-8") as f:
    f.write("more\n" * 5000)
with open("a", "r+") as f:
    f.seek(50000); f.write("written"); f.seek(0, 2); f.write("appended")
END

python "pread and pwrite at odd places" <<'END'
fd = os.open("a", os.O_RDWR)
model = bytearray(open("a", "rb").read())
sizes = 1, 3, 511, 512, 513, 4095, 4096, 4097, 8192, 12289, 65536, 100001, 1048577
for i, size in enumerate(sizes):
    for offset in 0, 1, 511, 512, 4095, 4096, 4097, 65535, 500000, 1000776, 1000777, 1003520, 2000000:
        show(size, offset, digest(os.pread(fd, size, offset)))
        data = bytes([97 + i]) * (size // 7 + 1)
        if offset <= 1003520:
            show(os.pwrite(fd, data, offset))
            model[len(model):] = b"\0" * (offset + len(data) - len(model))
            model[offset:offset + len(data)] = data
show(os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size)
show(open("a", "rb").read() == model)
END

python "readv and writev" <<'END'
fd = os.open("a", os.O_RDWR)
for sizes in (1,), (512, 512), (4096, 4096), (1, 4095, 4096), (100, 5000, 3), (0, 7, 0, 4096, 0), (65536, 1, 65535), (1,) * 1000, (4096,) * 16, (3,) * 1024:
    for offset in 0, 1, 4096, 99999, 1000000, 1000777:
        buffers = [bytearray(n) for n in sizes]
        os.lseek(fd, offset, 0)
        show(len(sizes), offset, os.readv(fd, buffers), os.lseek(fd, 0, 1), digest(b"".join(buffers)))
        show(os.preadv(fd, buffers, offset + 1), digest(b"".join(buffers)))
        show(os.pwritev(fd, buffers, offset), os.lseek(fd, 0, 1))
        show(os.writev(fd, buffers), os.lseek(fd, 0, 1))
show(tried(os.readv, fd, [bytearray(1)] * 1025), tried(os.writev, fd, []))
show(tried(os.preadv, fd, [bytearray(4096)], 0, os.RWF_HIPRI), tried(os.pwritev, fd, [b"x" * 4096], 4096, os.RWF_DSYNC))
show(tried(os.pwritev, fd, [b"x"], 4096, os.RWF_SYNC))
show(tried(os.preadv, fd, [bytearray(10)], -1), tried(os.pread, fd, 10, -5))
END

python "flags of open" <<'END'
flags = {n: getattr(os, n) for n in ("O_APPEND", "O_DSYNC", "O_SYNC", "O_DIRECT", "O_NOATIME", "O_CLOEXEC", "O_NONBLOCK", "O_TRUNC", "O_EXCL")}
page = io.BytesIO(open("b", "rb").read())
for access in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
    for name, flag in flags.items():
        path = f"f{access}{name}"
        with open(path, "wb") as f:
            f.write(page.getvalue()[:20000])
        fd = tried(os.open, path, access | flag | os.O_CREAT, 0o600)
        show(access, name, fd)
        if not isinstance(fd, int):
            continue
        if name != "O_DIRECT":
            show(tried(os.read, fd, 5000), tried(os.write, fd, b"w" * 5001), os.lseek(fd, 0, 1))
            show(tried(os.pread, fd, 8192, 4096), tried(os.pwrite, fd, b"p" * 9001, 8191))
        show(tried(os.write, fd, b""), tried(os.read, fd, 0), os.get_inheritable(fd))
        os.close(fd)
        show(content(path), tried(os.read, fd, 10), tried(os.write, fd, b"x"))
fd = os.open("dir", os.O_RDONLY)
show(tried(os.read, fd, 10), tried(os.open, "dir", os.O_RDWR), tried(os.open, "absent", 0))
fd = os.open("a", os.O_PATH)
show(tried(os.read, fd, 10), tried(os.pread, fd, 10, 0))
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
show(os.write(fd, b"t" * 10000), digest(os.pread(fd, 20000, 1)), oct(os.fstat(fd).st_mode))
os.link(f"/proc/self/fd/{fd}", "linked", src_dir_fd=os.open("/", 0), follow_symlinks=True)
END

python "sendfile and copy_file_range" <<'END'
for source in "a", "b", "tiny", "empty", "holes":
    for call in "sendfile", "copy_file_range":
        for skip, to in (0, 0), (1, 0), (4096, 4096), (5000, 904), (512, 1024):
            path = f"{call}.{source}.{skip}.{to}"
            i, o = os.open(source, os.O_RDONLY), os.open(path, os.O_RDWR | os.O_CREAT)
            os.lseek(i, skip, 0), os.lseek(o, to, 0)
            total = []
            while True:
                if call == "sendfile":
                    n = tried(os.sendfile, o, i, None, 700000)
                else:
                    n = tried(os.copy_file_range, i, o, 700000)
                total.append(n)
                if not isinstance(n, int) or n == 0:
                    break
            show(path, sum(n for n in total if isinstance(n, int)), total[-1], os.lseek(i, 0, 1), os.lseek(o, 0, 1), content(path))
            show(tried(os.copy_file_range, i, o, 100000, 4096, 8192), tried(os.copy_file_range, i, o, 9999, 1, 3))
            show(tried(os.sendfile, o, i, 4097, 50000), os.lseek(i, 0, 1), os.lseek(o, 0, 1))
            os.close(i), os.close(o)
i = os.open("a", os.O_RDWR)
show(tried(os.copy_file_range, i, i, 1000, 0, 500), tried(os.copy_file_range, i, i, 4096, 0, 8192), tried(os.copy_file_range, i, i, 10, 0, 999999999))
r, w = os.pipe()
show(tried(os.sendfile, w, i, 4096, 10000), digest(os.read(r, 20000)), tried(os.copy_file_range, r, i, 10))
show(tried(os.splice, i, w, 5000, offset_src=777), digest(os.read(r, 20000)))
os.write(w, b"from the pipe")
show(tried(os.splice, r, i, 13, offset_dst=4090), content("a"))
append = os.open("b", os.O_WRONLY | os.O_APPEND)
show(tried(os.copy_file_range, i, append, 10), tried(os.sendfile, append, i, 0, 10))
END

python "shutil" <<'END'
import shutil
shutil.copyfile("a", "copy1"); shutil.copy("b", "copy2"); shutil.copy2("holes", "copy3")
shutil.copytree("dir", "tree", symlinks=True); shutil.copytree("dir", "tree2")
shutil.move("copy1", "tree"); shutil.copyfile("empty", "copy4")
with open("a", "rb") as i, open("copy5", "wb") as o:
    show(digest(i.read(100))); shutil.copyfileobj(i, o, 12345)
shutil.make_archive("packed", "tar", "dir"); shutil.unpack_archive("packed.tar", "unpacked")
os.remove("packed.tar")
try:
    shutil.copyfile("a", "a")
except shutil.SameFileError as e:
    show(e)
shutil.rmtree("tree2")
END

python "mmap beside read and write" <<'END'
import mmap
with open("a", "r+b") as f:
    fd = f.fileno()
    m = mmap.mmap(fd, 0)
    show(digest(m[5000:50000]), digest(os.pread(fd, 45000, 5000)))
    os.pwrite(fd, b"W" * 8192, 4096); show(digest(m[:20000]))
    os.pwrite(fd, b"V" * 9999, 40001); show(digest(m[30000:60000]))
    for i in range(30):
        at = i * 30011
        m[at:at + 5000] = bytes([i + 65]) * 5000
        show(digest(os.pread(fd, 8192, at & ~4095)))
        os.pwrite(fd, bytes([i + 97]) * 4096, (at & ~4095) + 4096)
        show(digest(m[at:at + 9000]))
    m.flush(); m[100] = 33; m.close()
    os.pwrite(fd, b"U" * 4096, 0); show(content("a"))
with open("b", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    os.pwrite(f.fileno(), b"R" * 65536, 65536); show(digest(m[:]), content("b"))
    c = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
    c[0:4096] = b"C" * 4096
    os.pwrite(f.fileno(), b"S" * 4096, 8192); show(digest(c[4096:20000]), content("b"))
fd = os.open("new", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
m[0:4] = b"head"; os.close(fd); m[-4:] = b"tail"
show(content("new"))
# A read into, and a write from, a mapping of a file.
src = mmap.mmap(os.open("b", os.O_RDWR), 0)
fd = os.open("into", os.O_RDWR | os.O_CREAT)
show(os.write(fd, memoryview(src)[4096:1000001]), content("into"))
with open("a", "rb", buffering=0) as f:
    show(f.readinto(memoryview(src)[8192:208192]), f.readinto(memoryview(src)[1:70000]))
# The very file into itself.
fd = os.open("b", os.O_RDWR)
show(os.pwrite(fd, memoryview(src)[:65536], 1048576), os.preadv(fd, [memoryview(src)[131072:196608]], 500000), content("b"))
END

python "subprocess with files as stdin and stdout" <<'END'
import subprocess
def run(*command, **named):
    r = subprocess.run(command, stderr=subprocess.PIPE, **named)
    show(command[0], r.returncode, r.stderr, None if r.stdout is None else digest(r.stdout))
with open("a") as i, open("out1", "w") as o:
    run("cat", stdin=i, stdout=o); o.write("after"); o.flush(); run("tail", "-c", "5000", "a", stdout=o)
with open("a", "rb", buffering=0) as i:
    show(digest(i.read(5001))); run("head", "-c", "70000", stdin=i, stdout=subprocess.PIPE); show(i.tell())
    run("cat", stdin=i, stdout=subprocess.PIPE, close_fds=False)
with open("out2", "ab") as o:
    children = [subprocess.Popen(["sh", "-c", f"for i in 1 2 3; do echo {n}; done; cat tiny"], stdout=o) for n in range(1)]
    show([c.wait() for c in children])
fd = os.open("out3", os.O_RDWR | os.O_CREAT)
run("sh", "-c", f"cat a >&{fd}; echo x >&{fd}", pass_fds=[fd])
show(os.lseek(fd, 0, 1), os.write(fd, b"y" * 4096), content("out3"))
run("absent-program") if False else show(tried(subprocess.run, ["absent-program"]))
p = subprocess.Popen(["sort", "-n"], stdin=subprocess.PIPE, stdout=open("out4", "w"))
p.stdin.write(open("a", "rb").read(300000)); p.stdin.close(); show(p.wait())
run("sh", "-c", "exit 3"); run("sh", "-c", "kill -9 $$")
with os.popen("wc -c a") as f:
    show(f.read())
show(os.system("cat a b >out5"), content("out5"))
pid = os.posix_spawn("/bin/cat", ["cat", "b"], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "out6", os.O_WRONLY | os.O_CREAT, 0o644)])
show(os.waitpid(pid, 0)[1], content("out6"))
END

python "fork sharing an offset" <<'END'
def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(7)
    return pid
fd = os.open("a", os.O_RDWR)
show(digest(os.read(fd, 5001)))
pid = child(lambda: os.write(1, str(digest(os.read(fd, 10001))).encode()))
show(os.waitpid(pid, 0)[1], os.lseek(fd, 0, 1), digest(os.read(fd, 4096)))
# Records of 1000 bytes, drawn by four processes: each record exactly once.
fd = os.open("a", os.O_RDONLY)
def draw(name):
    with open(name, "wb", buffering=0) as out:
        while True:
            record = os.read(fd, 1000)
            if not record:
                break
            out.write(record)
names = [f"drawn{n}" for n in range(4)]
for pid in [child(lambda: draw(n)) for n in names]:
    os.waitpid(pid, 0)
everything = b"".join(open(n, "rb").read() for n in names)
source = open("a", "rb").read()
records = lambda data: sorted(data[i:i + 1000] for i in range(0, len(data), 1000))
drawn = sorted(r for n in names for r in records(open(n, "rb").read()) if len(r) == 1000)
show(len(everything), drawn == [r for r in records(source) if len(r) == 1000])
for n in names:
    os.remove(n)
# Records appended by four processes through one descriptor, and through four.
for flag, name in (0, "shared"), (os.O_APPEND, "appended"):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | flag)
    def put(n):
        mine = os.open(name, os.O_WRONLY | flag) if flag else fd
        for i in range(100):
            os.write(mine, (b"%d:%03d" % (n, i)).ljust(4999, b".") + b"\n")
    for pid in [child(lambda: put(n)) for n in range(4)]:
        os.waitpid(pid, 0)
    lines = sorted(open(name, "rb").read().split(b"\n"))
    show(len(lines), os.path.getsize(name), digest(b"".join(lines)))
    os.remove(name)
END

python "multiprocessing" <<'END'
import multiprocessing as mp
def part(n):
    with open("a", "rb") as f:
        f.seek(n * 10000); data = f.read(10000)
    fd = os.open("parts", os.O_WRONLY)
    os.pwrite(fd, data.swapcase()[::-1], n * 10000); os.close(fd)
    return digest(data)
if __name__ == "__main__":
    open("parts", "w").close()
    for method in "fork", "spawn":
        with mp.get_context(method).Pool(3) as pool:
            for result in pool.map(part, range(0, 90, 1 if method == "fork" else 9)):
                show(result)
    q = mp.Queue(); p = mp.Process(target=lambda: q.put(part(91))); p.start(); show(q.get()); p.join(); show(p.exitcode)
    from multiprocessing import shared_memory
    s = shared_memory.SharedMemory(create=True, size=10000); s.buf[:4] = b"mine"; show(bytes(s.buf[:5])); s.close(); s.unlink()
END

python "threads" <<'END'
import threading
from concurrent.futures import ThreadPoolExecutor
fd = os.open("b", os.O_RDWR)
out = os.open("out", os.O_RDWR | os.O_CREAT)
def part(n):
    data = os.pread(fd, 4001, n * 4001)
    os.pwrite(out, data, n * 4001)
    with open(f"t{n % 5}.{threading.get_ident() * 0 + n}", "wb") as f:
        f.write(data)
    return digest(data)
with ThreadPoolExecutor(8) as pool:
    for r in pool.map(part, range(525)):
        show(r)
show(content("out") == content("b"))
END

python "tempfile" <<'END'
import tempfile
for kind in tempfile.TemporaryFile, tempfile.NamedTemporaryFile:
    with kind(dir=".") as f:
        f.write(os.urandom(3) * 40000); f.flush(); f.seek(3)
        show(len(f.read()), f.seek(0), f.truncate(5000), len(f.read()), oct(os.fstat(f.fileno()).st_mode))
with tempfile.SpooledTemporaryFile(max_size=5000) as f:
    f.write(b"x" * 4000); f.write(b"y" * 70000); f.seek(3999); show(digest(f.read()))
with tempfile.TemporaryDirectory() as d:
    p = os.path.join(d, "f"); open(p, "wb").write(b"z" * 100000); show(content(p))
fd, path = tempfile.mkstemp(dir="."); os.write(fd, b"w" * 12345); os.unlink(path); show(digest(os.pread(fd, 20000, 100)))
END

python "sizes and holes" <<'END'
fd = os.open("a", os.O_RDWR)
for size in 500000, 500001, 4096, 4095, 0, 1, 100000, 1000000, 65536:
    os.truncate("a", size) if size % 2 else os.ftruncate(fd, size)
    show(size, digest(os.pread(fd, 2000000, 0)), digest(os.pread(fd, 100, size - 50 if size > 50 else 0)))
    os.pwrite(fd, b"e" * 700, size)
    show(os.fstat(fd).st_size, digest(os.pread(fd, 10000, size & ~511)))
for size in 5000, 2000000:
    os.posix_fallocate(fd, 1000, size); show(os.fstat(fd).st_size, digest(os.pread(fd, 10000, size - 5000)))
show([os.lseek(os.open("holes", 0), n, os.SEEK_DATA) for n in (0, 100)])
for advice in "NORMAL", "SEQUENTIAL", "RANDOM", "NOREUSE", "WILLNEED", "DONTNEED":
    os.posix_fadvise(fd, 0, 0, getattr(os, "POSIX_FADV_" + advice)); show(advice, digest(os.pread(fd, 70000, 1)), os.pwrite(fd, b"f" * 8192, 12288))
show(tried(os.posix_fadvise, fd, 0, 0, 99), os.fsync(fd), os.fdatasync(fd), os.sync())
show(tried(os.ftruncate, fd, -1), tried(os.ftruncate, os.open("a", 0), 5), tried(os.pwrite, fd, b"x", 1 << 62), tried(os.pread, fd, 10, 1 << 62))
show(os.fstat(fd).st_size, os.ftruncate(fd, 123456))	# some file systems are that large
far = os.open("far", os.O_RDWR | os.O_CREAT)
show(os.pwrite(far, b"far" * 3000, (1 << 40) + 5), os.fstat(far).st_size, digest(os.pread(far, 20000, 1 << 40)))
os.unlink("far")
END

python "descriptors: numbers, dup, inheritance" <<'END'
a = os.open("a", os.O_RDWR); show(a, digest(os.read(a, 777)))
d = os.dup(a); show(d, digest(os.read(d, 4096)), os.lseek(a, 0, 1))
e = os.dup2(a, 77); show(e, digest(os.read(77, 4096)), os.lseek(a, 0, 1))
b = os.open("b", os.O_RDONLY); show(b, digest(os.read(b, 4096)))
os.dup2(b, a); show(digest(os.read(a, 4096)), os.lseek(b, 0, 1), digest(os.read(d, 4096)), tried(os.write, a, b"x"))
os.close(b); show(os.open("tiny", 0), digest(os.pread(a, 100, 5000)))
import fcntl
show(fcntl.fcntl(d, fcntl.F_DUPFD, 50), fcntl.fcntl(d, fcntl.F_GETFD), fcntl.fcntl(d, fcntl.F_GETFL), os.get_inheritable(d))
show(digest(os.read(50, 1000)), fcntl.fcntl(50, fcntl.F_SETFL, os.O_APPEND), os.write(50, b"at the end"), os.lseek(50, 0, 1), content("a"))
os.closerange(3, 60); show(os.open("empty", 0), tried(os.read, 50, 1), tried(os.close, 50), digest(os.read(77, 10)))
fds = [os.open("tiny", 0) for _ in range(40)]; show(fds)
for fd in fds[::2]: os.close(fd)
show([os.open("a", 0) for _ in range(25)])
show(sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) < 100))
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
fds = []
while isinstance(fd := tried(os.open, "a", 0), int):
    fds.append(fd); show(digest(os.read(fd, 5000)))
show(fd, fds)
END

python "locks" <<'END'
import fcntl, subprocess
probe = "import fcntl,sys\nf=open(sys.argv[1],'r+b')\ntry: fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB, 10, 0); print('free')\nexcept OSError as e: print(e.errno)"
def probed(path="a"):
    show(subprocess.run([sys.executable, "-c", probe, path], capture_output=True, text=True).stdout)
f = open("a", "r+b", buffering=0)
f.read(4096); fcntl.lockf(f, fcntl.LOCK_EX, 100, 0); probed()
for i in range(5):
    os.pwrite(f.fileno(), b"x" * 4096, 4096 * i); show(digest(os.pread(f.fileno(), 5000, i))); probed()
os.copy_file_range(f.fileno(), os.open("new", os.O_RDWR | os.O_CREAT), 70000); probed()
os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM); f.truncate(500000); probed()
fcntl.lockf(f, fcntl.LOCK_UN, 100, 0); probed()
fcntl.lockf(f, fcntl.LOCK_EX, 100, 0); probed()
d = os.dup(f.fileno()); os.close(d); probed()            # dropped by this close, by POSIX
fcntl.flock(f, fcntl.LOCK_EX); show(subprocess.run(["flock", "-n", "a", "true"]).returncode)
fcntl.lockf(f, fcntl.LOCK_EX, 100, 0)
os.set_inheritable(f.fileno(), True)
os.execvp(sys.executable, [sys.executable, "-c", f"import subprocess,sys\nprint(subprocess.run([sys.executable,'-c',{probe!r},'a'],capture_output=True,text=True).stdout)"])
END

python "other modules of the library" <<'END'
import bz2, csv, dbm.dumb, gzip, json, linecache, lzma, pickle, shelve, tarfile, zipfile
for module, ext in (gzip, "gz"), (bz2, "bz2"), (lzma, "xz"):
    with module.open("z." + ext, "wb") as f:
        f.write(open("a", "rb").read(300000))
    with module.open("z." + ext, "rb") as f:
        f.read(1000); show(digest(f.read()))
    os.remove("z." + ext)
with tarfile.open("t.tar", "w") as t:
    t.add("dir"); t.add("a")
with tarfile.open("t.tar") as t:
    show(t.getnames(), digest(t.extractfile("a").read()))
with zipfile.ZipFile("t.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.write("a"); z.write("b")
with zipfile.ZipFile("t.zip") as z:
    show(z.testzip(), digest(z.read("a")), z.open("b").read(100) == open("b", "rb").read(100))
pickle.dump(list(range(50000)), open("p", "wb")); show(sum(pickle.load(open("p", "rb"))))
with shelve.open("shelf") as s:
    for i in range(200): s[str(i)] = "v" * i
    show(len(s), s["77"])
os.system("rm shelf*")
csv.writer(open("c.csv", "w")).writerows([i, i * i] for i in range(20000)); show(linecache.getline("c.csv", 777))
json.dump({"k": list(range(30000))}, open("j", "w")); show(len(json.load(open("j"))["k"]))
END

# What a script's name and place do to sys.path must not matter here.
strace_direct "reading and writing" -- "$PYTHON" -B -c '
import os
fd = os.open("b", os.O_RDWR)
os.pread(fd, 65536, 4096), os.pread(fd, 70000, 777), os.pwrite(fd, b"x" * 70000, 100)'
shares_extents && skip "shutil: direct I/O seen by strace" "files share extents here" ||
	strace_direct "shutil" -- "$PYTHON" -B -c 'import shutil; shutil.copyfile("b", "c")'

done_testing
