/*
 * hz_copy: copy_file_range, sendfile, splice: every mix of offset pointers,
 * odd offsets, ends of files, ends that are no files, and bad arguments.
 */
#include "transcript.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define SMALL 100123
#define LARGE ((3 << 20) + 123)

static char *buf;

static const char *result(ssize_t r)
{
	static char text[64];

	if (r < 0)
		return errno_name(errno);
	snprintf(text, sizeof(text), "%zd%s", r, errno && errno != ECHILD ? " errno changed" : "");
	return text;
}

/* -1: no pointer; the offset of the descriptor is then set to `at`. */
static void copy_range(int in, off_t at_in, bool ptr_in, int out, off_t at_out, bool ptr_out, size_t n)
{
	off_t i = at_in, o = at_out;

	if (!ptr_in)
		lseek(in, at_in, SEEK_SET);
	if (!ptr_out)
		lseek(out, at_out, SEEK_SET);
	errno = ECHILD;
	ssize_t r = copy_file_range(in, ptr_in ? &i : NULL, out, ptr_out ? &o : NULL, n, 0);
	printf("copy %lld%s to %lld%s n=%zu: %s in %lld/%lld out %lld/%lld\n", (long long)at_in, ptr_in ? "*" : "",
	       (long long)at_out, ptr_out ? "*" : "", n, result(r), (long long)i, (long long)lseek(in, 0, SEEK_CUR),
	       (long long)o, (long long)lseek(out, 0, SEEK_CUR));
}

static void send_range(int in, off_t at_in, bool ptr_in, int out, off_t at_out, size_t n)
{
	off_t i = at_in;

	if (!ptr_in)
		lseek(in, at_in, SEEK_SET);
	lseek(out, at_out, SEEK_SET);
	ssize_t r = n & 1 ? sendfile(out, in, ptr_in ? &i : NULL, n) : sendfile64(out, in, ptr_in ? &i : NULL, n);
	printf("send %lld%s to %lld n=%zu: %s in %lld/%lld out %lld\n", (long long)at_in, ptr_in ? "*" : "",
	       (long long)at_out, n, result(r), (long long)i, (long long)lseek(in, 0, SEEK_CUR),
	       (long long)lseek(out, 0, SEEK_CUR));
}

static void ranges(void)
{
	static const off_t offs[] = { 0, 1, 511, 512, 4096, 4097, 65536, SMALL - 10, SMALL, SMALL + 100 };
	static const size_t lens[] = { 0, 1, 512, 4096, 5000, 65536, SMALL, 1 << 30, SSIZE_MAX };
	int in, out, turn = 0;

	make_file("in", SMALL, 1);
	make_file("out", SMALL, 2);
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR);
	for (size_t a = 0; a < COUNT(offs); a++)
		for (size_t b = 0; b < COUNT(offs); b++)
			for (size_t l = 0; l < COUNT(lens); l++, turn++) {
				/* equal, equal modulo a block, and unequal skews */
				copy_range(in, offs[a], turn & 1, out, offs[b], turn & 2, lens[l]);
				if (turn % 4 == 0)
					send_range(in, offs[a], turn & 1, out, offs[b], lens[l]);
				if (turn % 9 == 0) {
					say_file("out");
					NEED(ftruncate(out, turn % 2 ? 0 : 50001) == 0);
				}
			}
	close(in);
	close(out);
	say_file("in");
	say_file("out");
}

/* As cp does it. */
static void whole_files(void)
{
	static const size_t sizes[] = { 0, 1, 4096, SMALL, 1 << 20, LARGE };

	for (size_t s = 0; s < COUNT(sizes); s++)
		for (int way = 0; way < 4; way++) {
			long total = 0, r;
			int in, out;

			make_file("in", sizes[s], s + 5);
			in = open("in", way == 3 ? O_RDWR : O_RDONLY);
			out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
			do {
				r = way & 1 ? sendfile(out, in, NULL, way == 1 ? SSIZE_MAX : 1000000) :
					      copy_file_range(in, NULL, out, NULL, way == 0 ? SSIZE_MAX : 300000, 0);
				total += r;
			} while (r > 0);
			say(r, "way %d: total %ld, last", way, total);
			say(lseek(in, 0, SEEK_CUR), "in");
			say(lseek(out, 0, SEEK_CUR), "out");
			say(write(out, "more", 4), "write");
			close(in);
			close(out);
			say_file("out");
		}
}

static void holes(void)
{
	struct stat st;
	int in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0666), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0666);

	NEED(pwrite(in, buf, 4096, 1 << 20) == 4096 && ftruncate(in, 2 << 20) == 0);
	copy_range(in, 0, true, out, 0, true, 3 << 20);
	copy_range(in, 100, true, out, 5 << 20, true, 2 << 20);
	NEED(fstat(out, &st) == 0);
	say(st.st_size, "size");
	close(in);
	close(out);
	say_file("out");
}

