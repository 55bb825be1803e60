/*
 * limits: RLIMIT_FSIZE with its SIGXFSZ, transfers longer than the kernel's
 * longest, and (subcommand "full", in a small file system) ENOSPC.
 */
#include "matrix.h"
#include <signal.h>
#include <sys/resource.h>

static volatile sig_atomic_t signals;
static char *mem;
static int extra;

static void count(int sig)
{
	(void)sig;
	signals++;
}

static void limit(rlim_t soft)
{
	struct rlimit r;

	NEED(getrlimit(RLIMIT_FSIZE, &r) == 0);
	r.rlim_cur = soft;
	NEED(setrlimit(RLIMIT_FSIZE, &r) == 0);
}

static void handle(void (*h)(int))
{
	struct sigaction sa = { .sa_handler = h };

	NEED(sigaction(SIGXFSZ, &sa, NULL) == 0);
}

static void one(int fd, enum op op, size_t skew, size_t len, off_t off, const char *what)
{
	struct iovec v[2] = { { mem + skew, len }, { mem + 3, 0 } };
	struct stat st;
	ssize_t r;

	if (op == OP_writev || op == OP_pwritev) {
		v[1].iov_len = len - len / 2;
		v[0].iov_len = len / 2;
	}
	signals = 0;
	lseek(fd, op_moves(op) ? off : 55, SEEK_SET);
	r = call_op(op, fd, v, v[1].iov_len ? 2 : 1, off, 0);
	int e = r < 0 ? errno : 0;
	NEED(fstat(fd, &st) == 0);
	printf("%s %s skew=%zu len=%zu at %lld: %zd %s signals %d pos %lld size %lld %016llx\n", op_names[op], what, skew,
	       len, (long long)off, r, e ? errno_name(e) : "", (int)signals, (long long)lseek(fd, 0, SEEK_CUR),
	       (long long)st.st_size, (unsigned long long)file_hash("limited"));
}

static void fsize(void)
{
	static const rlim_t limits[] = { 0, 1, 511, 512, 4096, 8192, 8292, 10000, 65536, 65537 };
	static const off_t before[] = { 12288, 8192, 4097, 4096, 512, 511, 1, 0, -1, -4096 };
	static const enum op ops[] = { OP_write, OP_pwrite, OP_writev, OP_pwritev, OP_pwritev2, OP_pwritev2_here };
	static const size_t lens[] = { 1, 512, 4096, 8192, 12289 };

	for (int mode = 0; mode < 3; mode++) {
		int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC | extra | (mode == 1 ? O_APPEND : 0), 0666);

		NEED(fd >= 0);
		handle(mode == 2 ? SIG_IGN : count);
		for (size_t l = 0; l < COUNT(limits); l++)
			for (size_t b = 0; b < COUNT(before); b++)
				for (size_t o = 0; o < COUNT(ops); o++) {
					off_t off = (off_t)limits[l] - before[b];
					size_t len = lens[(b + o + l) % COUNT(lens)];

					if (off < 0)
						continue;
					limit(RLIM_INFINITY);
					/* full blocks there already, or a file that ends here */
					NEED(ftruncate(fd, mode == 1 || b % 2 ? off : 100000) == 0);
					limit(limits[l]);
					one(fd, ops[o], o & 1 ? 0 : 5, len, off, mode == 1 ? "append" : "");
				}
		limit(4096);
		signals = 0;
		say(ftruncate(fd, 5000), "ftruncate");
		say(fallocate(fd, 0, 0, 100000), "fallocate");
		say(posix_fallocate(fd, 0, 200000), "posix_fallocate");
		printf("signals %d\n", (int)signals);
		limit(RLIM_INFINITY);
		say(pread(fd, mem, 8192, 0), "reads do not care");
		close(fd);
	}
	handle(SIG_DFL);
}

