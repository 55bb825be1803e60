# Where things go, as usual:
#
#   make install [PREFIX=/usr/local] [LIBDIR=$PREFIX/lib] [DESTDIR=]
#
# The command finds the library from its own folder: all of PREFIX may be moved.
# Included by the Makefile.

PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
DATADIR  ?= $(PREFIX)/share
MANDIR   ?= $(DATADIR)/man
DOCDIR   ?= $(DATADIR)/doc/dioshim
BASHDIR  ?= $(DATADIR)/bash-completion/completions
ZSHDIR   ?= $(DATADIR)/zsh/site-functions
FISHDIR  ?= $(DATADIR)/fish/vendor_completions.d

DOCS     := README.md CHANGELOG.md LICENSE docs/design.md examples/README.md

# Every file that is installed.
INSTALLED := $(BINDIR)/dioshim $(LIBDIR)/dioshim/libdioshim.so $(LIBDIR)/pkgconfig/dioshim.pc \
             $(MANDIR)/man1/dioshim.1 $(MANDIR)/man7/libdioshim.7 \
             $(BASHDIR)/dioshim $(ZSHDIR)/_dioshim $(FISHDIR)/dioshim.fish \
             $(addprefix $(DOCDIR)/,$(DOCS) examples/demo.sh)

# Seen from BINDIR; kept in the build folder: with another one the command is made anew.
LIBRARY_FOLDER := $(shell realpath -sm --relative-to='$(BINDIR)' '$(LIBDIR)/dioshim')

$(B)/libdir: ask
	@mkdir -p $(@D)
	@echo $(LIBRARY_FOLDER) | cmp -s - $@ || echo $(LIBRARY_FOLDER) > $@

$(B)/cli/locate.o: CLI_CF += -DLIBRARY_FOLDER='"$(LIBRARY_FOLDER)"'
$(B)/cli/locate.o: $(B)/libdir

$(B)/dioshim.pc: pack/dioshim.pc.in Makefile
	@mkdir -p $(@D)
	sed 's/@VERSION@/$(VERSION)/' $< > $@

# Manual pages say the version in their last line.
$(B)/man/%: man/% Makefile
	@mkdir -p $(@D)
	sed '/^\.TH/s/ dioshim / "dioshim $(VERSION)" /' $< > $@

put = install -D -m $(1) $(2) '$(DESTDIR)$(3)'

install: all $(B)/dioshim.pc $(B)/man/dioshim.1 $(B)/man/libdioshim.7	## into PREFIX (/usr/local), below DESTDIR
	$(call put,755,$(B)/dioshim,$(BINDIR)/dioshim)
	$(call put,644,$(B)/libdioshim.so,$(LIBDIR)/dioshim/libdioshim.so)
	$(call put,644,$(B)/dioshim.pc,$(LIBDIR)/pkgconfig/dioshim.pc)
	$(call put,644,$(B)/man/dioshim.1,$(MANDIR)/man1/dioshim.1)
	$(call put,644,$(B)/man/libdioshim.7,$(MANDIR)/man7/libdioshim.7)
	$(call put,644,pack/completions/dioshim.bash,$(BASHDIR)/dioshim)
	$(call put,644,pack/completions/dioshim.zsh,$(ZSHDIR)/_dioshim)
	$(call put,644,pack/completions/dioshim.fish,$(FISHDIR)/dioshim.fish)
	for f in $(DOCS); do install -D -m 644 $$f '$(DESTDIR)$(DOCDIR)'/$$f || exit 1; done
	$(call put,755,examples/demo.sh,$(DOCDIR)/examples/demo.sh)

# Folders that others may use stay.
uninstall:	## remove what `make install` with the same PREFIX and DESTDIR has put there
	rm -f $(INSTALLED:%='$(DESTDIR)%')
	-rmdir '$(DESTDIR)$(LIBDIR)/dioshim' '$(DESTDIR)$(DOCDIR)'/* '$(DESTDIR)$(DOCDIR)'

.PHONY: install uninstall
