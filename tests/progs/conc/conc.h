/*
 * conc: the concurrency machine. A crew of processes, each with some jobs,
 * as threads or as forked children, works on a few files at once; a director
 * lays out the work, and verifies without the shim when all have ended.
 *
 *   slots   disjoint records of odd sizes, each rewritten by one job, version
 *           after version; a version is announced when its write has returned
 *   log     entries appended with O_APPEND
 *   queue   entries written through one shared offset
 *   tail    entries of one size, appended while others read behind, through
 *           one shared offset
 *   dole    a finished file, read through one shared offset
 */
#ifndef DIOSHIM_CONC_H
#define DIOSHIM_CONC_H

#include "crew.h"

#define SLOTS		800
#define JOBS		40
#define PROCESSES	12
#define PER_PROCESS	4
#define ENTRIES		20000		/* of a writer to the tail, of the dole */
#define LOG_MOST	(12 * MIB)	/* bytes of one writer's entries */
#define READ_MOST	(800 * KIB)
#define BEYOND		(1 * MIB)	/* how far files are made longer than their data */

enum kind { JOB_PLACE, JOB_LOOK, JOB_LOG, JOB_QUEUE, JOB_LINE, JOB_TAIL, JOB_DOLE, JOB_PUSH, JOB_GROW };

/* How bytes are moved, in both directions. */
enum way {
	WAY_POSITION, WAY_COMMON, WAY_VECTOR, WAY_SEEK, WAY_SEEK_VECTOR,	/* one call */
	WAY_STDIO, WAY_COPY, WAY_SENDFILE, WAY_DIRECT, WAY_MAP,
	WAYS
};
#define ONE_CALL	(1u << WAY_STDIO)	/* masks below: ways of one call alone */

struct slot {
	int64_t off;
	uint32_t len, job;
	uint64_t started, done;	/* versions: being written, announced */
};

struct job {
	uint32_t kind, ways;	/* ways of writing, as a mask */
	uint64_t done;		/* operations that have returned, over all its processes */
	uint64_t bytes;
};

struct process {
	bool shim, forks;	/* its jobs are forked children, not threads */
	bool relay;		/* goes on as another program, half way, the other way shimmed */
	uint32_t jobs, job[PER_PROCESS];
};

/* Seen by all; counts are changed atomically. */
struct state {
	char folder[4000];
	uint64_t seed;
	uint32_t stop, phase, lines;		/* lines: writers to the tail that go on */
	uint32_t mapped;			/* somebody stores through a mapping of the slots */
	uint32_t log_gaps;			/* the log is made longer by others too */
	uint32_t tail_len, dole_len;		/* bytes of an entry */
	int slots_fd, log_fd, queue_fd, tail_fd, dole_fd;	/* inherited */
	int64_t region, grown;			/* of slots: bytes of all, the size it has to have */
	uint32_t n_slots, n_jobs, n_processes;
	uint64_t reads, seen_records, torn[2], inside[2], self_reads, pushes, stores, latched;
	struct findings found;
	struct slot slots[SLOTS];
	struct job jobs[JOBS];
	struct process processes[PROCESSES];
	uint8_t tail_seen[JOBS][ENTRIES], dole_seen[ENTRIES];
};

extern struct state *st;
extern uint32_t my_process, my_phase;
extern bool shimmed;

/* What a job has in its hands. */
struct hand {
	struct job *job;
	uint32_t id;
	uint64_t rnd;
	unsigned char *area, *image;	/* where it reads to and writes from; a slot as it must be */
	int fd, direct, append, source;
	FILE *stream;
	unsigned char *map;
};

#define tell(...) problem(&st->found, __VA_ARGS__)

bool over(void);
void breathe(struct hand *h);
unsigned char *skewed(struct hand *h);
int data_file(const char *name, int flags);
void add(uint64_t *counter, uint64_t n);

/* move.c: the ways. False, and it is told, when not all was moved. */
bool move_write(struct hand *h, enum way way, const unsigned char *p, long len, int64_t off);
bool move_read(struct hand *h, enum way way, unsigned char *p, long len, int64_t off);
void move_close(struct hand *h);

/* jobs */
void place_job(struct hand *h);
void look_job(struct hand *h);
void push_job(struct hand *h);
void grow_job(struct hand *h);
void log_job(struct hand *h);
void queue_job(struct hand *h);
void line_job(struct hand *h);
void tail_job(struct hand *h);
void dole_job(struct hand *h);

void plan_work(bool with_shim);
void verify(void);
void latched(const char *name, int fd);

#endif
