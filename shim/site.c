#include "site.h"

#include "own.h"
#include "sys.h"

#include <execinfo.h>
#include <string.h>

#define OURS_MAX 16	/* frames of ours before the program's */
#define WITH_FILE (LEDGER_SITES / 2)	/* so many sites are told apart by file too */
#define TRIES 64		/* places of the table that a site is looked for in */

struct chain {
	const void *at[LEDGER_FRAMES];
	unsigned n;
};

void site_start(void)
{
	void *frame[2];

	if (state_config.backtrace > 1)
		backtrace(frame, 2);
}

/* The return addresses from caller on: what called our wrapper, and who called that. */
static void find_chain(struct chain *c, const void *caller)
{
	void *all[OURS_MAX + LEDGER_FRAMES];
	int n = 0, ours = 0;

	c->at[0] = caller;
	c->n = 1;
	if (state_config.backtrace < 2)
		return;
	n = backtrace(all, (int)(OURS_MAX + state_config.backtrace));
	while (ours < n && all[ours] != caller)
		ours++;
	for (int i = ours + 1; i < n && c->n < state_config.backtrace; i++)
		c->at[c->n++] = all[i];
}

/* FNV-1a, word by word, stirred at the end. Never 0. */
static uint64_t hash(const struct chain *c, enum ledger_op op, unsigned file)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (unsigned i = 0; i < c->n; i++)
		h = (h ^ (uintptr_t)c->at[i]) * 0x100000001b3ull;
	h = (h ^ ((uint64_t)op << 32 | file)) * 0x100000001b3ull;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	h ^= h >> 32;
	return h ? h : 1;
}

/* ---- modules ------------------------------------------------------------- */

/* One line of /proc/self/maps. */
struct mapping {
	uint64_t from, to, offset, ino;
	const char *path;	/* NUL-terminated; "" for anonymous memory */
};

static uint64_t hex(const char **s)
{
	uint64_t x = 0;

	for (;; ++*s) {
		const char c = **s;

		if (c >= '0' && c <= '9')
			x = x << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			x = x << 4 | (uint64_t)(c - 'a' + 10);
		else
			return x;
	}
}

static const char *next_word(const char *s)
{
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	return s;
}

/* "from-to rwxp offset major:minor inode   path" */
static void parse(struct mapping *m, const char *line)
{
	m->from = hex(&line);
	line += *line == '-';
	m->to = hex(&line);
	line = next_word(next_word(line));
	m->offset = hex(&line);
	line = next_word(next_word(line));
	m->ino = 0;
	for (; *line >= '0' && *line <= '9'; line++)
		m->ino = m->ino * 10 + (uint64_t)(*line - '0');
	m->path = next_word(line);
}

/* The module's number + 1; 0: no room, or not a file. */
static uint32_t module_of(struct ledger_sites *s, const struct mapping *m)
{
	size_t n = strlen(m->path);
	const char *path = n < LEDGER_MODULE_PATH ? m->path : m->path + n - (LEDGER_MODULE_PATH - 1);
	uint32_t used = __atomic_load_n(&s->modules_used, __ATOMIC_ACQUIRE), i;

	if (!*path)
		return 0;
	for (i = 0; i < used && i < LEDGER_MODULES; i++)
		if (__atomic_load_n(&s->modules[i].used, __ATOMIC_ACQUIRE) &&
		    s->modules[i].ino == m->ino && strcmp(s->modules[i].path, path) == 0)
			return i + 1;
	i = __atomic_fetch_add(&s->modules_used, 1, __ATOMIC_ACQ_REL);
	if (i >= LEDGER_MODULES) {
		__atomic_store_n(&s->modules_used, LEDGER_MODULES, __ATOMIC_RELEASE);
		return 0;
	}
	s->modules[i].ino = m->ino;
	strcpy(s->modules[i].path, path);
	__atomic_store_n(&s->modules[i].used, 1, __ATOMIC_RELEASE);
	return i + 1;
}

/* The addresses that lie in this mapping. */
static void place(struct ledger_sites *s, struct ledger_site *to, const struct mapping *m)
{
	for (unsigned i = 0; i < to->frames_n; i++) {
		struct ledger_frame *f = &to->frames[i];

		if (f->module || f->offset < m->from || f->offset >= m->to)
			continue;
		f->module = module_of(s, m);
		if (f->module)
			f->offset = f->offset - m->from + m->offset;
	}
}

#define LINE_HEAD 128	/* of a line that is too long: the numbers, and some of the path */
#define LINE_CUT 512	/* goes on from here */

