/*
 * The ledger reader: any files, given to `dioshim report` as a folder and one
 * by one. It has to end with status 0 or 1, one printable line on stderr per
 * file that it did not take, and text and JSON that are what they claim to be.
 *
 * An input makes up to six ledgers: good ones, with some bytes changed, cut or
 * made longer, figures that one comes to near 2^64, pids and names that collide.
 */
#include "ledger.h"
#include "cli.h"

#include "fuzz.h"
#include "json_check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 6

int dioshim_main(int argc, char **argv);	/* main of the command, renamed */

static char folder[] = "/dev/shm/dioshim-fuzz.XXXXXX";	/* memory: many files a second */
static struct ledger good;
static char names[FILES][64];
static unsigned files_n;

static void clean(void)
{
	for (unsigned i = 0; i < files_n; i++)
		unlink(names[i]);
	rmdir(folder);
}

/* The last words of a target that stops come from abort: the folder goes too. */
static void begin(void)
{
	static const char *const env[] = { "NO_COLOR", "TERM" };

	must(mkdtemp(folder), "%s: cannot be made", folder);
	atexit(clean);
	explain = clean;
	for (unsigned i = 0; i < 2; i++)
		unsetenv(env[i]);
	memcpy(good.magic, LEDGER_MAGIC, sizeof(good.magic));
	good.version = LEDGER_VERSION;
	good.size = sizeof(good);
	good.routes_n = ROUTES;
	good.counters_n = COUNTERS;
	good.reasons_n = REASONS;
	good.files_n = LEDGER_FILES;
	good.state = LEDGER_EXITED;
}

/* Small, or next to a power of two. */
static uint64_t figure(struct bytes *b)
{
	unsigned how = below(b, 8);

	if (how < 3)
		return take(b, 2);
	if (how == 7)
		return take(b, 8);
	return ((uint64_t)1 << (how == 6 ? 63 : 8 * how + below(b, 8))) * 2 - take(b, 1);
}

/* Bytes into a text of size max, with or without an end. */
static void text(struct bytes *b, char *to, size_t max)
{
	static const char *const parts[] = { "/", "\n", "\033[31m", "\xc2\x9b", "\xe2\x80\xae", "\xff",
					     "\xed\xa0\x80", "\"", "\\", "a b", "\xf0\x9f\x98\x80", "\xe2\x82" };
	size_t n = 0, want = once_in(b, 4) ? max : below(b, 40);

	while (n < want && n < max) {
		const char *part = parts[below(b, 12)];
		size_t len = once_in(b, 4) ? 1 : strlen(part);

		if (len > max - n)
			len = max - n;
		memcpy(to + n, part, len);
		if (len == 1)
			to[n] = (char)take(b, 1);
		n += len;
	}
}

static void fill_row(struct bytes *b, struct ledger_file *row)
{
	row->used = once_in(b, 8) ? (uint32_t)take(b, 1) : 1;
	row->dev = below(b, 3);
	row->ino = below(b, 3);
	row->mem_align = (uint32_t)figure(b);
	row->offset_align = (uint32_t)figure(b);
	row->block_device = (uint32_t)take(b, 1);
	row->routes[below(b, ROUTES)].bytes = figure(b);
	row->reason_bytes[below(b, REASONS)] = figure(b);
	row->read_bytes = figure(b);
	row->written_bytes = figure(b);
	text(b, row->path, sizeof(row->path));
}