/* The default action is death. */
static void fsize_default(void)
{
	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		pid_t pid = fork();

		if (!pid) {
			int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC | extra, 0666);

			limit(8192);
			ssize_t r = pwrite(fd, mem + i % 2, 8192, i < 2 ? 4096 : 0);
			_exit(r == (i < 2 ? 4096 : 8192) && pwrite(fd, mem, i < 2 ? 1 : 4096, 8192) > 0 ? 3 : 4);
		}
		say_child("default action", pid);
		say_file("limited");
	}
}

/* Another program under a limit of nothing at all: only pipes can be written. */
static void fsize_exec(void)
{
	static const rlim_t limits[] = { 0, 1, 4096, 100000 };

	make_file("readme", 10000, 8);
	for (size_t i = 0; i < COUNT(limits); i++) {
		int p[2];
		char buf[256] = "";

		fflush(stdout);
		NEED(pipe(p) == 0);
		pid_t pid = fork();
		if (!pid) {
			limit(limits[i]);
			dup2(p[1], 1);
			close(p[0]);
			close(p[1]);
			execl("/proc/self/exe", "limits", "reader", NULL);
			_exit(127);
		}
		close(p[1]);
		for (ssize_t n = 0, r; (r = read(p[0], buf + n, sizeof(buf) - 1 - (size_t)n)) > 0;)
			n += r;
		close(p[0]);
		printf("%s", buf);
		say_child("under a limit", pid);
	}
}

static void reader(void)
{
	int fd = open("readme", O_RDONLY);
	long r = read(fd, mem, 9999);

	printf("read %ld %016llx\n", r, (unsigned long long)hash(mem, 9999));
	close(fd);
	fd = open("small", O_RDWR | O_CREAT, 0666);
	signal(SIGXFSZ, SIG_IGN);
	r = write(fd, mem, 0);
	printf("write of nothing %ld, of much %zd\n", r, write(fd, mem, 100000) > 0 ? (ssize_t)1 : (ssize_t)-1);
	unlink("small");
}

/* 2 GiB of addresses over 64 MiB of memory, to read a hole of 3 GiB into. */
static void longest(void)
{
	const size_t piece = 64 << 20, all = 3UL << 30;
	int m = memfd_create("longest", 0), fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC | extra, 0666);
	char *big = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	NEED(m >= 0 && fd >= 0 && big != MAP_FAILED && ftruncate(m, (off_t)piece) == 0);
	for (size_t at = 0; at < all; at += piece)
		NEED(mmap(big + at, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m, 0) != MAP_FAILED);
	NEED(ftruncate(fd, (off_t)all) == 0);
	NEED(pwrite(fd, "the end", 7, 0x7ffff000 - 7) == 7);
	NEED(pwrite(fd, "beyond", 6, 0x7ffff000) == 6);
	say(read(fd, big, all), "read of 3 GiB");
	printf("  %.7s, pos %llx\n", big + (0x7ffff000 - 7) % piece, (long long)lseek(fd, 0, SEEK_CUR));
	say(pread(fd, big + 1, 8192, 0x7ffff000 - 4096), "pread across it");
	/* a long write, cut short by the limit after 1 MiB and a bit */
	memset(big, 'w', piece);
	handle(count);
	NEED(ftruncate(fd, 0) == 0);
	limit((1 << 20) + 777);
	signals = 0;
	say(pwrite(fd, big, all, 0), "pwrite of 3 GiB");
	say(pwrite(fd, big + 1, all - 1, 4096), "pwrite of 3 GiB, skewed");
	lseek(fd, 100, SEEK_SET);
	say(write(fd, big, all), "write of 3 GiB");
	say(lseek(fd, 0, SEEK_CUR), "offset");
	limit(RLIM_INFINITY);
	printf("signals %d\n", (int)signals);
	handle(SIG_DFL);
	say_file("sparse");
	close(fd);
	unlink("sparse");
	munmap(big, all);
	close(m);
}

