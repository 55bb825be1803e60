#!/bin/bash
# make dist and make deb: the archive builds by itself, the package runs from
# where it was unpacked. The package's build compiles all again: half a minute.
. "$(dirname "$0")/lib.sh"
need make git tar xz "${CC:=cc}"
scratch
ROOT=$(cd -P "$TESTS/.." && pwd)
VERSION=$(sed -n 's/^VERSION *:= *//p' "$ROOT/Makefile")
cd "$SCRATCH" || exit 1
unset MAKEFLAGS MAKELEVEL
export CC

make_in() {	# FOLDER ARGUMENT...
	local folder=$1
	shift
	make -C "$folder" "$@" >out 2>&1 || { diag_file <(tail -n 20 out); false; }
}
state() { (cd "$ROOT" && git status --porcelain 2>/dev/null); }
before=$(state)

# ---- the source archive ------------------------------------------------------

for build in a b; do
	make_in "$ROOT" dist B="$SCRATCH/$build"
	ok $? "make dist"
	sleep 1.1
done
archive=dioshim-$VERSION.tar.xz
ok "$(cmp a/$archive b/$archive >&2; echo $?)" "make dist: the same bytes twice"
is "$(tar -tvf a/$archive --numeric-owner | awk '{ print $2 }' | sort -u)" 0/0 "make dist: it is nobody's"
is "$(tar -tf a/$archive | grep -v "^dioshim-$VERSION/")" "" "make dist: all in one folder"
is "$(tar -tf a/$archive)" "$(tar -tf a/$archive | LC_ALL=C sort)" "make dist: sorted"

umask 077
tar -xf a/$archive
umask 022
make_in "dioshim-$VERSION" dist
ok "$(cmp a/$archive "dioshim-$VERSION/build/$archive" >&2; echo $?)" "make dist: the same again from what was unpacked"

# ---- the package -------------------------------------------------------------

if ! command -v dh >/dev/null || ! dpkg -s libdw-dev >/dev/null 2>&1; then
	make_in "dioshim-$VERSION" -j2
	ok $? "the archive builds by itself"
	is "$("dioshim-$VERSION/build/dioshim" run -- echo ran 2>err)" ran "and what it builds runs"
	skip "make deb" "debhelper or libdw-dev is not installed"
	done_testing
fi

SECONDS=0
unset CC	# the package is built by the compiler that Debian names
DEB_BUILD_OPTIONS=nocheck make_in "dioshim-$VERSION" deb
ok $? "make deb, from the archive"
diag "the package took $SECONDS s"
set -- "dioshim-$VERSION"/build/deb/dioshim_"$VERSION"-*_*.deb
package=$1
ok "$([ -s "$package" ] && [ $# = 1 ]; echo $?)" "there is one package"

if command -v lintian >/dev/null; then
	is "$(lintian --profile debian --allow-root --fail-on none "${package%_*}_$(dpkg --print-architecture).changes" 2>&1)" "" "lintian has no errors and no warnings"
else
	skip "lintian" "lintian is not installed"
fi

dpkg -x "$package" unpacked
library=$(cd unpacked && echo usr/lib/*/dioshim/libdioshim.so)
is "$(unpacked/usr/bin/dioshim run -- sh -c 'echo $LD_PRELOAD' 2>err)" "$SCRATCH/unpacked/$library" "it finds its library"
is "$(unpacked/usr/bin/dioshim --version)" "dioshim $VERSION" "it says its version"
ok "$(unpacked/usr/bin/dioshim run -o report -- true; grep -q 'zero-copy' report; echo $?)" "it reports"
ok "$(dpkg -f "$package" Depends | grep -q libdw; echo $?)" "it depends on libdw: call sites get names"
(cd "$ROOT" && PATH=$SCRATCH/unpacked/usr/bin:$PATH AUTOPKGTEST_TMP=$SCRATCH DEMO_MIB=8 debian/tests/demo) >demo.out 2>&1
ok $? "the package's own test" || diag_file <(tail -n 20 demo.out)

is "$(state)" "$before" "the checkout stayed as it was"

done_testing
