/*
 * mapped: inodes that this process has mapped shared and writable.
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
#include <stddef.h>
#include <stdint.h>

/* Before the mmap: marks the inode and waits for direct writes in flight. */
void mapped_mark(uint64_t dev, uint64_t ino);

bool mapped_is(uint64_t dev, uint64_t ino);

/* A shared mapping that mprotect could make writable later. */
void mapped_remember(void *at, size_t n, uint64_t dev, uint64_t ino);

/* Before an mprotect with PROT_WRITE: marks what lies there. */
void mapped_protect(const void *at, size_t n);

#endif