static void read_maps(int fd, struct ledger_sites *s, struct ledger_site *to)
{
	char text[1024];
	size_t have = 0;
	ssize_t n;

	while ((n = sys_read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		char *line = text, *end;

		book_own_read((size_t)n);
		have += (size_t)n;
		text[have] = '\0';
		while ((end = strchr(line, '\n'))) {
			struct mapping m;

			*end = '\0';
			parse(&m, line);
			place(s, to, &m);
			line = end + 1;
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
		if (have == sizeof(text) - 1) {	/* a long path: its end is what is kept */
			memmove(text + LINE_HEAD, text + LINE_CUT, have - LINE_CUT);
			have -= LINE_CUT - LINE_HEAD;
		}
	}
}

static void resolve(struct ledger_sites *s, struct ledger_site *to)
{
	int fd;

	if (state_now() != STATE_READY || !own_open_begin())
		return;
	fd = own_open_proc("self/maps", O_RDONLY);
	if (fd >= 0) {
		read_maps(fd, s, to);
		sys_close(fd);
	}
	own_open_end();
}

/* ---- the table ----------------------------------------------------------- */

static void fill(struct ledger_sites *s, struct ledger_site *to, const struct chain *c,
		 enum ledger_op op, unsigned file)
{
	to->op = op;
	to->file = file;
	for (unsigned i = 0; i < c->n; i++)
		to->frames[i] = (struct ledger_frame){ 0, (uintptr_t)c->at[i] };
	to->frames_n = c->n;
	resolve(s, to);
	__atomic_store_n(&to->used, 1, __ATOMIC_RELEASE);
	__atomic_fetch_add(&s->sites_used, 1, __ATOMIC_RELAXED);
}

/* A place that was free becomes the site of that key, unless another thread's is there first. */
static bool take(struct ledger_sites *s, struct ledger_site *site, uint64_t key, const struct chain *c,
		 enum ledger_op op, unsigned file)
{
	const uint64_t held = state_hold();	/* first: a handler may leave by siglongjmp */
	uint64_t there = 0;

	if (__atomic_compare_exchange_n(&site->key, &there, key, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		there = key;
		fill(s, site, c, op, file);
	}
	state_free(held);
	return there == key;
}

static bool known(struct ledger_sites *s, uint64_t key)
{
	for (unsigned i = 0; i < TRIES; i++) {
		const uint64_t at = __atomic_load_n(&s->sites[(key + i) % (LEDGER_SITES - 1)].key,
						    __ATOMIC_ACQUIRE);

		if (at == key || at == 0)
			return at != 0;
	}
	return false;
}

struct ledger_site *site_of(struct ledger *l, const void *caller, enum ledger_op op, unsigned file)
{
	struct ledger_sites *s = __atomic_load_n(&l->has_sites, __ATOMIC_ACQUIRE) ? ledger_sites(l) : NULL;
	const unsigned last = LEDGER_SITES - 1;
	struct ledger_site *site;
	struct chain c;
	uint64_t key;

	if (!s)
		return NULL;
	find_chain(&c, caller);
	if (__atomic_load_n(&s->sites_used, __ATOMIC_RELAXED) >= WITH_FILE && !known(s, hash(&c, op, file)))
		file = 0;
	key = hash(&c, op, file);
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t there;

		site = &s->sites[(key + i) % last];
		there = __atomic_load_n(&site->key, __ATOMIC_ACQUIRE);
		if (there == key || (!there && take(s, site, key, &c, op, file)))
			return site;
	}
	site = &s->sites[last];
	__atomic_store_n(&site->used, 1, __ATOMIC_RELEASE);
	return site;
}

unsigned site_number(const struct ledger *l, const struct ledger_site *s)
{
	return s ? (unsigned)(s - ledger_sites((struct ledger *)(uintptr_t)l)->sites) + 1 : 0;
}

/* ---- remainders ---------------------------------------------------------- */

#define ONE 1ull

static bool count_in(uint64_t *slot, uint32_t rest)
{
	uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);

	while (old && LEDGER_REST(old) == rest)
		if (__atomic_compare_exchange_n(slot, &old, old + ONE, 1, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static void give(uint64_t *slot)
{
	uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);

	while (old && !__atomic_compare_exchange_n(slot, &old,
						   LEDGER_REST_COUNT(old) > 1 ? old - ONE : 0, 1,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void site_rest(struct ledger_rests *r, uint32_t rest)
{
	for (int i = 0; i < LEDGER_RESTS; i++)
		if (count_in(&r->slot[i], rest))
			return;
	for (int i = 0; i < LEDGER_RESTS; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&r->slot[i], &none, (uint64_t)rest << 48 | ONE, 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return;
	}
	for (int i = 0; i < LEDGER_RESTS; i++)
		give(&r->slot[i]);
	__atomic_fetch_add(&r->given, 1, __ATOMIC_RELAXED);
}
