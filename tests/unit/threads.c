/*
 * What threads share without a lock: the table, file slots, the pool, gates,
 * the books. Meant for ThreadSanitizer (make check-tsan); each part also
 * checks what it must keep.
 */
#include "book.h"
#include "file.h"
#include "gate.h"
#include "pool.h"
#include "race.h"
#include "tap.h"

/* ---- the table ------------------------------------------------------------------ */

#define TABLE_FROM 200000	/* where no page of the table is yet */
#define TABLE_STEP 300
#define TABLE_N 20

static void *count_words(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&line);
	for (int i = 0; i < 4000; i++) {
		int fd = TABLE_FROM + i % TABLE_N * TABLE_STEP;
		uint64_t word = fdtab_get(fd);

		while (!fdtab_replace(fd, word, fdtab_plain(REASON_edge, fdtab_row(word) + 1)))
			word = fdtab_get(fd);
	}
	return NULL;
}

static void table(void)
{
	unsigned sum = 0;

	race(count_words);
	for (int i = 0; i < TABLE_N; i++)
		sum += fdtab_row(fdtab_set(TABLE_FROM + i * TABLE_STEP, 0));
	is_int(sum, THREADS * 4000, "table: no replacement was lost, no page made twice");
}

/* ---- slots ---------------------------------------------------------------------- */

#define SLOT_FROM 300000
#define SLOT_N 3

static uint32_t inside[SLOT_N];		/* users of the word that stands there */

/* A descriptor of the table comes and goes; its file's dev is its number. */
static void publish(int i)
{
	int fd = SLOT_FROM + i;
	struct file *f = file_new();

	if (!f)
		return;
	f->dev = (uint64_t)fd;
	f->ino = f->generation;
	__atomic_store_n(&f->refs, 1, __ATOMIC_SEQ_CST);
	see(fdtab_set(fd, file_word(f)) == 0);
	if (f->generation % 4 == 0)
		sched_yield();
	see(file_drop_begin(fd) == f);
	for (int k = 0; k < 30; k++) {	/* what came too late is seen later */
		see(__atomic_load_n(&inside[i], __ATOMIC_SEQ_CST) == 0);
		if (k % 10 == 0)
			sched_yield();
	}
	file_drop_end(fd, f, 0);
}

static void use(int i)
{
	int fd = SLOT_FROM + i;
	uint64_t word = fdtab_get(fd);
	struct file *f;

	if (fdtab_tag(word) != FD_FILE)
		return;
	if (fdtab_generation(word) % 3 == 0)
		sched_yield();
	f = file_enter(fd, word);
	if (!f)
		return;
	__atomic_fetch_add(&inside[i], 1, __ATOMIC_SEQ_CST);
	see(f->dev == (uint64_t)fd && f->ino == fdtab_generation(word));
	if (fdtab_generation(word) % 8 == 0)
		sched_yield();
	see(f->dev == (uint64_t)fd && f->generation == fdtab_generation(word));
	__atomic_fetch_sub(&inside[i], 1, __ATOMIC_SEQ_CST);
	file_leave(fd, f);
}

static void *slot(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&line);
	if (me < SLOT_N - 1) {
		for (int i = 0; i < 2000; i++)
			publish((int)me);
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
		return NULL;
	}
	for (int i = 0; !stopped(); i++)
		use(i % SLOT_N);
	return NULL;
}

static void slots(void)
{
	is_int(race(slot), 0, "slots: a request keeps its file, a close waits for it");
}

/* ---- the pool's first use --------------------------------------------------------- */

static void *first_chunk(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&line);
	for (int i = 0; i < 100; i++) {
		char *c = pool_get(4096);

		see(c != NULL);
		if (!c)
			break;
		c[0]++;		/* no memset: compiled inline, the sanitizer does not see it */
		c[4095]++;
		see(c[0] == c[4095]);
		pool_put(c);
	}
	return NULL;
}

static void pool(void)
{
	long bad = 0;

	for (int i = 0; i < 30; i++) {
		pool_forget();
		bad += race(first_chunk);
	}
	is_int(bad, 0, "pool: made once by threads that meet, no chunk with two owners");
}

/* ---- gates ---------------------------------------------------------------------- */

static struct gate gate;
static long guarded[2];		/* changed by the shim's side alone */

static void *pass_gate(void *arg)
{
	pthread_barrier_wait(&line);
	if (arg) {
		for (int i = 0; i < 300; i++) {
			gate_stop(&gate);
			see(guarded[0] == guarded[1]);
			gate_go(&gate);
		}
		__atomic_fetch_add(&stop, 1, __ATOMIC_ACQ_REL);
		return NULL;
	}
	while (__atomic_load_n(&stop, __ATOMIC_ACQUIRE) < THREADS - 1) {
		if (!gate_try(&gate))
			continue;
		guarded[0]++;
		guarded[1]++;
		gate_done(&gate);
	}
	return NULL;
}

static void gates(void)
{
	is_int(race(pass_gate), 0, "gate: its sides never meet");
	is_int(gate.shim + gate.program, 0, "gate: nobody is left inside");
}

/* ---- the books ------------------------------------------------------------------- */

#define BOOKINGS 500
#define ROWS 40

static void *book(void *arg)
{
	char path[32];

	pthread_barrier_wait(&line);
	for (int i = 0; i < BOOKINGS; i++) {
		struct stat st = { .st_dev = 1, .st_ino = (ino_t)(i % ROWS + 1) };
		struct ledger_file *row;

		snprintf(path, sizeof(path), "/row/%d", i % ROWS);
		row = book_row(&st, path);
		see(row->ino == st.st_ino && strcmp(row->path, path) == 0);
		book_moved(row, OP_READ, ROUTE_cached, REASON_edge, 10 + (size_t)(long)arg);
		book_count(COUNTER_guard_drops, 3);
	}
	return NULL;
}

static void books(void)
{
	const long bytes = BOOKINGS * (10 + 11 + 12 + 13);
	long bad = 0, lost = 0;

	for (int i = 0; i < 10; i++) {
		long sum = 0;

		book_forked();
		bad += race(book);
		for (int k = 0; k < LEDGER_FILES; k++)
			sum += (long)book_ledger->files[k].reason_bytes[REASON_edge];
		lost += sum != bytes || (long)book_ledger->reasons[REASON_edge].bytes != bytes;
		lost += book_ledger->counters[COUNTER_guard_drops] != 3 * BOOKINGS * THREADS;
	}
	is_int(lost, 0, "books: no addition was lost, the ledger made once");
	is_int(bad, 0, "books: a row is its file's");
}

int main(void)
{
	table();
	slots();
	pool();
	gates();
	books();
	return done_testing();
}
