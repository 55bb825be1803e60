/*
 * bounces: what cli/swiotlb.c counts around direct reads.
 *
 *   bounces FILE MIB sums|events     the result, in figures: readable at_least bytes bounces
 *   bounces FILE 0 abandon           starts to count, and is killed
 */
#include "../../cli/swiotlb.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256u << 10)

int main(int argc, char **argv)
{
	struct swiotlb_watch w;
	struct swiotlb_result r;
	int fd, pieces;
	void *buf;

	if (argc != 4)
		return 2;
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	pieces = atoi(argv[2]) * (int)((1u << 20) / PIECE);
	if (fd < 0 || posix_memalign(&buf, 4096, PIECE) != 0) {
		perror(argv[1]);
		return 2;
	}
	swiotlb_start(&w, strcmp(argv[3], "events") != 0);
	if (strcmp(argv[3], "abandon") == 0)
		raise(SIGKILL);
	for (int i = 0; i < pieces; i++)
		if (pread(fd, buf, PIECE, (off_t)i * PIECE) != PIECE) {
			perror("pread");
			pieces = -1;
		}
	swiotlb_stop(&w, &r);
	fprintf(stderr, "readable %d, at least %d, bytes %llu, %s\n", r.readable, r.at_least,
		(unsigned long long)r.bytes, r.why);
	fprintf(stderr, "  counted by %d, %s\n", (int)w.how, *r.why ? r.why : "no reason");
	printf("%d %d %" PRIu64 " %" PRIu64 "\n", r.readable, r.at_least, r.bytes, r.bounces);
	return pieces < 0;
}
