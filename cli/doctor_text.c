#include "doctor.h"

#include "cli.h"
#include "json.h"
#include "names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const answers[] = {
	[ANSWER_NO] = "no", [ANSWER_YES] = "yes", [ANSWER_UNTOLD] = "cannot be told",
};

/* ---- text ------------------------------------------------------------------ */

/* Paths and names of devices may hold anything. */
static void put_text(FILE *f, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	make_printable(copy);
	fputs(copy, f);
	free(copy);
}

static void text_answer(const struct finding *a, FILE *f)
{
	fprintf(f, "  %-17s %s%s", a->title, answers[a->answer], *a->text ? ": " : "");
	put_text(f, a->text);
	putc('\n', f);
}

static void text_what(const struct place *p, FILE *f)
{
	fprintf(f, "  %-17s %s", "what", p->kind);
	if (p->temporary)
		fputs(", asked of a new file in it", f);
	else if (p->stands_in)
		fputs(", in which nothing can be made: asked of ", f), put_text(f, p->tried);
	else if (p->size)
		fprintf(f, ", %" PRIu64 " bytes", p->size);
	putc('\n', f);
}

static void text_device(const struct place *p, FILE *f)
{
	if (*p->filesystem)
		fprintf(f, "  %-17s ", "file system"), put_text(f, p->filesystem), putc('\n', f);
	if (*p->device) {
		fprintf(f, "  %-17s ", "device");
		put_text(f, p->device);
		fprintf(f, " (%u:%u)", major(p->dev), minor(p->dev));
		if (p->logical)
			fprintf(f, ", blocks of %u bytes, physical %u", p->logical, p->physical);
		putc('\n', f);
	} else {
		fprintf(f, "  %-17s no one device (%u:%u)\n", "device", major(p->dev), minor(p->dev));
	}
}

static void text_alignment(const struct place *p, FILE *f)
{
	const struct align *al = &p->facts.align;

	fprintf(f, "  %-17s ", "statx");
	if (!p->said)
		fputs("says nothing about direct I/O", f);
	else if (!p->said_mem || !p->said_offset)
		fputs("says that there is no direct I/O", f);
	else
		fprintf(f, "memory %u, offset %u", p->said_mem, p->said_offset);
	if (p->read_said)
		fprintf(f, ", reads %u", p->said_read);
	putc('\n', f);
	if (al->mem)
		fprintf(f, "  %-17s memory %u%s, reads %u, writes %u\n", "alignment", al->mem,
			al->pages_only ? " (less is not trusted here)" : "", al->read, al->write);
}

static void text_trial(const struct place *p, FILE *f)
{
	static const char *const did[] = {
		[TRIAL_OPENED] = "opened", [TRIAL_WRITTEN] = "a block written and read back",
	};

	if (p->trial == TRIAL_FAILED)
		fprintf(f, "  %-17s %s\n", "O_DIRECT", strerror(p->trial_error));
	else if (p->trial != TRIAL_NONE)
		fprintf(f, "  %-17s %s\n", "O_DIRECT", did[p->trial]);
	if (p->facts.writes_are_cached)
		fprintf(f, "  %-17s cached: %s\n", "writes", reason_sentences[REASON_btrfs_checksums]);
	if (p->direct == ANSWER_YES && !p->facts.tells_changes)
		fprintf(f, "  %-17s no: nothing proves that nobody has changed it\n", "read ahead");
	if (p->direct == ANSWER_YES && p->facts.shares_extents)
		fprintf(f, "  %-17s in the kernel: %s\n", "copies", reason_sentences[REASON_share_extents]);
}

static void text_verdict(const struct place *p, FILE *f)
{
	fprintf(f, "direct I/O: %s: ", answers[p->direct]);
	put_text(f, p->path);
	if (p->direct != ANSWER_YES) {
		fputs(": ", f);
		if (p->reason != REASON_NONE)
			fprintf(f, "%s: ", reason_name(p->reason));
		put_text(f, p->why);
	}
	putc('\n', f);
}

static void text_place(const struct place *p, FILE *f)
{
	put_text(f, p->path);
	putc('\n', f);
	text_what(p, f);
	if (*p->filesystem) {
		text_device(p, f);
		text_alignment(p, f);
		text_trial(p, f);
	}
	fputs("  direct I/O        ", f);
	fputs(answers[p->direct], f);
	if (p->direct != ANSWER_YES)
		fputs(": ", f), put_text(f, p->why);
	fputs("\n\n", f);
}

