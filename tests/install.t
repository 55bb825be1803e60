#!/bin/bash
# make install and uninstall, into a folder that is then moved.
. "$(dirname "$0")/lib.sh"
need make "${CC:=cc}"
scratch
ROOT=$(cd -P "$TESTS/.." && pwd)
VERSION=$(sed -n 's/^VERSION *:= *//p' "$ROOT/Makefile")
cd "$SCRATCH" || exit 1

# What the build folder has is taken; with another LIBDIR the command is made
# anew, in a copy.
make_in() {	# BUILD ARGUMENT...
	local build=$1
	shift
	make -s -C "$ROOT" CC="$CC" B="$build" WARN=-w "$@" >out 2>&1 || diag_file out
}
mkdir build
cp -a "$DIOSHIM_BUILD"/{shim,cli,lib*,dioshim} build

lays_out() {	# NAME LIBDIR [MAKE-ARGUMENT...]
	local name=$1 libdir=$2
	shift 2
	make_in "$SCRATCH/build" install DESTDIR="$SCRATCH/stage" PREFIX=/opt/x "$@"
	mv stage/opt/x moved
	is "$(moved/bin/dioshim --version)" "dioshim $VERSION" "$name: it says its version"
	lines input/file 5000000
	DIOSHIM=$SCRATCH/moved/bin/dioshim same_direct "$name: moved, it finds its library" -- dd if=file of=copy bs=64K status=none
	is "$(moved/bin/dioshim run -- sh -c 'echo $LD_PRELOAD' 2>err)" "$SCRATCH/moved/$libdir/dioshim/libdioshim.so" "$name: in $libdir"
	if command -v pkg-config >/dev/null; then
		export PKG_CONFIG_PATH=$SCRATCH/moved/$libdir/pkgconfig
		is "$(pkg-config --modversion dioshim)" "$VERSION" "$name: pkg-config: version"
		is "$(realpath "$(pkg-config --variable=libdioshim dioshim)")" "$SCRATCH/moved/$libdir/dioshim/libdioshim.so" \
			"$name: pkg-config: what to preload, moved"
	else
		skip "$name: pkg-config" "pkg-config is not installed"
	fi
	mkdir -p stage/opt
	mv moved stage/opt/x
	touch stage/opt/x/share/doc/other
	make_in "$SCRATCH/build" uninstall DESTDIR="$SCRATCH/stage" PREFIX=/opt/x "$@"
	is "$(find stage ! -type d)" stage/opt/x/share/doc/other "$name: uninstall leaves nothing of its own"
	is "$(find stage -name '*dioshim*')" "" "$name: no folder either"
	rm -rf stage
}

lays_out "lib" lib
lays_out "multiarch" lib/x86_64-linux-gnu LIBDIR=/opt/x/lib/x86_64-linux-gnu
lays_out "elsewhere" libexec/deep/er LIBDIR=/opt/x/libexec/deep/er

make_in "$SCRATCH/build" install DESTDIR="$SCRATCH/stage"
is "$(cd stage && find . ! -type d | sort)" "$(sort <<'FILES'
./usr/local/bin/dioshim
./usr/local/lib/dioshim/libdioshim.so
./usr/local/lib/pkgconfig/dioshim.pc
./usr/local/share/bash-completion/completions/dioshim
./usr/local/share/doc/dioshim/CHANGELOG.md
./usr/local/share/doc/dioshim/LICENSE
./usr/local/share/doc/dioshim/README.md
./usr/local/share/doc/dioshim/docs/design.md
./usr/local/share/doc/dioshim/examples/README.md
./usr/local/share/doc/dioshim/examples/demo.sh
./usr/local/share/fish/vendor_completions.d/dioshim.fish
./usr/local/share/man/man1/dioshim.1
./usr/local/share/man/man7/libdioshim.7
./usr/local/share/zsh/site-functions/_dioshim
FILES
)" "what is installed by default"
is "$(cd stage && find . -type f -perm /111 | sort | tr '\n' ' ')" \
	"./usr/local/bin/dioshim ./usr/local/share/doc/dioshim/examples/demo.sh " "what can be executed"
for page in stage/usr/local/share/man/man?/*; do
	ok "$(grep -q "^\.TH [A-Z]* [17] \"\" \"dioshim $VERSION\" " "$page"; echo $?)" "${page##*/} says the version"
done
is "$(DIOSHIM=$SCRATCH/stage/usr/local/bin/dioshim DEMO_MIB=8 TMPDIR=$SCRATCH \
	stage/usr/local/share/doc/dioshim/examples/demo.sh >demo.out 2>&1; echo $?)" 0 "the demo runs with what is installed" || diag_file demo.out

# ---- one version -------------------------------------------------------------

is "$(sed -n 's/^dioshim (\([0-9.]*\)-[0-9]*).*/\1/p' "$ROOT/debian/changelog" | head -n 1)" "$VERSION" "debian/changelog has the Makefile's version"
is "$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$ROOT/CHANGELOG.md" | head -n 1)" "$VERSION" "CHANGELOG.md has it"

done_testing
