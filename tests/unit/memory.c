/* The program's memory: walks over iovecs, slices, and addresses that are bad. */
#include "memory.h"
#include "tap.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void walks(void)
{
	char a[100], b[100], c[100], from[300], back[300];
	long wrong = 0, cases = 0;

	for (int i = 0; i < 300; i++)
		from[i] = (char)(i * 7);
	/* Three pieces with gaps in memory and empty ones between; every window of them. */
	for (size_t la = 0; la <= 100; la += 25)
		for (size_t lb = 0; lb <= 100; lb += 33) {
			struct iovec iov[5] = { { a, la }, { NULL, 0 }, { b, lb }, { NULL, 0 }, { c, 100 } };
			size_t total = la + lb + 100;

			for (size_t pos = 0; pos < total; pos += 3)
				for (size_t n = 1; pos + n <= total; n += 5) {
					struct iovec part[5];
					struct memory_walk w;
					size_t covered;
					int k;

					cases++;
					memset(back, 0, sizeof(back));
					memory_walk_to(&w, iov, 5, pos);
					wrong += !memory_walk_writable(w, n);
					memory_put(&w, from, n);
					memory_walk_to(&w, iov, 5, pos);
					wrong += !memory_walk_readable(w, n);
					memory_take(&w, back, n);
					wrong += memcmp(from, back, n) != 0;
					k = memory_slice(iov, 5, pos, n, part, 5, &covered);
					wrong += covered != n || k < 1 || k > 3;
					memory_walk_to(&w, part, k, 0);
					memset(back, 0, sizeof(back));
					memory_take(&w, back, n);
					wrong += memcmp(from, back, n) != 0;
				}
		}
	ok(wrong == 0, "windows of iovecs: %ld cases", cases);
}

static void copies(void)
{
	static char from[70000], to[70000 + 64];
	long wrong = 0;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 31 + i / 251);
	for (size_t skew = 0; skew < 64; skew += 7)
		for (size_t n = 0; n < sizeof(from); n = n < 200 ? n + 1 : n * 2 + 13) {
			struct iovec iov = { to + skew, n + 1 };
			struct memory_walk w;

			memset(to, 0x5a, sizeof(to));
			memory_walk_to(&w, &iov, 1, 0);
			memory_put(&w, from, n);
			wrong += memcmp(to + skew, from, n) != 0;
			wrong += to[skew + n] != 0x5a || (skew && to[skew - 1] != 0x5a);
		}
	ok(wrong == 0, "copies of every size leave their neighbours alone");
}

/* Asked whether it may be written, it is written to: inside of what was asked for, if at all. */
static void probes(size_t page)
{
	char *m = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long outside = 0, refused = 0, accepted = 0, null = 0;

	mprotect(m + 3 * page, page, PROT_NONE);
	for (size_t at = page - 24; at < 3 * page; at = at == page + 24 ? 3 * page - 24 : at + 1)
		for (size_t n = 1; n < 60 + page; n = n == 40 ? page - 20 : n + 1) {
			struct iovec iov[3] = { { m + at, n / 2 }, { NULL, 0 }, { m + at + n / 2, n - n / 2 } };
			const bool good = at + n <= 3 * page;
			struct memory_walk w;

			memset(m, 0x5a, 3 * page);
			memory_walk_to(&w, iov, 3, 0);
			refused += memory_walk_takes(w, n) != good;
			accepted += good;
			for (size_t i = 0; i < 3 * page; i++)
				outside += m[i] != 0x5a && (i < at || i >= at + n);
		}
	ok(outside == 0, "probes write not one byte outside");
	ok(refused == 0 && accepted > 1000, "and are right: %ld", accepted);
	for (size_t n = 1; n < 9 * page; n = n * 3 + 1) {
		struct iovec iov = { NULL, n };
		struct memory_walk w;

		memory_walk_to(&w, &iov, 1, 0);
		null += memory_walk_takes(w, n);
	}
	is_int(null, 0, "nothing may be written at address 0");
	munmap(m, 4 * page);
}

int main(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *m = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memory_walk w;
	struct iovec iov;

	walks();
	copies();
	probes(page);
	mprotect(m + page, page, PROT_READ);
	munmap(m + 2 * page, page);
	ok(memory_readable(m, 2 * page), "readable: writable and read-only pages");
	ok(!memory_readable(m, 2 * page + 1), "not one byte behind the end");
	ok(memory_writable(m, page), "writable");
	ok(!memory_writable(m, page + 1), "a read-only page is not");
	ok(!memory_readable(NULL, 1) && !memory_writable(NULL, 1), "NULL is neither");
	ok(memory_readable(NULL, 0), "no bytes: fine anywhere");
	ok(!memory_readable((char *)UINTPTR_MAX - 10, 100), "past the end of the address space");
	mprotect(m, page, PROT_NONE);
	ok(!memory_readable(m, 1), "PROT_NONE");
	iov = (struct iovec){ m + page - 4, 8 };
	memory_walk_to(&w, &iov, 1, 0);
	ok(!memory_walk_writable(w, 8), "a walk over bad memory is found out");
	iov.iov_len = 4;
	memory_walk_to(&w, &iov, 1, 0);
	ok(!memory_walk_readable(w, 4), "also within one page");
	return done_testing();
}
