#include "host.h"
#include "swiotlb.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCESS_PLATFORM	33	/* virtio's feature bit: the device wants DMA addresses */
#define ADDRESS_BITS	64

static bool read_line(const char *path, char *line, size_t room)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(line, (int)room, f);

	if (f)
		fclose(f);
	if (!good)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return good;
}

/* Is word one of the words of line, as the delimiters cut it? */
static bool has_word(const char *line, const char *word, const char *delimiters)
{
	const size_t n = strlen(word);

	while (*line) {
		const size_t len = strcspn(line, delimiters);

		if (len == n && memcmp(line, word, n) == 0)
			return true;
		line += len + (line[len] != '\0');
	}
	return false;
}

/* ---- the kernel's command line --------------------------------------------- */

/* The last swiotlb= and iommu= count: "swiotlb=65536,force" */
static void command_line(struct finding *f, bool *forced, bool *never)
{
	char line[4096], *save = NULL;
	bool soft = false;

	*forced = *never = false;
	if (!read_line("/proc/cmdline", line, sizeof(line))) {
		finding_set(f, ANSWER_UNTOLD, "/proc/cmdline is not readable as this user");
		return;
	}
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strncmp(word, "swiotlb=", 8) == 0) {
			*forced = has_word(word + 8, "force", ",");
			*never = has_word(word + 8, "noforce", ",");
		} else if (strncmp(word, "iommu=", 6) == 0) {
			soft = has_word(word + 6, "soft", ",");
		}
	}
	if (*forced)
		finding_set(f, ANSWER_YES, "swiotlb=force");
	else if (*never)
		finding_set(f, ANSWER_NO, "swiotlb=noforce");
	else
		finding_set(f, ANSWER_NO, soft ? "iommu=soft: only for devices that do not reach all memory" :
			    "neither swiotlb=force nor iommu=soft");
}

/* ---- encrypted guests ------------------------------------------------------ */

/* Only guests have tdx_guest; hosts that can run AMD's encrypted guests have sev, too. */
static const char *encrypted_by_flags(bool *known)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	const char *what = NULL;
	char *line = NULL;
	size_t room = 0;

	*known = false;
	while (f && getline(&line, &room, f) > 0) {
		if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0)
			continue;
		*known = true;
		if (has_word(line, "tdx_guest", " \t\n"))
			what = "Intel TDX";
		else if (has_word(line, "hypervisor", " \t\n"))
			what = has_word(line, "sev_snp", " \t\n") ? "AMD SEV-SNP" :
			       has_word(line, "sev_es", " \t\n") ? "AMD SEV-ES" :
			       has_word(line, "sev", " \t\n") ? "AMD SEV" : NULL;
		break;
	}
	free(line);
	if (f)
		fclose(f);
	return what;
}

static void encrypted_guest(struct finding *f)
{
	static const struct { const char *path, *what; } devices[] = {
		{ "/sys/devices/virtual/misc/tdx_guest", "Intel TDX" },
		{ "/sys/devices/virtual/misc/sev-guest", "AMD SEV-SNP" },
		{ "/sys/bus/platform/devices/sev-guest", "AMD SEV-SNP" },
		{ "/sys/bus/platform/devices/arm-cca-dev", "Arm CCA" },
	};
	bool known;
	const char *what = encrypted_by_flags(&known);

	for (size_t i = 0; !what && i < sizeof(devices) / sizeof(devices[0]); i++)
		if (access(devices[i].path, F_OK) == 0)
			what = devices[i].what;
	if (what)
		finding_set(f, ANSWER_YES, "%s: devices do not reach its memory", what);
	else if (known)
		finding_set(f, ANSWER_NO, "neither processor flags nor guest devices say so");
	else
		finding_set(f, ANSWER_UNTOLD, "/proc/cpuinfo is not readable as this user");
}

/* ---- disks ----------------------------------------------------------------- */

struct disks {
	unsigned all, mapped;	/* that have hardware; of them, that take DMA addresses */
	char narrow[96];	/* names of those that do not reach all memory */
	unsigned bits;		/* of memory's highest address; 0: not known */
};

static unsigned memory_bits(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	uint64_t spanned = 0, first, top = 0, bytes;
	char line[256];
	unsigned bits = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " spanned %" SCNu64, &spanned) == 1)
			continue;
		if (sscanf(line, " start_pfn: %" SCNu64, &first) == 1 && spanned && first + spanned > top)
			top = first + spanned;
	}
	if (f)
		fclose(f);
	for (bytes = top * (uint64_t)sysconf(_SC_PAGESIZE); bytes > 1ull << bits && bits < ADDRESS_BITS - 1;)
		bits++;
	return bits;
}

/* A file of the device or the nearest one above it, in sysfs. */
static bool above(const char *device, const char *name, char *line, size_t room)
{
	char path[PATH_MAX + 64], at[PATH_MAX];
	char *slash;

	snprintf(at, sizeof(at), "%s", device);
	while ((slash = strrchr(at, '/')) && slash - at > (long)strlen("/sys/devices")) {
		snprintf(path, sizeof(path), "%s/%s", at, name);
		if (read_line(path, line, room))
			return true;
		*slash = '\0';
	}
	return false;
}

