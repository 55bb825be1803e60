#include "state.h"

#include "ahead.h"
#include "behind.h"
#include "book.h"
#include "entry.h"
#include "file.h"
#include "locks.h"
#include "log.h"
#include "note.h"
#include "observe.h"
#include "own.h"
#include "pool.h"
#include "quick.h"
#include "real.h"
#include "sys.h"
#include "window.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FENCE_PAGE 65536	/* a page of any size that aarch64 has */

/* Alone in its pages: they are wiped in a fork child. */
static union {
	struct state_fence fence;
	char page[FENCE_PAGE];
} fence __attribute__((aligned(FENCE_PAGE)));
extern struct state_fence state_fence __attribute__((alias("fence")));

__thread int state_quiet;
__thread int state_vforked;
struct config state_config;
uint32_t state_generation;

static uint32_t inside;		/* threads from state_hold to the last system call of state_free */
static int owner;		/* process id the tables belong to; 0: not started */
static bool unwiped;		/* the fence stays as it is in a fork child */
static bool off;		/* seccomp: also in fork children */

/* The environment's text may be overwritten later (process titles): kept here. */
static char text_room[8192];
static size_t text_used;

static const char *keep(const char *text)
{
	size_t n = strlen(text) + 1;
	char *at = text_room + text_used;

	if (n > sizeof(text_room) - text_used)
		return NULL;
	memcpy(at, text, n);
	text_used += n;
	return at;
}

static void configure(void)
{
	config_defaults(&state_config);
	for (int i = 0; i < CONFIGS; i++) {
		const char *text = getenv(config_items[i].env), *kept;

		/* Of the patterns never to route none may be meant. */
		if (!text || (!*text && i != CONFIG_EXCLUDE))
			continue;
		kept = keep(text);
		if (!kept || !config_set(&state_config, (enum config_id)i, kept))
			log_bad_value(config_items[i].env, text);
	}
	pool_configure(state_config.pool, state_config.chunk);
	observe_strict = state_config.mode == MODE_strict;
	note_configure();
}

/*
 * Around fork(): no descriptor of ours is on its way to a high number. The
 * child starts over at once, also where its memory was not wiped. Other ways
 * to fork are found out by the fence, at the child's first call.
 */
static void before_fork(void)
{
	gate_stop(&own_numbers);
}

static void after_fork(void)
{
	file_shared();
	gate_go(&own_numbers);
}

static void in_child(void)
{
	if (state_now() == STATE_READY)
		state_fence.state = STATE_COLD;
	state_ready();
}

static void at_exit(int status, void *arg)
{
	(void)status;
	(void)arg;
	if (state_ready()) {
		uint64_t held = state_hold();

		entry_finish(LEDGER_EXITED);
		state_free(held);
	}
}

static void retiring(struct file *f)
{
	window_end_of(f);
	if (state_config.mode == MODE_auto)
		behind_end(f);
}

static void first_start(void)
{
	const char *held = getenv(OWN_HELD);

	real_resolve();
	configure();
	unwiped = sys_madvise(&fence, sizeof(fence), MADV_WIPEONFORK) != 0;	/* Linux 4.14 */
	pthread_atfork(before_fork, after_fork, in_child);
	file_retiring = retiring;
	pool_pressure = window_give_back;
	own_start();
	book_start();
	if (held && own_inherit(held, locks_park))
		locks_inherited();
	/* on_exit, not a destructor: it runs behind those of all libraries. */
	on_exit(at_exit, NULL);
}

/* A fork child: tables hold, but for what belonged to the parent's threads and memory. */
static void child_start(void)
{
	state_generation++;
	inside = 1;
	window_forked();
	ahead_forget();
	locks_forked();
	own_numbers = (struct gate){ 0, 0 };
	own_forked();
	if (quick_copying)
		pool_stand_in();
	pool_forget();
	book_forked();
	file_forked();
}

/* All signals but those that a fault raises: blocked, these would kill. */
#define SIGNAL(n) (1ull << ((n) - 1))
#define HELD_SIGNALS (~(SIGNAL(SIGSEGV) | SIGNAL(SIGBUS) | SIGNAL(SIGILL) | SIGNAL(SIGFPE) | \
			SIGNAL(SIGTRAP) | SIGNAL(SIGSYS)))

/* The kernel's call, for glibc's keeps SIGCANCEL out of the mask. */
static uint64_t signal_mask(int how, uint64_t mask)
{
	uint64_t old = 0;

	sys_call(SYS_rt_sigprocmask, how, sys_ptr(&mask), sys_ptr(&old), sizeof(mask), 0, 0);
	return old;
}

static void count_inside(uint32_t n)
{
	if (state_alone())
		inside += n;
	else
		__atomic_fetch_add(&inside, n, __ATOMIC_SEQ_CST);
}

uint64_t state_hold(void)
{
	uint64_t old;

	count_inside(1);
	old = signal_mask(SIG_BLOCK, HELD_SIGNALS);
	state_quiet++;
	return old;
}

void state_free(uint64_t held)
{
	state_quiet--;
	signal_mask(SIG_SETMASK, held);
	count_inside(-1u);
}

bool state_start(void)
{
	uint32_t cold = STATE_COLD;
	int saved = errno;
	uint64_t held;
	bool fresh;

	if (state_quiet > 0 || state_now() != STATE_COLD)
		return false;
	if (!__atomic_compare_exchange_n(&state_fence.state, &cold, STATE_STARTING, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	if (off) {	/* a fork child of one that retreated: no system call of ours */
		book_lost();
		__atomic_store_n(&state_fence.state, STATE_OFF, __ATOMIC_RELEASE);
		return false;
	}
	held = state_hold();
	fresh = owner == 0;
	owner = sys_getpid();
	if (fresh)
		first_start();
	else
		child_start();
	__atomic_store_n(&state_fence.state, STATE_READY, __ATOMIC_RELEASE);
	state_free(held);
	errno = saved;
	return state_now() == STATE_READY;
}

bool state_owner(void)
{
	return sys_getpid() == owner;
}

bool state_still_ready(void)
{
	if (unwiped && !state_owner())
		state_fence.state = STATE_COLD;
	return state_ready();
}

void state_retreat(void)
{
	off = true;
	__atomic_store_n(&state_fence.state, STATE_OFF, __ATOMIC_SEQ_CST);
	/* Others than this one; bounded, for one that a handler jumped out of. */
	for (int i = 0; i < 20000 && __atomic_load_n(&inside, __ATOMIC_SEQ_CST) > 1; i++)
		sys_nanosleep(50000);
}

void state_return(void)
{
	off = false;
	__atomic_store_n(&state_fence.state, STATE_READY, __ATOMIC_RELEASE);
}

void entry_finish(enum ledger_state state)
{
	/* Without a folder or a log nobody would read it. */
	if (!state_config.log && own_dir < 0)
		return;
	if (!book_ledger && !book_worth())
		return;
	book_now();
	window_finish();
	if (state_config.mode == MODE_auto)
		file_each(behind_end);
	book_witness(state);
	if (state_config.log)
		log_report(state_config.log);
	book_save();
}

__attribute__((constructor)) static void load(void)
{
	state_start();
}
