/*
 * replay: a fuzz target without a fuzzer: files, and inputs made of seeds.
 *
 *   fuzz_NAME [-n COUNT] [-s SEED] [FILE | FOLDER]...
 *
 * Runs each file once, then COUNT made inputs, numbered from SEED (1) on: odd
 * ones are random bytes, even ones are one of the files with some bytes
 * changed. The last line says how many were run. Where a target stops, the line
 * on stderr names the file or the seed: -n 1 -s SEED runs it again, given the
 * same files. An input that takes more than LIMIT seconds counts as hanging.
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT 20
#define INPUT_MAX 4096
#define FILES_MAX 1024

static struct input {
	char *name;
	uint8_t *data;
	size_t size;
} files[FILES_MAX];
static unsigned files_n;

static const char *now_name;	/* of the file that is being run, or NULL: */
static uint64_t now_seed;

/* The target stopped here; the process may be broken, so no stdio. */
static void stopped(int sig)
{
	if (now_name)
		dprintf(2, "stopped by signal %d in file %s\n", sig, now_name);
	else
		dprintf(2, "stopped by signal %d in made input: -n 1 -s %llu\n", sig,
			(unsigned long long)now_seed);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void load_file(const char *path)
{
	struct input *in = &files[files_n];
	struct stat st;
	FILE *f = fopen(path, "r");

	must(f && fstat(fileno(f), &st) == 0, "%s: cannot be read", path);
	must(files_n < FILES_MAX, "more than %d files", FILES_MAX);
	in->name = strdup(path);
	in->data = malloc((size_t)st.st_size + 1);
	in->size = fread(in->data, 1, (size_t)st.st_size, f);
	fclose(f);
	files_n++;
}

static void load(const char *path)
{
	struct dirent **list;
	struct stat st;
	int n;

	must(stat(path, &st) == 0, "%s: not there", path);
	if (!S_ISDIR(st.st_mode)) {
		load_file(path);
		return;
	}
	n = scandir(path, &list, NULL, alphasort);	/* in the same order everywhere */
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			load_file(name);
		free(list[i]);
	}
	free(list);
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static size_t make(uint8_t *to, uint64_t seed)
{
	static const uint8_t favourite[] = { 0, 1, 2, 7, 0x7f, 0x80, 0xff, '/', '*', ':', '%' };
	uint64_t state = seed;
	size_t n = 1 + next(&state) % (next(&state) % 4 ? 96 : INPUT_MAX);

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)next(&state);
	if (seed % 2 == 0 && files_n) {
		const struct input *in = &files[next(&state) % files_n];

		n = in->size < INPUT_MAX ? in->size : INPUT_MAX;
		memcpy(to, in->data, n);
		for (uint64_t k = next(&state) % 8; n && k > 0; k--)
			to[next(&state) % n] = next(&state) % 2 ? (uint8_t)next(&state) :
					       favourite[next(&state) % sizeof(favourite)];
	}
	return n;
}

/* From a block of just that size, so that a sanitizer sees what is read behind it. */
static void run(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, data, n);
	alarm(LIMIT);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM, SIGSYS };
	uint64_t count = 0, first = 1;
	uint8_t input[INPUT_MAX];
	int c;

	while ((c = getopt(argc, argv, "n:s:")) != -1) {
		if (c == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (c == 's')
			first = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		load(argv[i]);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], stopped);
	for (unsigned i = 0; i < files_n; i++) {
		now_name = files[i].name;
		run(files[i].data, files[i].size);
	}
	now_name = NULL;
	for (now_seed = first; now_seed < first + count; now_seed++)
		run(input, make(input, now_seed));
	alarm(0);
	printf("%u files, %llu made inputs\n", files_n, (unsigned long long)count);
	return 0;
}
