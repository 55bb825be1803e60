/*
 * book_map: the file in DIOSHIM_DIR that a ledger is a mapping of.
 * Depends on: ledger.h, own, sys.
 */
#ifndef DIOSHIM_BOOK_MAP_H
#define DIOSHIM_BOOK_MAP_H

#include "ledger.h"
#include "text.h"

#define BOOK_NAME (sizeof("dioshim..") + 2ul * TEXT_NUMBER)

/*
 * Zeroed memory of so many bytes, mapped from a new file whose name (in own_dir)
 * goes to name[BOOK_NAME], or from none (name is empty). *aside: the file stays
 * empty, and is to be written at the end. *zeroed: bytes written to have its
 * blocks. NULL: no memory.
 */
struct ledger *book_map(char *name, size_t size, bool *aside, uint64_t *zeroed);

/*
 * Past RLIMIT_FSIZE the kernel would send the program SIGXFSZ. An empty file
 * is then all there is: the command says of how many processes.
 */
bool book_may_grow(size_t size);

#endif
