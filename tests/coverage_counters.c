/*
 * Where the counters of a coverage build lie: in one file that every process
 * maps shared, so that what a process ran is counted whichever way it ends
 * (_exit, exec, SIGKILL) and whoever's memory it runs in (vfork).
 *
 * Clang's own run time library is not linked: it allocates, uses stdio and
 * writes when the process exits, which the shim's place in a program forbids.
 * This needs three system calls, made directly, and keeps no descriptor.
 *
 * Compiled with the shim's objects; the file's name is COVERAGE_FILE. Where
 * it cannot be had (a chroot, another user) the counts of that process are lost.
 */
#include "sys.h"

#include <sys/mman.h>

/* Clang's: the counters of all objects, and what is added to their addresses. */
extern uint64_t __start___llvm_prf_cnts[], __stop___llvm_prf_cnts[];
extern int64_t __llvm_profile_counter_bias __attribute__((visibility("hidden")));

/* Before the shim's constructor; what ran earlier is added. */
__attribute__((constructor(101))) static void share_counters(void)
{
	size_t n = (size_t)(__stop___llvm_prf_cnts - __start___llvm_prf_cnts);
	long fd = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(COVERAGE_FILE), O_RDWR | O_CLOEXEC, 0, 0, 0);
	uint64_t *shared;
	long at;

	if (fd < 0)
		return;
	at = sys_kernel(SYS_mmap, 0, (long)(n * sizeof(*shared)), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
	if (at < 0 && at > -4096)
		return;
	shared = (uint64_t *)at;
	for (size_t i = 0; i < n; i++)
		if (__start___llvm_prf_cnts[i])
			__atomic_fetch_add(&shared[i], __start___llvm_prf_cnts[i], __ATOMIC_RELAXED);
	__llvm_profile_counter_bias =
		(int64_t)((uintptr_t)shared - (uintptr_t)__start___llvm_prf_cnts);
}
