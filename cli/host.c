#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHANGES 100		/* that ctime has to show, all of them */

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80	/* Linux 6.14 */
#endif

void finding_set(struct finding *f, enum answer answer, const char *fmt, ...)
{
	va_list ap;

	f->answer = answer;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static void no_file(struct finding *f)
{
	finding_set(f, ANSWER_UNTOLD, "no folder for a temporary file");
}

static void statx_dioalign(struct finding *f, int fd, bool said)
{
	struct sys_statx stx = { 0 };

	if (said || (fd >= 0 && sys_fstatx(fd, SYS_STATX_DIOALIGN, &stx) == 0 && (stx.mask & SYS_STATX_DIOALIGN)))
		finding_set(f, ANSWER_YES, "files say what direct I/O wants of them");
	else
		finding_set(f, ANSWER_NO, "of no file here: the devices are asked instead, of ext4, xfs and f2fs");
}

static void cachestat(struct finding *f, int fd)
{
	struct sys_cachestat cs;
	int r;

	if (fd < 0) {
		no_file(f);
		return;
	}
	r = sys_cachestat_of(fd, 0, 4096, &cs);
	if (r == 0)
		finding_set(f, ANSWER_YES, "direct writes mind pages that others have mapped");
	else
		finding_set(f, ANSWER_NO, "direct writes do not see pages that others have mapped (%s)",
			    strerror(-r));
}

/* Each change right behind a look at ctime, which is what makes it multigrain. */
static void multigrain(struct finding *f, int fd)
{
	int missed = 0;

	if (fd < 0) {
		no_file(f);
		return;
	}
	for (int i = 0; i < CHANGES; i++) {
		struct stat before, after;

		if (fstat(fd, &before) != 0 || pwrite(fd, "x", 1, i) != 1 || fstat(fd, &after) != 0) {
			finding_set(f, ANSWER_UNTOLD, "the temporary file: %s", strerror(errno));
			return;
		}
		if (before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec)
			missed++;
	}
	if (missed)
		finding_set(f, ANSWER_NO, "%d of %d changes did not show: it moves in ticks, only its age is proof",
			    missed, CHANGES);
	else
		finding_set(f, ANSWER_YES, "each of %d changes showed: proof for what is read ahead", CHANGES);
}

static void kernel_aio(struct finding *f)
{
	aio_context_t ctx = 0;
	int r = sys_io_setup(8, &ctx);

	if (r == 0) {
		sys_call(SYS_io_destroy, (long)ctx, 0, 0, 0, 0, 0);
		finding_set(f, ANSWER_YES, "reads ahead are several at a time");
	} else {
		finding_set(f, ANSWER_NO, "reads ahead are one at a time (io_setup: %s)", strerror(-r));
	}
}

static void populate(struct finding *f)
{
	const size_t n = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (at == MAP_FAILED) {
		finding_set(f, ANSWER_UNTOLD, "mmap: %s", strerror(errno));
		return;
	}
	r = sys_madvise(at, n, MADV_POPULATE_WRITE);
	if (r == 0)
		finding_set(f, ANSWER_YES, "the kernel says whether it takes a buffer, before bytes are copied");
	else
		finding_set(f, ANSWER_NO, "what would be bounced stays cached: the kernel does not say whether it takes a buffer (%s)", strerror(-r));
	munmap(at, n);
}

static void dontcache(struct finding *f, int fd)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	if (fd < 0)
		no_file(f);
	else if (preadv2(fd, &iov, 1, 0, RWF_DONTCACHE) >= 0)
		finding_set(f, ANSWER_YES, "not used; calls with it are left to the page cache");
	else
		finding_set(f, ANSWER_NO, "not used (%s)", strerror(errno));
}

void host_kernel(struct finding list[HOST_KERNEL], int fd, bool said)
{
	static const struct finding names[HOST_KERNEL] = {
		{ .name = "statx_dioalign", .title = "statx DIOALIGN" },
		{ .name = "cachestat", .title = "cachestat" },
		{ .name = "multigrain_ctime", .title = "multigrain ctime" },
		{ .name = "kernel_aio", .title = "kernel AIO" },
		{ .name = "madv_populate", .title = "MADV_POPULATE" },
		{ .name = "rwf_dontcache", .title = "RWF_DONTCACHE" },
	};

	memcpy(list, names, sizeof(names));
	statx_dioalign(&list[0], fd, said);
	cachestat(&list[1], fd);
	multigrain(&list[2], fd);
	kernel_aio(&list[3]);
	populate(&list[4]);
	dontcache(&list[5], fd);
}
