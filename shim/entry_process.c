#include "entry.h"

#include "locks.h"
#include "memory.h"
#include "own.h"
#include "sys.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

EXPORT void _exit(int status)
{
	if (state_ready()) {
		state_hold();
		entry_finish(LEDGER_EXITED);
	}
	real._exit(status);
	__builtin_unreachable();
}

EXPORT void quick_exit(int status)
{
	if (state_ready())
		entry_finish(LEDGER_EXITED);
	real.quick_exit(status);
	__builtin_unreachable();
}

/*
 * Before seccomp, where one unexpected system call may kill, and before
 * fanotify, where each opening of ours is an event for the program to answer:
 * from here on there is none.
 */
static bool retreat_begin(void)
{
	uint64_t held;

	if (!state_ready())
		return false;
	held = state_hold();
	book_now();	/* making it later would be such a call */
	book_witness(LEDGER_RUNNING);
	for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_FILE)) >= 0; fd++)
		file_drop(fd);
	state_retreat();
	state_free(held);
	return true;
}

/* On again if it failed; not if an earlier filter had switched us off. */
static long retreat_end(bool begun, long r)
{
	if (begun && r < 0)
		state_return();
	return r;
}

EXPORT int fanotify_init(unsigned flags, unsigned event_flags)
{
	bool begun = retreat_begin();

	return (int)retreat_end(begun, real.fanotify_init(flags, event_flags));
}

EXPORT int prctl(int option, ...)
{
	va_list ap;
	unsigned long a[4];
	bool begun;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option != PR_SET_SECCOMP)
		return real.prctl(option, a[0], a[1], a[2], a[3]);
	begun = retreat_begin();
	return (int)retreat_end(begun, real.prctl(option, a[0], a[1], a[2], a[3]));
}

/* Raw calls go through, but for those that change the table or start seccomp. */
EXPORT long syscall(long nr, ...)
{
	va_list ap;
	long a[6];
	bool begun;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	switch (nr) {
	case SYS_dup:
		return dup((int)a[0]);
	case SYS_fcntl:
		return fcntl((int)a[0], (int)a[1], a[2]);
	case SYS_prctl:
		return prctl((int)a[0], a[1], a[2], a[3], a[4]);
	case SYS_mmap:
		return (long)mmap((void *)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
	case SYS_execve:
		return execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
	case SYS_userfaultfd:
		memory_lazy = true;
		break;
	case SYS_fanotify_init:
		return fanotify_init((unsigned)a[0], (unsigned)a[1]);
	case SYS_close:
		return entry_close((int)a[0], true);
	case SYS_close_range:
		return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
	case SYS_dup3:
		return dup3((int)a[0], (int)a[1], (int)a[2]);
#ifdef SYS_dup2
	case SYS_dup2:
		return dup2((int)a[0], (int)a[1]);
#endif
	case SYS_seccomp:
		if (a[0] != SECCOMP_SET_MODE_STRICT && a[0] != SECCOMP_SET_MODE_FILTER)
			break;
		begun = retreat_begin();
		return retreat_end(begun, real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
	default:
		break;
	}
	return real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * vfork returns twice on one stack, so it cannot be a C function. The child is
 * marked: it runs in its parent's memory, and must not touch the tables.
 * A count, for a vfork child may vfork.
 */
long vfork_failed(long err) __attribute__((used, visibility("hidden")));
long vfork_parent(long pid) __attribute__((used, visibility("hidden")));

long vfork_failed(long err)
{
	return entry_result(err);
}

/* The child has gone on as another program, and shares what it did not close. */
long vfork_parent(long pid)
{
	if (state_ready())
		file_shared();
	return pid;
}

#if defined(__x86_64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	popq %rdi\n"		/* the child's return overwrites the stack below */
	"	movl $58, %eax\n"	/* SYS_vfork */
	"	syscall\n"
	"	pushq %rdi\n"
	"	movq state_vforked@gottpoff(%rip), %rcx\n"
	"	movq state_quiet@gottpoff(%rip), %rdx\n"
	"	testq %rax, %rax\n"
	"	jnz 1f\n"
	"	incl %fs:(%rcx)\n"
	"	incl %fs:(%rdx)\n"
	"	ret\n"
	"1:	jl 2f\n"
	"	cmpl $0, %fs:(%rcx)\n"	/* no mark: an emulator made a real fork */
	"	jle 3f\n"
	"	decl %fs:(%rcx)\n"	/* the child has gone */
	"	decl %fs:(%rdx)\n"
	"3:	movq %rax, %rdi\n"
	"	jmp vfork_parent\n"
	"2:	movq %rax, %rdi\n"
	"	jmp vfork_failed\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n"
	".globl __vfork\n"
	".set __vfork, vfork\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, %function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	hint 34\n"		/* bti c */
	"	mov x8, 220\n"		/* SYS_clone */
	"	mov x0, 0x4111\n"	/* CLONE_VM | CLONE_VFORK | SIGCHLD */
	"	mov x1, 0\n"
	"	svc 0\n"
	"	mrs x4, tpidr_el0\n"
	"	adrp x2, :gottprel:state_vforked\n"
	"	ldr x2, [x2, :gottprel_lo12:state_vforked]\n"
	"	adrp x3, :gottprel:state_quiet\n"
	"	ldr x3, [x3, :gottprel_lo12:state_quiet]\n"
	"	cmp x0, 0\n"
	"	b.lt vfork_failed\n"
	"	ldr w6, [x4, x2]\n"
	"	mov w5, 1\n"
	"	b.eq 1f\n"
	"	mov w5, -1\n"
	"	cmp w6, 0\n"		/* no mark: an emulator made a real fork */
	"	b.le 3f\n"
	"1:	add w6, w6, w5\n"
	"	str w6, [x4, x2]\n"
	"	ldr w6, [x4, x3]\n"
	"	add w6, w6, w5\n"
	"	str w6, [x4, x3]\n"
	"3:	cbnz x0, vfork_parent\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n"
	".globl __vfork\n"
	".set __vfork, vfork\n");
#endif

#define TWIN_process(name, of) TWIN_process_(name, of)
/* __vfork is an alias made in the assembly above. */
#define TWIN_process_(name, of) TWIN_##name(name, of)
#define TWIN__Exit(name, of) TWIN_ALIAS(name, of)
#define TWIN___vfork(name, of)
#include "twins.h"