static void fill(struct bytes *b, struct ledger *l)
{
	uint64_t *words = &l->witness.rchar0;

	l->pid = once_in(b, 8) ? (uint32_t)figure(b) : 100 + below(b, 4);
	l->ppid = once_in(b, 8) ? (uint32_t)figure(b) : 100 + below(b, 4);
	l->state = below(b, 4);
	l->start_ns = once_in(b, 4) ? figure(b) : below(b, 8);
	l->end_ns = once_in(b, 4) ? figure(b) : below(b, 8);
	l->files_used = (uint32_t)figure(b);
	text(b, l->command, sizeof(l->command));
	for (unsigned k = below(b, 12); k > 0; k--) {
		switch (below(b, 5)) {
		case 0: l->counters[below(b, COUNTERS)] = figure(b); break;
		case 1: l->routes[below(b, ROUTES)].bytes = figure(b); break;
		case 2: l->routes[below(b, ROUTES)].calls = figure(b); break;
		case 3: l->reasons[below(b, REASONS)].bytes = figure(b); break;
		default: words[below(b, sizeof(l->witness) / 8)] = figure(b); break;
		}
	}
	for (unsigned k = below(b, 6); k > 0; k--)
		fill_row(b, &l->files[once_in(b, 8) ? LEDGER_FILES - 1 : below(b, 8)]);
}

static void put(unsigned i, const void *data, size_t n)
{
	int fd = open(names[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, data, n < sizeof(good) ? n : sizeof(good)) >= 0 &&
	     ftruncate(fd, (off_t)n) == 0, "%s: not written", names[i]);
	close(fd);
}

static void make_file(struct bytes *b, unsigned i)
{
	static struct ledger l;
	size_t n = sizeof(l), spare = 0;

	snprintf(names[i], sizeof(names[i]), "%s/dioshim.%u.%u", folder, 100 + below(b, 3), i);
	l = good;
	fill(b, &l);
	if (once_in(b, 4))	/* anything, anywhere */
		for (unsigned k = 1 + below(b, 4); k > 0; k--)
			((uint8_t *)&l)[take(b, 3) % (once_in(b, 2) ? 64 : sizeof(l))] = (uint8_t)take(b, 1);
	if (once_in(b, 6))
		n = below(b, 2) ? take(b, 3) % sizeof(l) : below(b, 80);
	if (once_in(b, 10))
		spare = below(b, 2) ? 1 : 1u << 30;
	put(i, &l, n + spare);
}

/* Runs the command on the words, its output in *out and *err. */
static int command(char **words, char **out, char **err)
{
	FILE *real_out = stdout, *real_err = stderr;
	size_t n, m;
	int argc = 0, status;

	while (words[argc])
		argc++;
	stdout = open_memstream(out, &n);
	stderr = open_memstream(err, &m);
	status = dioshim_main(argc, words);
	fclose(stdout);
	fclose(stderr);
	stdout = real_out;
	stderr = real_err;
	return status;
}

/* Lines that a terminal takes as text, each beginning so; how many. */
static unsigned check_lines(const char *text, const char *begin)
{
	unsigned n = 0;

	for (; *text; n++) {
		size_t len = strcspn(text, "\n");

		must(strncmp(text, begin, strlen(begin)) == 0, "a line begins otherwise: %.99s", text);
		must(json_plain(text, len), "not printable: %.300s", text);
		must(text[len] == '\n', "the last line does not end");
		text += len + 1;
	}
	return n;
}

static void report(char **words, bool json)
{
	char *out, *err;
	int status = command(words, &out, &err);
	unsigned lines = check_lines(err, "dioshim: ");

	must(status == 0 || status == 1, "status %d: %s", status, err);
	must(status || !lines, "status 0 with a complaint: %s", err);
	must(!status || lines, "status 1 without one");
	must(lines <= files_n + 1, "%u lines for %u files", lines, files_n);
	must(strlen(out) < 4u << 20, "%zu bytes of report", strlen(out));
	if (json && *out)
		must(json_valid(out), "no JSON:\n%s", out);
	else
		check_lines(out, "");
	must(*out || status, "status 0, and nothing said");
	free(out);
	free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *whole[] = { "dioshim", "report", folder, NULL };
	char *each[4 + FILES + 1] = { "dioshim", "report", "--json", "-" };
	struct bytes b = BYTES(data, size);

	if (!good.size)
		begin();
	for (files_n = 0; files_n < FILES && (!files_n || any_left(&b)); files_n++) {
		make_file(&b, files_n);
		each[4 + files_n] = names[files_n];
	}
	report(whole, false);
	report(each, true);
	for (unsigned i = 0; i < files_n; i++)
		unlink(names[i]);
	return 0;
}