/* One file for both ends. */
static void itself(void)
{
	make_file("self", SMALL, 3);
	int fd = open("self", O_RDWR), other = open("self", O_RDWR);

	copy_range(fd, 0, true, fd, 50000, true, 4096);
	copy_range(fd, 0, true, other, 60000, true, 8192);
	copy_range(fd, 0, true, fd, 4096, true, 8192);		/* overlap: EINVAL */
	copy_range(fd, 0, true, other, 100, true, 8192);
	copy_range(fd, 8192, true, other, 4096, true, 8192);
	copy_range(fd, 0, true, fd, 0, true, 4096);
	copy_range(fd, 4096, false, fd, 4096, false, 0);
	copy_range(fd, 4096, false, fd, 20000, false, 4096);	/* one offset for both */
	copy_range(fd, SMALL - 5000, true, fd, SMALL, true, 100000);
	copy_range(other, 0, true, fd, SMALL, true, SMALL);
	say_file("self");
	send_range(fd, 0, true, other, 70000, 4096);
	send_range(fd, 0, true, fd, 30000, 5000);
	send_range(fd, 0, false, other, 80000, 12288);
	say_file("self");
	close(fd);
	close(other);
}

static int by_name(const char *name, int flags)
{
	int fd = open(name, flags, 0666);

	NEED(fd >= 0);
	return fd;
}

static void refusals(void)
{
	make_file("in", SMALL, 1);
	make_file("out", SMALL, 2);
	int p[2], s[2];
	NEED(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	struct { const char *name; int fd; } ends[] = {
		{ "rdonly", by_name("in", O_RDONLY) }, { "rdwr", by_name("out", O_RDWR) },
		{ "wronly", by_name("out", O_WRONLY) }, { "append", by_name("out", O_RDWR | O_APPEND) },
		{ "directory", by_name(".", O_RDONLY) }, { "path", by_name("in", O_PATH) }, { "closed", 99 }, { "-1", -1 },
		{ "null", by_name("/dev/null", O_RDWR) }, { "zero", by_name("/dev/zero", O_RDWR) },
		{ "proc", by_name("/proc/version", O_RDONLY) }, { "memfd", memfd_create("m", 0) },
		{ "pipe in", p[0] }, { "pipe out", p[1] }, { "socket", s[0] },
	};
	for (size_t i = 0; i < COUNT(ends); i++)
		for (size_t o = 0; o < COUNT(ends); o++) {
			off_t a = 0, b = 0, neg = -1;

			if (!strcmp(ends[i].name, "socket") || !strcmp(ends[i].name, "pipe in"))
				continue;	/* would wait */
			printf("%s to %s:", ends[i].name, ends[o].name);
			printf(" %s", result(copy_file_range(ends[i].fd, &a, ends[o].fd, &b, 100, 0)));
			a = b = 0;
			printf(" %s", result(copy_file_range(ends[i].fd, &a, ends[o].fd, &b, 0, 0)));
			printf(" %s", result(copy_file_range(ends[i].fd, NULL, ends[o].fd, &b, 100, 1)));
			printf(" %s", result(copy_file_range(ends[i].fd, &neg, ends[o].fd, &b, 100, 0)));
			a = 5;
			printf(" %s", result(sendfile(ends[o].fd, ends[i].fd, &a, 100)));
			printf(" %s", result(sendfile(ends[o].fd, ends[i].fd, &neg, 100)));
			a = 7;
			printf(" %s %lld\n", result(sendfile(ends[o].fd, ends[i].fd, &a, 0)), (long long)a);
			char drain[4096];
			while (read(p[0], drain, sizeof(drain)) > 0 || read(s[1], drain, sizeof(drain)) > 0)
				;
		}
	int in = ends[0].fd, out = ends[1].fd;
	off_t far = LLONG_MAX - 10, zero = 0, *volatile bad = (off_t *)(uintptr_t)16;
	say(copy_file_range(in, bad, out, NULL, 100, 0), "bad pointer in");
	say(copy_file_range(in, NULL, out, bad, 100, 0), "bad pointer out");
	say(sendfile(out, in, bad, 100), "bad pointer");
	say(copy_file_range(in, &far, out, &zero, 100, 0), "far in");
	say(copy_file_range(in, &zero, out, &far, 100, 0), "far out");
	far = LLONG_MAX - 10;
	say(sendfile(out, in, &far, 100), "far");
	say(lseek(out, 0, SEEK_CUR), "offset");
	for (size_t i = 0; i < COUNT(ends); i++)
		close(ends[i].fd);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	say_file("out");
}

/* Into pipes and sockets, and back out. */
static void streams(void)
{
	static const off_t offs[] = { 0, 1, 4096, 5001 };
	int p[2], s[2], in, out;

	make_file("in", SMALL, 1);
	make_file("out", 10, 2);
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR);
	NEED(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (size_t i = 0; i < COUNT(offs); i++) {
		off_t o = offs[i], to = offs[i] * 3;

		NEED(pread(in, buf, 4096, 0) == 4096);		/* routed by now */
		say(sendfile(p[1], in, &o, 8192), "sendfile to a pipe");
		say(splice(p[0], NULL, out, &to, 5000, 0), "splice to a file");
		say(read(p[0], buf, 8192), "read the rest");
		printf("%016llx\n", (unsigned long long)hash(buf, 8192));
		lseek(in, offs[i], SEEK_SET);
		say(sendfile(s[1], in, NULL, 10000), "sendfile to a socket");
		say(recv(s[0], buf, 10000, MSG_WAITALL), "recv");
		printf("%016llx at %lld\n", (unsigned long long)hash(buf, 10000), (long long)lseek(in, 0, SEEK_CUR));
		say(splice(in, NULL, p[1], NULL, 4096, 0), "splice from a file");
		say(splice(p[0], NULL, out, NULL, 4096, 0), "splice on");
		say(pread(out, buf, 10000, 0), "pread");
		printf("%016llx at %lld\n", (unsigned long long)hash(buf, 10000), (long long)lseek(out, 0, SEEK_CUR));
		say(pwrite(out, buf, 8192, 4096), "pwrite");
	}
	close(in);
	close(out);
	say_file("out");
}

static volatile sig_atomic_t signals;
static void count(int sig)
{
	(void)sig;
	signals++;
}

static void limited(void)
{
	struct rlimit rl, to;
	int in, out;

	make_file("in", LARGE, 1);
	make_file("out", 0, 2);
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR);
	getrlimit(RLIMIT_FSIZE, &rl);
	signal(SIGXFSZ, count);
	static const rlim_t limits[] = { 8192, 8193, 100000, 2 << 20 };
	for (size_t i = 0; i < COUNT(limits); i++) {
		to = (struct rlimit){ limits[i], rl.rlim_max };
		NEED(setrlimit(RLIMIT_FSIZE, &to) == 0);
		signals = 0;
		copy_range(in, 0, true, out, 0, true, LARGE);
		copy_range(in, 4096, true, out, 4096, true, LARGE);
		copy_range(in, 0, true, out, (off_t)limits[i], true, 4096);
		send_range(in, 0, true, out, 0, LARGE);
		send_range(in, 0, true, out, (off_t)limits[i] + 1, 4096);
		printf("signals %d\n", (int)signals);
		NEED(setrlimit(RLIMIT_FSIZE, &rl) == 0);
		say_file("out");
		NEED(ftruncate(out, 0) == 0);
	}
	close(in);
	close(out);
}