static void look_at_disk(struct disks *d, const char *name)
{
	char path[NAME_MAX + 32], device[PATH_MAX], line[128];

	snprintf(path, sizeof(path), "/sys/block/%s", name);
	if (!realpath(path, device) || strstr(device, "/virtual/"))
		return;
	d->all++;
	/* Not all virtio devices are asked by DMA addresses: only with this bit. */
	if (strstr(device, "/virtio") && above(device, "features", line, sizeof(line)) &&
	    strlen(line) > ACCESS_PLATFORM && line[ACCESS_PLATFORM] == '0')
		return;
	d->mapped++;
	if (above(device, "iommu_group/type", line, sizeof(line)) && strncmp(line, "DMA", 3) == 0)
		return;
	if (d->bits && above(device, "dma_mask_bits", line, sizeof(line)) && (unsigned)atoi(line) < d->bits) {
		size_t n = strlen(d->narrow);

		snprintf(d->narrow + n, sizeof(d->narrow) - n, "%s%s (%u bits)", n ? ", " : "", name,
			 (unsigned)atoi(line));
	}
}

static void disks(struct finding *f, struct disks *d)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;

	*d = (struct disks){ .bits = memory_bits() };
	if (!dir) {
		finding_set(f, ANSWER_UNTOLD, "/sys/block is not readable as this user");
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			look_at_disk(d, entry->d_name);
	closedir(dir);
	if (*d->narrow)
		finding_set(f, ANSWER_YES, "%s of the %u bits of memory's addresses", d->narrow, d->bits);
	else if (!d->bits)
		finding_set(f, ANSWER_UNTOLD, "/proc/zoneinfo does not say where memory ends");
	else
		finding_set(f, ANSWER_NO, "%u with hardware, %u of them take DMA addresses, all reach memory's end (%u bits)",
			    d->all, d->mapped, d->bits);
}

/* ---- the pool, and who counts ---------------------------------------------- */

struct pool {
	int err, high_err;	/* errno of the figures; 0: valid */
	uint64_t slots, used, high;
};

static void cannot_read(struct finding *f, const char *what, int err)
{
	if (err == EACCES || err == EPERM)
		finding_set(f, ANSWER_UNTOLD, "not readable as this user (%s: %s)", what, strerror(err));
	else
		finding_set(f, ANSWER_UNTOLD, "%s: %s", what, err == ENODEV ? "not mounted" : strerror(err));
}

static void pool(struct finding *f, struct pool *p)
{
	p->err = swiotlb_figure("io_tlb_nslabs", &p->slots);
	if (!p->err)
		p->err = swiotlb_figure("io_tlb_used", &p->used);
	p->high_err = swiotlb_figure("io_tlb_used_hiwater", &p->high);
	if (p->err == ENOENT)
		finding_set(f, ANSWER_NO, "this kernel has none");
	else if (p->err)
		cannot_read(f, "/sys/kernel/debug", p->err);
	else if (p->high_err)
		finding_set(f, ANSWER_YES, "%" PRIu64 " slots of 2 KiB, %" PRIu64 " in use now", p->slots, p->used);
	else
		finding_set(f, ANSWER_YES, "%" PRIu64 " slots of 2 KiB, %" PRIu64 " in use now, at most %" PRIu64
			    " since boot", p->slots, p->used, p->high);
}

static void tracepoint(struct finding *f)
{
	const char *tracefs = swiotlb_tracefs();
	char path[128];

	if (!tracefs) {
		cannot_read(f, "/sys/kernel/tracing", ENODEV);
		return;
	}
	snprintf(path, sizeof(path), "%s/events/swiotlb/swiotlb_bounced/enable", tracefs);
	if (access(path, W_OK) == 0)
		finding_set(f, ANSWER_YES, "the bytes of a run can be counted");
	else if (errno == ENOENT)
		finding_set(f, ANSWER_NO, "this kernel has none");
	else
		cannot_read(f, tracefs, errno);
}

/* list: encrypted guest, command line, disks, pool. What is certain comes first. */
static void sum_up(struct finding *sum, const struct finding *list, const struct disks *d,
		   const struct pool *p, bool forced, bool never)
{
	if (p->err == ENOENT)
		finding_set(sum, ANSWER_NO, "this kernel has no pool for it");
	else if (never && p->err)
		finding_set(sum, ANSWER_NO, "swiotlb=noforce");
	else if (list[0].answer == ANSWER_YES)
		finding_set(sum, ANSWER_YES, "the guest's memory is encrypted (%s)", list[0].text);
	else if (forced && d->mapped)
		finding_set(sum, ANSWER_YES, "swiotlb=force, and %u of %u disks take DMA addresses", d->mapped, d->all);
	else if (list[2].answer == ANSWER_YES)
		finding_set(sum, ANSWER_YES, "disks that do not reach all memory: %s", list[2].text);
	else if (!p->err && ((!p->high_err && p->high) || p->used))
		finding_set(sum, ANSWER_YES, "the pool has been in use, by disks or others");
	else if (!p->err && !p->high_err)
		finding_set(sum, ANSWER_NO, "the pool has not been in use since boot");
	else if (p->err)
		finding_set(sum, ANSWER_UNTOLD, "nothing here asks for it, but the pool: %s", list[3].text);
	else
		finding_set(sum, ANSWER_NO, "nothing here asks for it");
}

struct finding host_swiotlb(struct finding list[HOST_SWIOTLB])
{
	static const struct finding names[HOST_SWIOTLB] = {
		{ .name = "encrypted_guest", .title = "encrypted guest" },
		{ .name = "command_line", .title = "command line" },
		{ .name = "disks", .title = "disks fall short" },
		{ .name = "pool", .title = "pool" },
		{ .name = "tracepoint", .title = "tracepoint" },
	};
	struct finding sum = { .name = "swiotlb", .title = "swiotlb" };
	struct disks d;
	struct pool p;
	bool forced, never;

	memcpy(list, names, sizeof(names));
	encrypted_guest(&list[0]);
	command_line(&list[1], &forced, &never);
	disks(&list[2], &d);
	pool(&list[3], &p);
	tracepoint(&list[4]);
	sum_up(&sum, list, &d, &p, forced, never);
	return sum;
}
