#include "symbols_read.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_KEPT = 1000 };	/* bytes: names of templates know no end */

const char *const symbols_unbuilt;

/* ---- modules -------------------------------------------------------------- */

static struct module {
	struct module *next;
	uint64_t inode;
	Dwfl_Module *dwfl;	/* NULL: cannot be read */
	char path[];
} *modules;

static Dwfl_Module *open_module(const char *path)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	Dwfl_Module *module = NULL;
	struct stat st;
	Dwfl *dwfl;

	if (fd < 0)
		return NULL;
	/* One session each: they do not share addresses. The process's end frees them. */
	dwfl = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? dwfl_begin(&callbacks) : NULL;
	if (dwfl) {
		dwfl_report_begin(dwfl);
		module = dwfl_report_offline(dwfl, path, path, fd);
		dwfl_report_end(dwfl, NULL, NULL);
	}
	if (!module) {
		close(fd);
		if (dwfl)
			dwfl_end(dwfl);
	}
	return module;
}

static Dwfl_Module *find_module(const char *path, uint64_t inode)
{
	struct module *m;

	for (m = modules; m; m = m->next)
		if (m->inode == inode && strcmp(m->path, path) == 0)
			return m->dwfl;
	m = malloc(sizeof(*m) + strlen(path) + 1);
	if (!m)
		return NULL;
	strcpy(m->path, path);
	m->inode = inode;
	m->dwfl = open_module(path);
	m->next = modules;
	modules = m;
	return m->dwfl;
}

/* Neighbouring segments may share a page of the file: the one with code counts. */
static bool address_of(Dwfl_Module *module, uint64_t offset, Dwarf_Addr *address)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(module, &bias);
	size_t n;

	if (!elf || elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD ||
		    !(ph.p_flags & PF_X) || offset < ph.p_offset ||
		    offset - ph.p_offset >= ph.p_filesz)
			continue;
		*address = ph.p_vaddr + (offset - ph.p_offset) + bias;
		return true;
	}
	return false;
}

/* ---- names ---------------------------------------------------------------- */

/* The command is no C++ program: the library is loaded when a name asks for it. */
static char *demangle(const char *name)
{
	typedef char *demangler(const char *, char *, size_t *, int *);
	static bool tried;
	static union {
		void *symbol;
		demangler *call;
	} cxa;

	if (strncmp(name, "_Z", 2) != 0)
		return NULL;
	if (!tried) {
		void *lib = dlopen("libstdc++.so.6", RTLD_LAZY);

		cxa.symbol = lib ? dlsym(lib, "__cxa_demangle") : NULL;
		tried = true;
	}
	return cxa.symbol ? cxa.call(name, NULL, NULL, NULL) : NULL;
}

static uint16_t add_text(struct symbols_answer *a, const char *text)
{
	size_t len = text ? strnlen(text, NAME_MAX_KEPT) : 0, at = a->text_n;

	if (!len || at + len + 1 > SYMBOLS_TEXT)
		return 0;
	memcpy(a->text + at, text, len);
	a->text[at + len] = '\0';
	a->text_n = (uint32_t)(at + len + 1);
	return (uint16_t)at;
}

/* Of a chain that is too long, the innermost and the outermost are kept. */
static void add_frame(struct symbols_answer *a, const char *function,
		      const char *file, int line)
{
	char *plain = function ? demangle(function) : NULL;
	unsigned i = a->frames_n < SYMBOL_FRAMES ? a->frames_n++ : SYMBOL_FRAMES - 1;

	a->frames[i].function = add_text(a, plain ? plain : function ? function : "?");
	a->frames[i].file = add_text(a, file);
	a->frames[i].line = line > 0 ? (uint32_t)line : 0;
	free(plain);
}

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *name = dwarf_formstring(
		dwarf_attr_integrate(die, DW_AT_linkage_name, &attr));

	return name ? name : dwarf_diename(die);
}

/* ---- debug information ---------------------------------------------------- */

/* clang and rustc write no .debug_aranges, by which libdw finds units. */
static Dwarf_Die *unit_at(Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(module, address, bias);

	if (unit)
		return unit;
	while ((unit = dwfl_module_nextcu(module, unit, bias)))
		if (dwarf_haspc(unit, address - *bias) > 0)
			break;
	return unit;
}

/* Innermost first, up to the unit. dwarf_getscopes alone leaves the caller's side. */
static int scopes_at(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die **scopes)
{
	Dwarf_Die *near = NULL;
	int n = dwarf_getscopes(unit, pc, &near);

	if (n > 0)
		n = dwarf_getscopes_die(&near[0], scopes);
	free(near);
	return n;
}

static int number_of(Dwarf_Die *die, unsigned which)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, which, &attr), &value) != 0 || value > INT_MAX)
		return 0;
	return (int)value;
}

static const char *call_file(Dwarf_Die *unit, Dwarf_Die *die)
{
	int n = number_of(die, DW_AT_call_file);
	Dwarf_Files *files;

	if (dwarf_getsrcfiles(unit, &files, NULL) != 0)
		return NULL;
	return dwarf_filesrc(files, (size_t)n, NULL, NULL);
}

static void add_debug_frames(Dwfl_Module *module, Dwarf_Addr address, const char *symbol,
			     struct symbols_answer *a)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = unit_at(module, address, &bias), *scopes = NULL;
	Dwarf_Line *at = unit ? dwarf_getsrc_die(unit, address - bias) : NULL;
	const char *file = at ? dwarf_linesrc(at, NULL, NULL) : NULL;
	int n = unit ? scopes_at(unit, address - bias, &scopes) : 0, line = 0;

	if (at)
		dwarf_lineno(at, &line);
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		add_frame(a, name_of(&scopes[i]), file, line);
		if (tag == DW_TAG_subprogram)
			break;
		file = call_file(unit, &scopes[i]);
		line = number_of(&scopes[i], DW_AT_call_line);
	}
	if (!a->frames_n && symbol)
		add_frame(a, symbol, file, line);
	free(scopes);
}

void symbols_read(const struct symbols_question *q, struct symbols_answer *a)
{
	Dwfl_Module *module = find_module(q->module, q->inode);
	const char *symbol;
	Dwarf_Addr address;
	GElf_Off into = 0;
	GElf_Sym sym;

	memset(a, 0, sizeof(*a));
	a->text_n = 1;
	if (!module || !dwfl_module_getelf(module, &address)) {
		a->why = SYMBOLS_NOT_READ;
		return;
	}
	if (!address_of(module, q->offset, &address)) {
		a->why = SYMBOLS_NOT_CODE;
		return;
	}
	symbol = dwfl_module_addrinfo(module, address, &into, &sym, NULL, NULL, NULL);
	a->offset_in_function = symbol ? into + 1 : 0;
	add_debug_frames(module, address, symbol, a);
	if (!a->frames_n)
		a->why = SYMBOLS_NO_NAME;
	else if (!a->frames[0].line)
		a->why = SYMBOLS_NO_LINE;
}
