/*
 * symbols: files whose bits were flipped, that were cut, or that are something
 * else altogether. libdw may fail on them; we may not.
 */
#include "sites.h"

#include <fcntl.h>

#ifndef FLIPPED
#define FLIPPED	300
#endif

static void put_file(const char *path, const char *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		diag("%s: %s", path, strerror(errno));
	close(fd);
}

static unsigned tried, named, failed;

/* Looks up both sites in a file that is removed then: a name or a reason. */
static void try_file(const char *name, const char *data, size_t size, const struct site *sites)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	put_file(path, data, size);
	for (int i = 0; i < 2; i++) {
		struct symbol_site at = { path, 0, sites[i].at.offset, 0 };
		struct symbol s;

		tried++;
		named += symbols_find(&at, &s);
		failed += s.why && strstr(s.why, "fails") != NULL;
		if (s.frames_n > SYMBOL_FRAMES || (!s.frames_n && !s.why))
			ok(false, "%s: neither a name nor a reason", path);
		for (unsigned k = 0; k < s.frames_n && k < SYMBOL_FRAMES; k++)
			if (strlen(s.frames[k].function) > 4096)
				ok(false, "%s: a name without end", path);
	}
	unlink(path);
}

static void flip(char *data, size_t size, unsigned bits, unsigned *seed)
{
	while (bits-- > 0) {
		size_t at = (size_t)rand_r(seed) % size;

		data[at] = (char)(data[at] ^ (1 << rand_r(seed) % 8));
	}
}

static void test_damaged(void)
{
	static char data[1 << 16], copy[1 << 16];
	struct site sites[2];
	char name[1100];
	unsigned seed = 1;
	size_t size;
	FILE *f;

	if (!ok(run("cc -g -O2 -o whole $S/site.c") && sites_of("whole", sites, 2) == 2,
		"a file to damage"))
		return;
	snprintf(name, sizeof(name), "%s/whole", folder);
	f = fopen(name, "r");
	size = f ? fread(data, 1, sizeof(data), f) : 0;
	if (f)
		fclose(f);
	for (unsigned i = 0; i < FLIPPED; i++) {
		memcpy(copy, data, size);
		/* One bit or many; every third time in the headers. */
		flip(copy, i % 3 ? size : 1024, 1 + i % 8 * 4, &seed);
		snprintf(name, sizeof(name), "flipped%u", i);
		try_file(name, copy, size, sites);
	}
	for (size_t cut = 0; cut < size; cut += size / 40) {
		snprintf(name, sizeof(name), "cut%zu", cut);
		try_file(name, data, cut, sites);
	}
	diag("%u lookups in damaged files: %u named, libdw failed in %u", tried, named, failed);
	ok(named > 0 && named < tried, "some are still readable, some are not");
}

static void test_no_elf(void)
{
	static const char why[] = "not an ELF file that can be read";
	char noise[4096], path[1100];
	unsigned seed = 1;

	memset(noise, 0, sizeof(noise));
	flip(noise, sizeof(noise), 10000, &seed);
	snprintf(path, sizeof(path), "%s/noise", folder);
	put_file(path, noise, sizeof(noise));
	is_unknown(path, 0, why);
	snprintf(path, sizeof(path), "%s/magic", folder);
	put_file(path, "\177ELF\2\1\1", 7);
	is_unknown(path, 0, why);
	is_unknown(folder, 0, why);
	ok(run("mkfifo fifo"), "a FIFO");
	snprintf(path, sizeof(path), "%s/fifo", folder);
	is_unknown(path, 0, why);
}

int main(void)
{
	if (symbols_unbuilt)
		skip_all("%s", symbols_unbuilt);
	begin();
	test_damaged();
	test_no_elf();
	end();
	return done_testing();
}
