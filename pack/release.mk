# What is handed out: the source archive, the Debian package. Both from the
# tree's files as they are; the checkout stays clean. Included by the Makefile.

RELEASE := dioshim-$(VERSION)

# Dates in the archive: of the last commit; in an unpacked archive, its own.
EPOCH    = $(or $(SOURCE_DATE_EPOCH),$(shell if [ -e .git ]; then git log -1 --format=%ct; else stat -c %Y CHANGELOG.md; fi))
FILES   := if [ -e .git ]; then git ls-files -z; else find . -name 'build*' -prune -o ! -type d -print0; fi

dist:	## the source archive in the build folder, the same bytes each time
	@mkdir -p $(B)
	$(FILES) | LC_ALL=C sort -z | tar --create --null --files-from=- --format=gnu --transform='flags=r;s,^\(\./\)\?,$(RELEASE)/,' \
		--mtime=@$(EPOCH) --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX | xz -T1 > $(B)/$(RELEASE).tar.xz
	@[ ! -e .git ] || git diff --quiet HEAD || echo "$(RELEASE).tar.xz: with changes that are not committed"

deb: dist	## the Debian package in the build folder, binary and source; DEB_BUILD_OPTIONS=nocheck without its unit tests (3 min)
	rm -rf $(B)/deb
	mkdir $(B)/deb
	cp $(B)/$(RELEASE).tar.xz $(B)/deb/dioshim_$(VERSION).orig.tar.xz
	tar -xf $(B)/$(RELEASE).tar.xz -C $(B)/deb
	cd $(B)/deb/$(RELEASE) && env -u MAKEFLAGS -u MAKEOVERRIDES -u MFLAGS dpkg-buildpackage -us -uc -j$(JOBS)
	rm -r $(B)/deb/$(RELEASE)

.PHONY: dist deb