/* What was written just before is what is copied; and seen just after. */
static void coherence(void)
{
	int wrong = 0;

	make_file("in", SMALL, 1);
	make_file("out", SMALL, 2);
	int in = open("in", O_RDWR), out = open("out", O_RDWR);
	char *back = fenced(16384);
	for (int i = 0; i < 200; i++) {
		off_t a = i * 331 % 80000, b = i * 977 % 80000;
		size_t n = 1 + (size_t)i * 53 % 9000;

		if (i % 3 == 0)
			a &= ~4095L, b &= ~4095L;
		fill(buf, n, (uint64_t)i);
		wrong += pwrite(in, buf, n, a) != (ssize_t)n;
		off_t x = a, y = b;
		wrong += copy_file_range(in, &x, out, &y, n, 0) != (ssize_t)n;
		wrong += pread(out, back, n, b) != (ssize_t)n || memcmp(back, buf, n);
		lseek(out, b + 1, SEEK_SET);
		wrong += pwrite(in, buf + 1, n - 1, a) != (ssize_t)n - 1;
		x = a;
		wrong += sendfile(out, in, &x, n - 1) != (ssize_t)n - 1;
		wrong += syscall(SYS_pread64, out, back, n - 1, b + 1) != (long)n - 1 || memcmp(back, buf + 1, n - 1);
	}
	printf("wrong %d\n", wrong);
	close(in);
	close(out);
	say_file("out");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "ranges", ranges }, { "whole_files", whole_files }, { "holes", holes }, { "itself", itself },
		{ "refusals", refusals }, { "streams", streams }, { "limited", limited }, { "coherence", coherence },
	};

	buf = fenced(16384);
	fill(buf, 16384, 6);
	return run_steps(steps, COUNT(steps), argc, argv);
}
