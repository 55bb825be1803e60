/*
 * mapped: inodes that this process has mapped shared and can write to.
 *
 * A store through such a mapping and a direct write in the same large folio
 * lose data (FACTS), so from the mmap on no write of ours to that inode is
 * direct. Never forgotten while the process lives: mappings outlive
 * descriptors, and unmapping is not seen everywhere.
 * Depends on: file.
 */
#ifndef DIOSHIM_MAPPED_H
#define DIOSHIM_MAPPED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Before a shared mmap of a file open for writing, whatever it asks for now:
 * mprotect may make it writable, mremap move it. Marks the inode and waits for
 * direct writes in flight.
 */
void mapped_mark(uint64_t dev, uint64_t ino);

bool mapped_is(uint64_t dev, uint64_t ino);

#endif
