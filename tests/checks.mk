# Sanitizers, valgrind, static analysis, coverage: longer than `make check`,
# each in a build folder of its own, each with the minutes that it may take on
# two cores. Included by the Makefile.

CHECK_FLAGS := -O1 -g -fno-omit-frame-pointer
CHECK_ENV    = DIOSHIM_BUILD=$(abspath $(1)) timeout -k 30 $(2)m prove --merge --timer -j$(JOBS) $(if $(V),-v)
UNIT_NAMES  := $(patsubst tests/unit/%.c,unit_%,$(wildcard tests/unit/*.c)) \
               $(patsubst tests/unit_cli/%.c,unit_cli_%,$(wildcard tests/unit_cli/*.c))
units_in     = $(addprefix $(1)/tests/,$(UNIT_NAMES))

# ---- address and undefined behaviour ----------------------------------------

# In the library UBSan traps: no run time of its own, and the test sees SIGILL.
# ASan in a preloaded library wants its own run time loaded behind it and before
# libc, in every program of the test: so only tests whose programs bear that. It
# is wrong about stacks after the shim's vfork, and stops dd for its aligned_alloc.
UBSAN      := -fsanitize=undefined -fsanitize-undefined-trap-on-error
ASAN       := -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_LIB    = $(shell $(CC) -print-file-name=libasan.so)
ASAN_TESTS := $(wildcard $(addprefix tests/hazards/,copy.t errors.t mapped.t matrix.t rescue.t))
ASAN_PRELOADED = detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1

check-asan:	## unit tests and command with ASan and UBSan, all programs under a library with UBSan (30 min)
	tests/install-deps
	$(MAKE) B=build-asan CFLAGS="$(CHECK_FLAGS) $(ASAN)" WARN=-w tests-build
	$(MAKE) B=build-ubsan CFLAGS="$(CHECK_FLAGS) $(UBSAN)" WARN=-w tests-build
	$(call CHECK_ENV,build-asan,5) $(call units_in,build-asan)
	mkdir -p build-asan/command
	cp build-asan/dioshim build-ubsan/libdioshim.so build-asan/command
	ln -sfn ../../build-ubsan/tests build-asan/command/tests
	ASAN_OPTIONS=verify_asan_link_order=0 $(call CHECK_ENV,build-asan/command,5) $(wildcard tests/programs/cli*.t) tests/compare.t tests/top.t
	LD_PRELOAD=$(ASAN_LIB) ASAN_OPTIONS=$(ASAN_PRELOADED) $(call CHECK_ENV,build-asan,8) $(ASAN_TESTS)
	$(call CHECK_ENV,build-ubsan,12) $(filter tests/programs/% tests/hazards/% tests/machines/%,$(TESTS))

# ---- threads ----------------------------------------------------------------

# TSan's run time calls mmap and its like by name while it starts: the wrappers
# in the test's own program must not be found by it.
THREADED := $(patsubst tests/unit/%.c,build-tsan/tests/unit_%,$(shell grep -l -e pthread_create -e race\.h tests/unit/*.c))

check-tsan:	## unit tests with threads, under TSan: tables, pool, gates and books have no locks (5 min)
	@mkdir -p build-tsan
	printf '#define CALL(family, type, name, args) name;\n#define TWIN(family, name, of) name;\n{ local:\n#include "$(CURDIR)/shim/calls.def"\n};\n' \
		| $(CC) -E -P -x c - > build-tsan/hidden.map
	$(MAKE) B=build-tsan CFLAGS="$(CHECK_FLAGS) -fsanitize=thread -Wl,--version-script=$(CURDIR)/build-tsan/hidden.map" \
		WARN=-w $(THREADED)
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/suppressions.tsan:exitcode=66:halt_on_error=0 \
		$(call CHECK_ENV,build-tsan,5) $(THREADED)

# ---- valgrind ---------------------------------------------------------------

check-valgrind:	## memcheck over unit tests and over programs under the shim (8 min)
	tests/install-deps valgrind
	$(MAKE) B=build-valgrind CFLAGS="-O1 -g" tests-build
	$(call CHECK_ENV,build-valgrind,8) tests/valgrind

# ---- another kernel ---------------------------------------------------------

$(B)/tests/vm_ticks: tests/vm/ticks.c
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -o $@ $< -pthread

$(B)/tests/vm_bounces: tests/vm/bounces.c $(B)/cli/swiotlb.o
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -o $@ $^

check-vm: tests-build $(B)/tests/vm_ticks $(B)/tests/vm_bounces	## programs, streams, unit tests and SWIOTLB on Debian's 6.1 kernel, in qemu; KERNEL=6.12 for another (8 min)
	tests/install-deps qemu-system-x86 busybox-static
	$(call CHECK_ENV,$(B),15) tests/vm/vm.t $(if $(KERNEL),:: $(KERNEL))
	$(call CHECK_ENV,$(B),5) tests/vm/swiotlb.t $(if $(KERNEL),:: $(KERNEL))

# ---- another processor ------------------------------------------------------

# tests/qemu/skip has what qemu's emulation of system calls cannot do, with the reasons.
QEMU_SKIP  = $(shell sed -n 's/^\([a-z_]*\) .*/\1/p' tests/qemu/skip)
QEMU_UNITS = $(addprefix build-aarch64/tests/,$(filter-out $(QEMU_SKIP),$(UNIT_NAMES)))
QEMU_TESTS := tests/qemu/programs.t $(addprefix tests/hazards/,cancel.t files.t shared.t)

check-aarch64:	## cross-built: unit tests, and the tests' own programs under the library, by qemu-user (3 min)
	tests/install-deps gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
	$(MAKE) B=build-aarch64 CC=aarch64-linux-gnu-gcc WERROR=1 tests-build
	$(CC) -O2 -o build-aarch64/no_dioalign tests/qemu/no_dioalign.c
	@sed -n 's/^\([a-z_][a-z_]*\) */left out: \1: /p' tests/qemu/skip
	tests/qemu/run build-aarch64/no_dioalign env $(call CHECK_ENV,build-aarch64,20) $(QEMU_UNITS) $(QEMU_TESTS)

# ---- static analysis --------------------------------------------------------

TIDY_CF  := -std=gnu11 -D_GNU_SOURCE -DDIOSHIM_VERSION='"$(VERSION)"' -Ishim -fPIC
CPPCHECK := cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
            --suppressions-list=tests/suppressions.cppcheck -D_GNU_SOURCE -D__x86_64__ -D__LP64__ -D__GLIBC__=2 -D__GNUC__=12 -Ishim

# One file at a time: clang-tidy 14 takes every va_list from the second file on for uninitialised.
tidy:	## clang-tidy, cppcheck and gcc's analyzer over shim/ and cli/, any finding fails (10 min)
	tests/install-deps clang-tidy cppcheck
	printf '%s\n' $(SHIM_SRC) $(CLI_SRC) | xargs -P $(JOBS) -I{} timeout 10m \
		clang-tidy --quiet --warnings-as-errors='*' {} -- $(TIDY_CF) 2>&1 | { ! grep -v 'warnings\? generated'; }
	timeout 10m $(CPPCHECK) -j $(JOBS) shim cli
	for f in $(SHIM_SRC) $(CLI_SRC); do gcc $(TIDY_CF) -O1 -fanalyzer -Werror -c -o /dev/null $$f || exit 1; done

# ---- coverage ---------------------------------------------------------------

# Clang's counters, in the shim's objects alone. Their file is named in the
# build, for tests clear the environment.
ifdef COVERAGE
COVERED  := $(SHIM_OBJ)
SHIM_OBJ += $(B)/tests/coverage_counters.o
$(COVERED): SHIM_CF += -fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic \
                       -mllvm -runtime-counter-relocation

$(B)/tests/coverage_counters.o: tests/coverage_counters.c
	@mkdir -p $(@D)
	$(CC) $(SHIM_CF) -Ishim -DCOVERAGE_FILE='"$(abspath $(B))/counters"' -c -o $@ $<

# Clang's own run time library writes this one's: not counted, linked alone.
$(B)/tests/coverage_dump.o: tests/coverage_dump.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -c -o $@ $<

$(B)/coverage_dump: $(B)/tests/coverage_dump.o $(SHIM_OBJ)
	$(CC) -fprofile-instr-generate -o $@ $^ -ldl -pthread
endif

# The programs by the usual compiler: clang fortifies less.
coverage:	## lines of shim/ that the tests run, every other one explained (25 min)
	tests/install-deps clang llvm
	$(MAKE) B=build-coverage CFLAGS="$(CHECK_FLAGS)" $(PROGS:$(B)/%=build-coverage/%) $(MULTI:$(B)/%=build-coverage/%)
	$(MAKE) B=build-coverage CC=clang COVERAGE=1 CFLAGS="$(CHECK_FLAGS)" tests-build build-coverage/coverage_dump
	rm -f build-coverage/counters
	truncate -s $$(build-coverage/coverage_dump size) build-coverage/counters
	chmod 666 build-coverage/counters
	$(call CHECK_ENV,build-coverage,25) $(call units_in,build-coverage) $(TESTS)
	tests/coverage build-coverage $(LEAST)

.PHONY: check-asan check-tsan check-valgrind check-vm check-aarch64 tidy coverage