/* Hardly any memory to be had, or all of it locked: I/O does not need any. */
static void memory(void)
{
	for (int i = 0; i < 4; i++) {
		make_file("limited", 300000, 4);
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int fd;
			struct rlimit r = { 20 << 20, RLIM_INFINITY };

			if (i == 0)
				r.rlim_cur = 1;
			if (i < 2)
				NEED(setrlimit(RLIMIT_AS, &r) == 0);
			else if (i == 2)
				NEED(setrlimit(RLIMIT_DATA, &r) == 0);
			else if (mlockall(MCL_CURRENT | MCL_FUTURE))
				printf("no locking here\n");
			fd = open("limited", O_RDWR | extra);
			one(fd, OP_pread, 1, 8192, 5, "memory");
			one(fd, OP_write, 7, 200000, 4096, "memory");
			one(fd, OP_read, 0, 65536, 8192, "memory");
			one(fd, OP_pwritev, 3, 30000, 123456, "memory");
			one(fd, OP_pread, 3, 250000, 11, "memory");
			fflush(stdout);
			_exit(0);
		}
		say_child("memory", pid);
	}
}

/*
 * Fill the file system. How many bytes fit may vary by some blocks; that what
 * was answered is what is there, and that ENOSPC comes in the end, may not.
 */
static void fill_up(const char *name, size_t skew, size_t step)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | extra, 0666);
	off_t total = 0;
	bool short_ok = true, same = true;
	struct stat st;
	ssize_t r;

	NEED(fd >= 0);
	while ((r = write(fd, mem + skew, step)) > 0) {
		short_ok &= r <= (ssize_t)step;
		total += r;
	}
	say(r, "%s: in the end", name);
	say(pwrite(fd, mem + skew, 4096, 0) == 4096, "%s: over the beginning", name);
	NEED(fstat(fd, &st) == 0);
	int raw = raw_open(name, O_RDONLY, 0);
	char *back = malloc(step);
	for (off_t at = 0; at < total && at < st.st_size; at += (off_t)step) {
		size_t n = total - at < (off_t)step ? (size_t)(total - at) : step;

		if (at == 0)
			continue;
		same &= syscall(SYS_pread64, raw, back, n, at) == (long)n && !memcmp(back, mem + skew, n);
	}
	free(back);
	printf("%s: size is what was written %d, contents %d, some %d, short counts %d, offset %d\n", name,
	       st.st_size == total, same, total > (1 << 20), short_ok, lseek(fd, 0, SEEK_CUR) == total);
	close(raw);
	say(close(fd), "close");
	say(unlink(name), "unlink");
}

static void full(void)
{
	fill_up("full1", 0, 65536);
	fill_up("full2", 7, 100000);
	fill_up("full3", 512, 4096);
	fill_up("full4", 0, 1000000);
	/* a hole in a full file system cannot be filled */
	int hole = open("hole", O_RDWR | O_CREAT, 0666), fill_it = open("filler", O_RDWR | O_CREAT, 0666);
	NEED(ftruncate(hole, 1 << 20) == 0);
	while (write(fill_it, mem, 65536) > 0 || write(fill_it, mem, 4096) > 0)
		;
	for (int i = 0; i < 16; i++)
		if (pwrite(hole, mem, 65536, i * 65536) < 0) {
			say(-1, "the hole");
			break;
		}
	say(pread(hole, mem, 4096, 1 << 19), "reading it");
	say(ftruncate(fill_it, 0), "room again");
	say(fsync(fill_it), "fsync");
	say(pwrite(hole, mem + 1, 65536, 0), "now");
	close(hole);
	close(fill_it);
	unlink("filler");
	unlink("hole");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "fsize", fsize }, { "fsize_default", fsize_default }, { "fsize_exec", fsize_exec },
		{ "longest", longest }, { "memory", memory }, { "reader", reader }, { "full", full },
	};

	NEED(argc >= 2);
	extra = argc > 2 && !strcmp(argv[2], "direct") ? O_DIRECT : 0;
	mem = fenced(1 << 20);
	fill(mem, 1 << 20, 15);
	return run_steps(steps, COUNT(steps), argc, argv);
}
