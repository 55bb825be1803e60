/*
 * Mode auto: what is left to others, and to a second reading. Against a page cache
 * that is an array.
 */
#include "pages.h"

#include <unistd.h>

/* All of it read here and there, and closed. */
static void read_and_closed(struct file *f, uint64_t left, const char *what)
{
	become(0, MIB(64), ABSENT, CLEAN);
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), (long long)left, "%s", what);
}

static void left_to_others(void)
{
	struct file *f = looked(MIB(64)), *other;

	f->row->read_bytes = MIB(24);
	read_and_closed(f, MIB(64), "more than it can have brought in stays: somebody else reads it");
	f = looked(MIB(64));
	f->row->read_bytes = MIB(20);
	f->row->written_bytes = MIB(8);
	read_and_closed(f, 0, "half of it moved, by reads and writes: ours");
	f = looked(MIB(64));
	other = file_new();
	other->dev = f->dev;
	other->ino = f->ino;
	other->refs = 2;
	read_and_closed(f, MIB(64), "another descriptor of the file: it stays");
	other->ino++;
	read_and_closed(f, 0, "of another file: it goes");
	f = pages_file(MIB(64));
	pages.unlinked = true;
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, UINT64_MAX, "a temporary file");
}

/* A sequence that begins anew where it had dropped: what is read again stays. */
static void again(void)
{
	struct file *f = looked(MIB(64));

	skims_all(f, 0, MIB(64), KIB(64));
	ok(resident(0, MIB(64)) <= MIB(8), "read once: dropped");
	is_int(skims_all(f, 0, MIB(64), KIB(64)), 1024, "read again: through the page cache");
	is_int((long long)resident(0, MIB(64)), (long long)MIB(64), "and it stays");
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), 0, "until the end");
	f = looked(MIB(64));
	become(MIB(8) + PAGE, MIB(8) + 2 * PAGE, -1, DIRTY);
	f->lately.why[OP_WRITE] = 1;
	skims_all(f, 0, MIB(32), KIB(64));
	ok(resident(0, MIB(24)) == MIB(4) && resident(MIB(8), MIB(12)) == MIB(4), "written as well: a piece that is dirty stays");
}

int main(void)
{
	access("/", F_OK);	/* the shim starts */
	left_to_others();
	again();
	sys_call = sys_kernel;
	return done_testing();
}
