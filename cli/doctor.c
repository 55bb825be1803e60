#include "doctor.h"

#include "cli.h"
#include "settings.h"
#include "tune.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TUNE_SIZE_KEY 0x100

struct options {
	const char *text, *json;
	bool tune;
	uint64_t tune_bytes;
	char **paths;
	size_t paths_n;
};

static const struct argp_option option_list[] = {
	{ "output", 'o', "FILE", 0, "text, instead of on standard output", 0 },
	{ "json", 'j', "FILE", 0, "the same as JSON; - is standard output, instead of the text", 0 },
	{ "tune", 't', NULL, 0, "measure on the device of PATH from which size on direct I/O wins, and say the settings of mode auto that follow; some 15 seconds", 0 },
	{ "tune-size", TUNE_SIZE_KEY, "BYTES", 0, "of temporary space for --tune, from 8M to 64G (default 512M)", 0 },
	{ 0 },
};

/* As settings are written. */
static bool tune_size(const char *text, uint64_t *bytes)
{
	struct config c;

	config_defaults(&c);
	if (!config_set(&c, CONFIG_MIN_FILE, text))
		return false;
	*bytes = c.min_file;
	return c.min_file >= TUNE_LEAST && c.min_file <= (uint64_t)64 << 30;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static char here[] = ".", *alone[] = { here };
	struct options *o = state->input;

	switch (key) {
	case 'o': o->text = arg; return 0;
	case 'j': o->json = arg; return 0;
	case 't': o->tune = true; return 0;
	case TUNE_SIZE_KEY:
		if (!tune_size(arg, &o->tune_bytes))
			argp_error(state, "--tune-size: bad value \"%s\"", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->tune && o->paths_n != 1)
			argp_error(state, "--tune wants one PATH");
		return 0;
	case ARGP_KEY_ARGS:
		o->paths = state->argv + state->next;
		o->paths_n = (size_t)(state->argc - state->next);
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		o->paths = alone;
		o->paths_n = 1;
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static int temporary_in(const char *folder)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : place_temporary(dir);

	if (dir >= 0)
		close(dir);
	return fd;
}

/* Where the kernel is measured: in a folder whose files are direct, or else where there is room. */
static int temporary(const struct doctor *d)
{
	const char *const others[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int fd = -1;

	for (size_t i = 0; i < d->places_n && fd < 0; i++) {
		const struct place *p = &d->places[i];

		if (p->temporary && p->direct == ANSWER_YES)
			fd = temporary_in(p->path);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && fd < 0; i++)
		if (others[i])
			fd = temporary_in(others[i]);
	return fd;
}

static void examine(struct doctor *d, const struct options *o, const struct config *c)
{
	bool said = false;
	int fd;

	d->eligible = true;
	for (size_t i = 0; i < o->paths_n; i++) {
		struct place *p = &d->places[i];

		place_look(p, o->paths[i], c);
		if (p->error)
			complain("%s: %s", p->path, strerror(p->error));
		d->eligible &= p->direct == ANSWER_YES;
		said |= p->said;
	}
	fd = temporary(d);
	host_kernel(d->kernel, fd, said);
	if (fd >= 0)
		close(fd);
	d->swiotlb = host_swiotlb(d->evidence);
}

/* What is to be said: one of the two. */
struct findings {
	const struct doctor *doctor;
	const struct tune *tune;
};

static bool write_one(const struct findings *w, const char *name, bool json)
{
	FILE *f = output_open(name);

	if (!f)
		return false;
	if (w->tune)
		(json ? tune_json : tune_text)(w->tune, f);
	else
		(json ? doctor_json : doctor_text)(w->doctor, f);
	return output_close(f, name);
}

static bool write_out(const struct findings *w, const struct options *o)
{
	bool good = !o->json || write_one(w, o->json, true);

	if (!o->json || strcmp(o->json, "-") != 0 || o->text)
		good &= write_one(w, o->text ? o->text : "-", false);
	return good;
}

static int tune(const struct options *o, const struct config *c)
{
	static struct tune t;

	if (!tune_measure(&t, o->paths[0], o->tune_bytes, c))
		return STATUS_OWN;
	return write_out(&(struct findings){ .tune = &t }, o) ? 0 : STATUS_OWN;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_list,
		.parser = parse,
		.args_doc = "[PATH...]",
		.doc = "Say what files, and new files in folders, get under dioshim, and why; and what this kernel offers."
		       "\vExit status: 0 if the I/O of every PATH is direct, 1 if not; with --tune 0 if it was measured. The settings are those of "
		       "the environment (DIOSHIM_INCLUDE, ...).",
	};
	struct settings settings = { 0 };
	struct options o = { .tune_bytes = TUNE_BYTES };
	struct doctor d = { 0 };
	bool good;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o) || !settings_check(&settings))
		return STATUS_OWN;
	if (o.tune)
		return tune(&o, &settings.config);
	d.places = calloc(o.paths_n, sizeof(*d.places));
	if (!d.places) {
		complain("%s", strerror(errno));
		return STATUS_OWN;
	}
	d.places_n = o.paths_n;
	examine(&d, &o, &settings.config);
	good = write_out(&(struct findings){ .doctor = &d }, &o);
	free(d.places);
	return !good ? STATUS_OWN : d.eligible ? 0 : STATUS_OPEN;
}
