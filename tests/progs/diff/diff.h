/*
 * diff: a random sequence of operations on files, and what they did.
 *
 * The sequence is made from a seed before anything runs: each act has a kind,
 * descriptors by slot, and a seed of its own, from which it draws the rest when
 * its turn comes. So any of them can be left out, and the others stay the same.
 * What is drawn may depend on results that have to be equal in both runs (the
 * size of a file), on nothing else.
 *
 * One line of transcript per act, written by raw system calls. Acts marked so
 * are done by a second process, forked in mid-sequence: its descriptors share
 * their offsets with the first one's, its mappings are shared, its later
 * descriptors are its own. The two take turns.
 *
 * What is not compared, because the plain kernel does not promise it:
 * - how much of a write from partly bad memory is done (it depends on what is
 *   cached): such a write must not exceed the good bytes, must have written
 *   just these, and is then undone;
 * - where exactly holes begin and end: what SEEK_DATA skips must be zero;
 * - calls that the shim does not route on descriptors which the program itself
 *   made O_DIRECT: plain they are run without that flag (-b), because what a
 *   misaligned request does under the shim is what a buffered one does;
 * - O_DIRECT set or cleared behind the shim's back, or by F_SETFL on
 *   a description that other descriptors share: small writes there may see EINVAL,
 *   until a longer request has gone that way;
 * - numbers that the shim uses, once something is locked: closing what it has there
 *   could drop the lock;
 * - locks in a run with O_DIRECT: a file that is locked may not be routed, and
 *   then a misaligned request is the program's own EINVAL.
 */
#ifndef DIFF_H
#define DIFF_H

#include "../matrix.h"

#include <sys/resource.h>

#define SLOTS 8
#define MAPS 3
#define NAMES 4
#define HIGHEST (3L << 20)	/* offsets, mostly */
#define TOO_LARGE (8L << 20)	/* a file beyond is cut */

struct act {
	int number;
	const struct kind *kind;
	int slot, to;
	bool by_peer;		/* if there is one */
	bool any;		/* descriptors that are not open, too */
	bool pinned;		/* slots as given, not as found */
	uint64_t rng;
};

struct kind {
	const char *name;
	int weight, theme;
	void (*run)(struct act *a);
};

/* A descriptor of this process, and its description's place in the shared table. */
struct slot {
	int fd, ofd;
};

/* What both processes know. */
struct shared {
	int ofds;
	bool direct[4096];	/* the program made this description O_DIRECT */
	bool locked;		/* somebody has locked something */
	bool several[4096];	/* more than one descriptor has it */
};

extern struct slot slots[SLOTS];
extern struct shared *shared;
extern bool reference;		/* the run without O_DIRECT */
extern bool no_direct;		/* never ask for O_DIRECT, in either run */
extern const char *const file_names[NAMES];
extern const struct kind kinds[];
extern const int kinds_n;

/* gen.c */
void sequence(struct act *acts, int n, uint64_t seed);
void find_slots(struct act *a);
void find_able(struct act *a, int *slot, bool read, bool write);
void find_pair(struct act *a);
long pick(struct act *a, long n);
bool one_in(struct act *a, long n);
long likely(struct act *a, long most);
long likely_length(struct act *a);
long likely_offset(struct act *a, long size);

/* line.c */
void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
long put_result(long r);
void put_line(const char *head);
void put_state(int s);
long size_of(int fd);
bool same_file(int fd, int other);
void look_at(const char *path);
void look_at_fd(int fd);

/* files.c */
bool is_direct(int s);
void vacate(int s);
void act_open(struct act *a);
void act_close(struct act *a);
void act_dup(struct act *a);
void act_setfl(struct act *a);
void act_lock(struct act *a);

/* data.c, sizes.c, copies.c, maps.c, peer.c */
void data_setup(void);
const char *some_bytes(struct act *a, long n);
void act_data(struct act *a);
void act_seek(struct act *a);
void act_truncate(struct act *a);
void act_fallocate(struct act *a);
void act_sync(struct act *a);
void act_advise(struct act *a);
void act_name(struct act *a);
void act_look(struct act *a);
void act_sendfile(struct act *a);
void act_copy_range(struct act *a);
void act_splice(struct act *a);
void act_stdio(struct act *a);
void act_map(struct act *a);
void act_store(struct act *a);
void act_load(struct act *a);
void act_unmap(struct act *a);
char *map_memory(struct act *a, int not_fd, bool store, size_t len);
void act_fork(struct act *a);
void act_join(struct act *a);
bool peer_does(struct act *a);

#endif
