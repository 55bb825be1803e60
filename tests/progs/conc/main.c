/*
 * conc FOLDER SEED MILLISECONDS
 *
 * One seed's work in FOLDER, which must exist; started under the shim or
 * plain (then every process is plain). One line of counts on stdout; what was
 * found goes below it, and the status is 1.
 */
#include "conc.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define PATIENCE 60	/* seconds for the crew to end, once told so */

struct state *st;
uint32_t my_process, my_phase;
bool shimmed;

/* ---- for the jobs ---- */

void add(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

bool over(void)
{
	if (st->processes[my_process].relay && my_phase == 0)
		return __atomic_load_n(&st->phase, __ATOMIC_RELAXED) > 0;
	return __atomic_load_n(&st->stop, __ATOMIC_SEQ_CST);
}

void breathe(struct hand *h)
{
	switch (below(&h->rnd, 16)) {
	case 0: usleep((unsigned)below(&h->rnd, 800)); break;
	case 1: case 2: sched_yield(); break;
	default: break;
	}
}

unsigned char *skewed(struct hand *h)
{
	return h->area + (one_in(&h->rnd, 2) ? below(&h->rnd, 4096) : 512 * below(&h->rnd, 8));
}

int data_file(const char *name, int flags)
{
	char path[4100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", st->folder, name);
	fd = open(path, flags | O_CLOEXEC, 0666);
	if (fd < 0 && flags & O_DIRECT)
		fd = open(path, (flags & ~O_DIRECT) | O_CLOEXEC);	/* not on every file system */
	NEED(fd >= 0);
	return fd;
}

/* ---- a member ---- */

static void *run_job(void *arg)
{
	static void (*const jobs[])(struct hand *) = {
		[JOB_PLACE] = place_job, [JOB_LOOK] = look_job, [JOB_LOG] = log_job, [JOB_QUEUE] = queue_job,
		[JOB_LINE] = line_job, [JOB_TAIL] = tail_job, [JOB_DOLE] = dole_job, [JOB_PUSH] = push_job,
		[JOB_GROW] = grow_job,
	};
	const uint32_t id = (uint32_t)(uintptr_t)arg;
	struct hand h = { .job = &st->jobs[id], .id = id, .rnd = st->seed * 1000 + id * 2 + my_phase,
			  .fd = -1, .direct = -1, .append = -1, .source = -1 };
	const size_t size = (size_t)READ_MOST + 64 * KIB;
	unsigned char *memory = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(memory != MAP_FAILED);
	h.area = memory;
	h.image = memory + size;
	jobs[h.job->kind](&h);
	if (h.job->kind == JOB_LINE && !(st->processes[my_process].relay && my_phase == 0))
		__atomic_sub_fetch(&st->lines, 1, __ATOMIC_SEQ_CST);
	move_close(&h);
	munmap(memory, 2 * size);
	return NULL;
}

static void run_jobs(const struct process *p)
{
	pthread_t threads[PER_PROCESS];
	pid_t children[PER_PROCESS];
	int status;

	for (uint32_t j = 0; j < p->jobs; j++) {
		void *id = (void *)(uintptr_t)p->job[j];

		if (!p->forks) {
			NEED(pthread_create(&threads[j], NULL, run_job, id) == 0);
		} else if (!(children[j] = fork())) {
			run_job(id);
			exit(0);
		}
	}
	for (uint32_t j = 0; j < p->jobs; j++) {
		if (!p->forks)
			pthread_join(threads[j], NULL);
		else if (waitpid(children[j], &status, 0) != children[j] || status != 0)
			tell("a child ended with %x", (unsigned)status);
	}
}

__attribute__((noreturn)) static void become_member(uint32_t process, uint32_t phase, const char *memory)
{
	const bool shim = st->processes[process].shim;
	char index[12], phases[12];
	char *argv[] = { "conc", "member", index, phases, (char *)(uintptr_t)memory, NULL };

	snprintf(index, sizeof(index), "%u", process);
	snprintf(phases, sizeof(phases), "%u", phase);
	crew_become(phase ? !shim : shim, argv);
}

static int member(char **argv)
{
	const struct process *p;

	st = crew_map(atoi(argv[4]), sizeof(*st));
	my_process = (uint32_t)atoi(argv[2]);
	my_phase = (uint32_t)atoi(argv[3]);
	p = &st->processes[my_process];
	shimmed = getenv("LD_PRELOAD") != NULL;
	run_jobs(p);
	if (p->relay && my_phase == 0)
		become_member(my_process, 1, argv[4]);
	return 0;
}

/* ---- the director ---- */

static void start(pid_t *pids, const char *memory)
{
	for (uint32_t i = 0; i < st->n_processes; i++)
		if (!(pids[i] = fork()))
			become_member(i, 0, memory);
}

static void finish(pid_t *pids)
{
	uint32_t left = st->n_processes;

	for (long waited = 0; left > 0; waited++) {
		left = 0;
		for (uint32_t i = 0; i < st->n_processes; i++) {
			int status;

			if (!pids[i])
				continue;
			if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				if (status)
					tell("process %u ended with %x", i, (unsigned)status);
				pids[i] = 0;
				continue;
			}
			left++;
			if (waited == PATIENCE * 1000) {
				tell("process %u, %d, does not end", i, pids[i]);
				kill(pids[i], SIGKILL);
			}
		}
		usleep(1000);
	}
}

/* Half of the time; the director's fsyncs see each error that the kernel latches. */
static void wait_for(long microseconds)
{
	for (; microseconds > 0; microseconds -= 20000) {
		usleep(microseconds < 20000 ? (unsigned)microseconds : 20000);
		if (st->mapped)
			latched("slots", st->slots_fd);
	}
}

static void print(void)
{
	uint64_t ops[JOB_GROW + 1] = { 0 }, bytes = 0;
	uint32_t shims = 0;

	for (uint32_t j = 0; j < st->n_jobs; j++) {
		ops[st->jobs[j].kind] += st->jobs[j].done;
		bytes += st->jobs[j].bytes;
	}
	for (uint32_t i = 0; i < st->n_processes; i++)
		shims += st->processes[i].shim;
	printf("seed %lu: processes %u shimmed %u jobs %u slots %u written %lu stores %lu logged %lu queued %lu lines %lu bytes %lu "
	       "reads %lu looks %lu back %lu tailed %lu doled %lu torn %lu+%lu inside %lu+%lu pushes %lu latched %lu problems %u\n",
	       st->seed, st->n_processes, shims, st->n_jobs, st->n_slots, ops[JOB_PLACE], st->stores, ops[JOB_LOG], ops[JOB_QUEUE],
	       ops[JOB_LINE], bytes, st->reads, st->seen_records, st->self_reads, ops[JOB_TAIL], ops[JOB_DOLE],
	       st->torn[0], st->torn[1], st->inside[0], st->inside[1], st->pushes, st->latched, st->found.problems);
	findings_print(&st->found);
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES] = { 0 };
	char memory[12];
	int fd;

	if (argc == 5 && !strcmp(argv[1], "member"))
		return member(argv);
	NEED(argc == 4);
	crew_step_out(argv);
	fd = crew_memory(sizeof(*st));
	st = crew_map(fd, sizeof(*st));
	snprintf(memory, sizeof(memory), "%d", fd);
	NEED(realpath(argv[1], st->folder));
	st->seed = strtoul(argv[2], NULL, 10);
	plan_work(crew_has_shim());
	start(pids, memory);
	wait_for(atol(argv[3]) * 500);
	__atomic_store_n(&st->phase, 1, __ATOMIC_SEQ_CST);
	wait_for(atol(argv[3]) * 500);
	__atomic_store_n(&st->stop, 1, __ATOMIC_SEQ_CST);
	finish(pids);
	verify();
	print();
	return st->found.problems != 0;
}
