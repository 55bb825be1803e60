/*
 * copies: sendfile and copy_file_range, compared with what a plain program gets.
 */
#ifndef DIOSHIM_COPIES_H
#define DIOSHIM_COPIES_H

#include "model.h"

/* Offsets HERE: the descriptors' own. A copy may always come short, but not to nothing. */
HELPER void do_copy(int in, int64_t at_in, int out, int64_t at_out, size_t n, bool by_sendfile)
{
	struct model *mi = &model[(int)fake.file[in]], *mo = &model[(int)fake.file[out]];
	const uint64_t twice = rewritten();
	const int64_t bi = offset_of(in), bo = offset_of(out);
	const int64_t from = at_in == HERE ? bi : at_in, to = at_out == HERE ? bo : at_out;
	off_t pi = at_in, po = at_out, *ai = at_in == HERE ? NULL : &pi;
	size_t want = (size_t)from >= mi->size ? 0 : mi->size - (size_t)from;
	ssize_t r;

	if (want > n)
		want = n;
	begin(by_sendfile ? SYS_sendfile : SYS_copy_file_range);
	r = by_sendfile ? sendfile(out, in, ai, n) :
			  copy_file_range(in, ai, out, at_out == HERE ? NULL : &po, n, 0);
	judge("copy", r > 0 && r < (ssize_t)want ? (long)want : r, (long)want);
	moved_to(in, "copy's source", bi, r, at_in == HERE);
	moved_to(out, "copy's target", bo, r, at_out == HERE);
	if ((ai && pi != at_in + (r > 0 ? r : 0)) || (at_out != HERE && po != at_out + (r > 0 ? r : 0)))
		wrong("copy: the program's offsets are %lld, %lld", (long long)pi, (long long)po);
	wrote(mo, to, mi->data + from, r);
	if (r < (ssize_t)want && rewritten() != twice)
		part_written(mo, to, mi->data + from, want);
}

#endif
