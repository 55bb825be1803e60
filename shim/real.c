#include "real.h"
#include "sys.h"

#undef real

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Until dlsym has answered, these few stand in: what an allocator or a
 * loader's helper may call while we are being resolved.
 */
static long result(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

static int raw_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);	/* ignored by the kernel where it has no meaning */
	va_end(ap);
	return (int)result(sys_openat(AT_FDCWD, path, flags, mode));
}

static int raw_close(int fd)
{
	return (int)result(sys_close(fd));
}

static ssize_t raw_read(int fd, void *buf, size_t n)
{
	return result(sys_read(fd, buf, n));
}

static ssize_t raw_write(int fd, const void *buf, size_t n)
{
	return result(sys_write(fd, buf, n));
}

static off_t raw_lseek(int fd, off_t off, int whence)
{
	return result(sys_lseek(fd, off, whence));
}

static void *raw_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return (void *)(uintptr_t)result(sys_mmap(at, n, prot, flags, fd, off));
}

static int raw_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)result(sys_fcntl(fd, cmd, arg));
}

static long raw_syscall(long nr, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return result(sys_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

struct real real_table = {
	.open = raw_open, .close = raw_close, .read = raw_read, .write = raw_write,
	.lseek = raw_lseek, .mmap = raw_mmap, .fcntl = raw_fcntl, .syscall = raw_syscall,
};
int real_ready;
int real_io_is_libc;

static int in_libc(void *function)
{
	Dl_info info;
	const char *name;

	if (!function || !dladdr(function, &info) || !info.dli_fname)
		return 0;
	name = strrchr(info.dli_fname, '/');
	return strncmp(name ? name + 1 : info.dli_fname, "libc.so", 7) == 0 ||
	       strncmp(name ? name + 1 : info.dli_fname, "libc-2", 6) == 0;
}

void real_resolve(void)
{
	static __thread int busy;
	struct real found;

	if (busy)
		return;
	busy = 1;
	/* dlsym gives an object pointer; POSIX lets it be a function's address. */
#define CALL(family, type, name, args) \
	*(void **)(void *)&found.name = dlsym(RTLD_NEXT, #name);
#define TWIN(family, name, of)
#include "calls.def"
#undef CALL
#undef TWIN
	real_table = found;
	real_io_is_libc = in_libc(*(void **)(void *)&found.read) && in_libc(*(void **)(void *)&found.write);
	__atomic_store_n(&real_ready, 1, __ATOMIC_RELEASE);
	busy = 0;
}