void doctor_text(const struct doctor *d, FILE *f)
{
	struct utsname u = { .release = "?" };

	for (size_t i = 0; i < d->places_n; i++)
		if (!d->places[i].error)
			text_place(&d->places[i], f);
	uname(&u);
	fprintf(f, "kernel %s\n", u.release);
	for (int i = 0; i < HOST_KERNEL; i++)
		text_answer(&d->kernel[i], f);
	fprintf(f, "\nSWIOTLB, one more copy by the kernel for a device: %s: %s\n", answers[d->swiotlb.answer],
		d->swiotlb.text);
	for (int i = 0; i < HOST_SWIOTLB; i++)
		text_answer(&d->evidence[i], f);
	putc('\n', f);
	for (size_t i = 0; i < d->places_n; i++)
		text_verdict(&d->places[i], f);
}

/* ---- JSON ------------------------------------------------------------------ */

static const char *word(enum answer a)
{
	return a == ANSWER_UNTOLD ? "unknown" : answers[a];
}

static void json_path(struct json *j, const char *key, const char *path)
{
	char hex[32];

	json_text(j, key, path);
	snprintf(hex, sizeof(hex), "%s_hex", key);
	if (!utf8_valid(path))
		json_hex(j, hex, path);
}

static void json_align(struct json *j, const struct place *p)
{
	const struct align *al = &p->facts.align;

	json_open(j, "statx", '{');
	json_bool(j, "said", p->said);
	json_number(j, "mem", p->said_mem);
	json_number(j, "offset", p->said_offset);
	json_number(j, "read_offset", p->said_read);
	json_close(j, '}');
	json_open(j, "align", '{');
	json_number(j, "mem", al->mem);
	json_number(j, "read", al->read);
	json_number(j, "write", al->write);
	json_bool(j, "pages_only", al->pages_only);
	json_close(j, '}');
}

static void json_place(struct json *j, const struct place *p)
{
	static const char *const trials[] = { "none", "opened", "written", "failed" };

	json_open(j, NULL, '{');
	json_path(j, "path", p->path);
	json_text(j, "direct", word(p->direct));
	json_text(j, "reason", reason_name(p->reason));
	json_text(j, "why", p->why);
	json_text(j, "error", p->error ? strerror(p->error) : "");
	if (!p->error) {
		json_text(j, "kind", p->kind);
		json_path(j, "tried", p->tried);
		json_bool(j, "temporary", p->temporary);
		json_bool(j, "stands_in", p->stands_in);
		json_text(j, "file_system", p->filesystem);
		json_text(j, "device", p->device);
		json_number(j, "major", major(p->dev));
		json_number(j, "minor", minor(p->dev));
		json_number(j, "logical_block", p->logical);
		json_number(j, "physical_block", p->physical);
		json_align(j, p);
		json_text(j, "trial", trials[p->trial]);
		json_text(j, "trial_error", p->trial_error ? strerror(p->trial_error) : "");
		json_bool(j, "writes_cached", p->facts.writes_are_cached);
		json_bool(j, "read_ahead", p->direct == ANSWER_YES && p->facts.tells_changes);
		json_bool(j, "shares_extents", p->facts.shares_extents);
	}
	json_close(j, '}');
}

static void json_finding(struct json *j, const struct finding *a)
{
	json_open(j, a->name, '{');
	json_text(j, "answer", word(a->answer));
	json_text(j, "text", a->text);
	json_close(j, '}');
}

void doctor_json(const struct doctor *d, FILE *f)
{
	struct json j = { .f = f };
	struct utsname u = { .release = "?" };

	uname(&u);
	json_open(&j, NULL, '{');
	json_bool(&j, "eligible", d->eligible);
	json_open(&j, "paths", '[');
	for (size_t i = 0; i < d->places_n; i++)
		json_place(&j, &d->places[i]);
	json_close(&j, ']');
	json_text(&j, "release", u.release);
	json_open(&j, "kernel", '{');
	for (int i = 0; i < HOST_KERNEL; i++)
		json_finding(&j, &d->kernel[i]);
	json_close(&j, '}');
	json_open(&j, "swiotlb", '{');
	json_text(&j, "answer", word(d->swiotlb.answer));
	json_text(&j, "text", d->swiotlb.text);
	for (int i = 0; i < HOST_SWIOTLB; i++)
		json_finding(&j, &d->evidence[i]);
	json_close(&j, '}');
	json_close(&j, '}');
}
