/*
 * The counts of a coverage run, as llvm-profdata reads them: linked with the
 * shim's objects in their order, and with clang's run time library, which
 * writes this program's counters when it ends.
 *
 *   coverage_dump size         bytes that the counters take
 *   coverage_dump FILE         takes them from FILE, LLVM_PROFILE_FILE says where to
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern uint64_t __start___llvm_prf_cnts[], __stop___llvm_prf_cnts[];
int __llvm_profile_write_file(void);

int main(int argc, char **argv)
{
	const size_t n = (size_t)((char *)__stop___llvm_prf_cnts - (char *)__start___llvm_prf_cnts);
	int fd;

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "size") == 0)
		return printf("%zu\n", n) < 0;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || pread(fd, __start___llvm_prf_cnts, n, 0) != (ssize_t)n)
		return 1;
	return __llvm_profile_write_file() != 0;
}
