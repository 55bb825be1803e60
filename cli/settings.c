#include "settings.h"

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POOL_CHUNKS 64

void settings_options(struct argp_option *list)
{
	for (unsigned id = 0; id < CONFIGS; id++) {
		const struct config_item *item = &config_items[id];
		char *help = NULL;

		if (asprintf(&help, *item->def ? "%s (%s; default %s)" : "%s (%s)",
			     item->help, item->env, item->def) < 0)
			help = NULL;
		list[id] = (struct argp_option){
			.name = item->option, .key = SETTING_KEY + (int)id,
			.arg = item->arg, .doc = help,
		};
	}
	list[CONFIGS] = (struct argp_option){ 0 };
}

static bool bad_value(enum config_id id, const char *text, const char *why)
{
	complain("%s: bad value \"%s\"%s", config_items[id].env, text, why);
	return false;
}

/* The chunk's default follows nobody; the pool's own default gives way to it. */
static bool check_pool(const struct settings *s)
{
	const struct config *c = &s->config;
	const char *text = s->text[CONFIG_POOL];

	if (text && c->pool < c->chunk)
		return bad_value(CONFIG_POOL, text, ": less than one chunk");
	if (text && c->pool > POOL_CHUNKS * c->chunk)
		return bad_value(CONFIG_POOL, text, ": more than 64 chunks");
	return true;
}

bool settings_check(struct settings *s)
{
	config_defaults(&s->config);
	for (unsigned id = 0; id < CONFIGS; id++) {
		const char *text = s->text[id];

		if (!text)
			text = getenv(config_items[id].env);
		s->text[id] = text;
		if (text && !config_set(&s->config, (enum config_id)id, text))
			return bad_value((enum config_id)id, text, "");
	}
	return check_pool(s);
}

static bool put(const char *name, const char *value)
{
	if (setenv(name, value, 1) == 0)
		return true;
	complain("%s: %s", name, strerror(errno));
	return false;
}

/* The program may change its folder: a relative name means ours. */
static bool put_log(const char *log)
{
	char *here, *path = NULL;
	bool good;

	if (!*log || *log == '/' || strcmp(log, "-") == 0)
		return put(config_items[CONFIG_LOG].env, log);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&path, "%s/%s", here, log) < 0)
		path = NULL;
	good = put(config_items[CONFIG_LOG].env, path ? path : log);
	free(here);
	free(path);
	return good;
}

bool settings_export(const struct settings *s, const char *dir)
{
	for (unsigned id = 0; id < CONFIGS; id++) {
		if (!s->text[id] || id == CONFIG_DIR || id == CONFIG_LOG)
			continue;
		if (!put(config_items[id].env, s->text[id]))
			return false;
	}
	if (s->text[CONFIG_LOG] && !put_log(s->text[CONFIG_LOG]))
		return false;
	return put(config_items[CONFIG_DIR].env, dir);
}
