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

enum {
	NAME_KEPT = 1000,	/* bytes: names of templates know no end */
	CHAIN_MAX = 64,
};

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
	size_t len = text ? strnlen(text, NAME_KEPT) : 0, at = a->text_n;

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

/* symbol: where the machine code is, if it is this function's own; or NULL. */
static const char *name_of(Dwarf_Die *die, const char *symbol)
{
	Dwarf_Attribute attr;
	const char *name = dwarf_formstring(
		dwarf_attr_integrate(die, DW_AT_linkage_name, &attr));

	/* Rust's newer mangling is unknown to libstdc++; the plain name is readable. */
	if (name && strncmp(name, "_R", 2) != 0)
		return name;
	/* What lies in a nameless namespace has its full name in the symbol alone. */
	if (!name && symbol && strncmp(symbol, "_Z", 2) == 0)
		return symbol;
	name = dwarf_diename(die);
	return name ? name : symbol;
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

/* With -gsplit-dwarf the functions are in a file of their own, the lines are not. */
static Dwarf_Die functions_of(Dwarf_Die *unit)
{
	Dwarf_Die split;

	if (dwarf_cu_info(unit->cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) == 0 &&
	    dwarf_tag(&split) == DW_TAG_compile_unit)
		return split;
	return *unit;
}

/* The functions around pc, outermost first. */
struct chain {
	unsigned n;
	Dwarf_Die dies[CHAIN_MAX];
};

/*
 * Not by dwarf_getscopes: it finds nothing where the definition of what was
 * inlined is in another unit, as after LTO.
 */
static bool descend(Dwarf_Die *parent, Dwarf_Addr pc, struct chain *chain)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die) != 0)
		return false;
	do {
		int tag = dwarf_tag(&die);
		bool names = tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
			     tag == DW_TAG_class_type || tag == DW_TAG_module;
		bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;

		if (names && descend(&die, pc, chain))
			return true;
		if (names || dwarf_haspc(&die, pc) <= 0)
			continue;
		if (function && chain->n < CHAIN_MAX)
			chain->dies[chain->n++] = die;
		descend(&die, pc, chain);
		return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
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
	struct chain chain = { 0 };
	Dwarf_Addr bias;
	Dwarf_Die *unit = unit_at(module, address, &bias), functions;
	Dwarf_Line *at = unit ? dwarf_getsrc_die(unit, address - bias) : NULL;
	const char *file = at ? dwarf_linesrc(at, NULL, NULL) : NULL;
	int line = 0;

	if (at)
		dwarf_lineno(at, &line);
	if (unit) {
		functions = functions_of(unit);
		descend(&functions, address - bias, &chain);
	}
	while (chain.n--) {
		Dwarf_Die *die = &chain.dies[chain.n];

		add_frame(a, name_of(die, chain.n ? NULL : symbol), file, line);
		file = call_file(&functions, die);
		line = number_of(die, DW_AT_call_line);
	}
	if (!a->frames_n && symbol)
		add_frame(a, symbol, file, line);
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
	else if (!a->frames[0].file)
		a->why = SYMBOLS_NO_LINE;
}
