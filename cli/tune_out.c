#include "tune.h"

#include "cli.h"
#include "human.h"
#include "json.h"

#include <inttypes.h>
#include <string.h>

/* As a setting is written: 512K. */
static struct human setting(uint64_t bytes)
{
	const bool mib = bytes % (1u << 20) == 0;
	struct human out;

	if (bytes % 1024)
		snprintf(out.text, sizeof(out.text), "%" PRIu64, bytes);
	else
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "%c", bytes >> (mib ? 20 : 10), mib ? 'M' : 'K');
	return out;
}

static double mib_per_s(double ns_per_mib)
{
	return 1e9 / ns_per_mib;
}

static void text_table(const struct tune_table *t, FILE *f)
{
	static const char *const verdicts[] = {
		[TUNE_CACHE] = "page cache", [TUNE_DIRECT] = "direct", [TUNE_UNTOLD] = "cannot be told",
	};

	fprintf(f, "%s\n", t->title);
	if (t->rows)
		fprintf(f, "  %9s  %16s  %12s  %24s  faster\n", "size", "page cache MiB/s", "direct MiB/s", "time, direct:page cache");
	for (int i = 0; i < t->rows; i++) {
		const struct tune_row *r = &t->row[i];

		fprintf(f, "  %9s  %16.0f  %12.0f   %6.2f  (%.2f .. %.2f)  %s\n", human_bytes(r->size).text,
			mib_per_s(r->cached), mib_per_s(r->direct), r->ratio, r->q1, r->q3, verdicts[r->verdict]);
	}
	switch (t->found) {
	case TUNE_FOUND: fprintf(f, "  direct I/O wins from %s on\n\n", human_bytes(t->from).text); break;
	case TUNE_NEVER: fprintf(f, "  direct I/O does not win up to there: the setting is twice the largest size\n\n"); break;
	case TUNE_SCATTERED:
		fprintf(f, "  the figures scatter too much to tell, so this is the default; try again when the machine is quiet\n\n");
		break;
	case TUNE_NONE: fprintf(f, "  not measured: this file system has no direct writes; the default\n\n"); break;
	}
}

void tune_text(const struct tune *t, FILE *f)
{
	const struct config_item *read = &config_items[t->read.setting], *write = &config_items[t->write.setting];
	char folder[PATH_MAX];

	strcpy(folder, t->folder);
	make_printable(folder);
	fprintf(f, "%s: where direct I/O begins to win, measured in %.0f s with up to %s of temporary space;\n"
		   "one request at a time, quartiles of paired runs in brackets\n\n",
		folder, t->seconds, human_bytes(t->bytes).text);
	text_table(&t->read, f);
	text_table(&t->write, f);
	fprintf(f, "%s=%s %s=%s\n", read->env, setting(t->read.from).text, write->env, setting(t->write.from).text);
	fprintf(f, "dioshim run --mode=auto --%s=%s --%s=%s -- COMMAND\n", read->option,
		setting(t->read.from).text, write->option, setting(t->write.from).text);
}

static void json_table(struct json *j, const struct tune_table *t)
{
	static const char *const verdicts[] = {
		[TUNE_CACHE] = "cache", [TUNE_DIRECT] = "direct", [TUNE_UNTOLD] = "unknown",
	};
	static const char *const found[] = {
		[TUNE_FOUND] = "measured", [TUNE_NEVER] = "never", [TUNE_SCATTERED] = "scattered", [TUNE_NONE] = "not_measured",
	};

	json_open(j, t->name, '{');
	json_number(j, "from_bytes", t->from);
	json_text(j, "found", found[t->found]);
	json_open(j, "sizes", '[');
	for (int i = 0; i < t->rows; i++) {
		const struct tune_row *r = &t->row[i];

		json_open(j, NULL, '{');
		json_number(j, "bytes", r->size);
		json_number(j, "rounds", r->rounds);
		json_real(j, "cached_mib_per_s", mib_per_s(r->cached));
		json_real(j, "direct_mib_per_s", mib_per_s(r->direct));
		json_real(j, "time_ratio", r->ratio);
		json_real(j, "time_ratio_q1", r->q1);
		json_real(j, "time_ratio_q3", r->q3);
		json_text(j, "faster", verdicts[r->verdict]);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void tune_json(const struct tune *t, FILE *f)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_name(&j, "folder", "folder_hex", t->folder);
	json_number(&j, "space_bytes", t->bytes);
	json_real(&j, "seconds", t->seconds);
	json_table(&j, &t->read);
	json_table(&j, &t->write);
	json_open(&j, "settings", '{');
	json_text(&j, config_items[t->read.setting].env, setting(t->read.from).text);
	json_text(&j, config_items[t->write.setting].env, setting(t->write.from).text);
	json_close(&j, '}');
	json_close(&j, '}');
}
