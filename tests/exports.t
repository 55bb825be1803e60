#!/bin/bash
# What the library shows to programs and what it takes from libc.
. "$(dirname "$0")/lib.sh"
need nm readelf

LIBRARY=$DIOSHIM_BUILD/libdioshim.so
LIST=$TESTS/../shim/calls.def

# Lines in one list and not in the other, shown when there are any.
same_list() {	# GOT WANT NAME
	local only
	only=$(diff <(sort -u <<<"$1") <(sort -u <<<"$2") | grep '^[<>]')
	is "$only" "" "$3"
}

# Words that none of the patterns covers.
others() {	# PATTERN...
	local word pattern
	while read -r word; do
		for pattern; do
			# shellcheck disable=SC2053
			[[ $word != $pattern ]] || continue 2
		done
		echo "$word"
	done
}

# ---- what it exports ---------------------------------------------------------

listed=$(sed -n 's/^CALL([a-z]*, *[^,]*, *\([a-zA-Z0-9_]*\), *(.*/\1/p; s/^TWIN([a-z]*, *\([a-zA-Z0-9_]*\), *[a-z0-9A-Z_]*)$/\1/p' "$LIST")
exported=$(nm -D --defined-only "$LIBRARY" | awk '{ print $3 }')

is "$(wc -l <<<"$listed")" "$(grep -cE '^(CALL|TWIN)\(' "$LIST")" "every line of calls.def is understood"
is "$(sort <<<"$listed" | uniq -d)" "" "calls.def names nothing twice"
same_list "$exported" "$listed" "the exported symbols are those of calls.def"
is "$(nm -D --defined-only "$LIBRARY" | awk '$2 != "T" { print $3 }')" "" "all of them are functions"

# A named version node would load and intercept nothing.
is "$(grep '@' <<<"$exported")" "" "no exported symbol has a version"
is "$(readelf -VW "$LIBRARY" | grep -c 'Version definition')" 0 "no version node is defined"

# ---- what it needs -----------------------------------------------------------

# libdl and libpthread are libc's own until glibc 2.34; on some machines the
# loader holds what the stack protector needs.
needed=$(readelf -dW "$LIBRARY" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
is "$(others 'libc.so.6' 'libdl.so.2' 'libpthread.so.0' 'ld-linux*' <<<"$needed")" "" \
	"it needs libc and nothing else"

# Neither memory from malloc nor stdio, which may hold locks; nor a system call
# of libc's, which might be somebody's wrapper. (backtrace loads libgcc at its
# first call, which is made in the constructor, and only where --backtrace asks.)
imported=$(nm -D --undefined-only "$LIBRARY" | awk '{ sub(/@.*/, "", $NF); print $NF }')
ok "$([ "$(wc -l <<<"$imported")" -gt 10 ]; echo $?)" "the imports can be read"
is "$(others 'str*' '__str*_chk' 'mem*' '__mem*_chk' __errno_location \
	dlsym dladdr getenv getauxval on_exit fileno_unlocked environ __environ \
	__register_atfork pthread_atfork pthread_setcancelstate pthread_testcancel \
	__pthread_register_cancel __pthread_unregister_cancel __pthread_unwind_next \
	_setjmp __sigsetjmp '__stack_chk_*' __libc_single_threaded \
	backtrace '_ITM_*' __cxa_finalize __gmon_start__ <<<"$imported")" "" \
	"it imports nothing that allocates, locks or does I/O"

# ---- calls of its own into itself --------------------------------------------

# Only wrappers that are another wrapper with other arguments.
own_calls='fanotify_init mmap close_range dup dup2 dup3 fcntl prctl execv execve execvp execvpe read pread'
is "$(readelf -rW "$LIBRARY" | awk '$3 ~ /^R_/ { print $5 }' | grep -Fx -f <(printf '%s\n' "$exported") |
	others $own_calls)" "" "it calls its own wrappers only where a wrapper means another one"

for object in "$DIOSHIM_BUILD"/shim/*.o; do
	name=${object##*/}
	case $name in
	entry_process.o) allowed='fanotify_init mmap close_range dup dup2 dup3 fcntl prctl execve' ;;
	entry_exec.o) allowed='execv execve execvp execvpe' ;;
	*) allowed= ;;
	esac
	# shellcheck disable=SC2086
	is "$(nm --undefined-only "$object" | awk '{ print $NF }' |
		grep -Fx -f <(printf '%s\n' "$exported") | others $allowed)" "" "$name calls no wrapper"
done

# ---- how it is linked --------------------------------------------------------

dynamic=$(readelf -dW "$LIBRARY")
is "$(grep -c TEXTREL <<<"$dynamic")" 0 "no text relocations"
ok "$(grep -q 'Flags:.*NOW' <<<"$dynamic"; echo $?)" "resolved when it is loaded: no lazy binding inside a handler"
ok "$(grep -q NODELETE <<<"$dynamic"; echo $?)" "never unloaded"
ok "$(readelf -rW "$LIBRARY" | grep -qE 'TPOFF|TPREL'; echo $?)" "thread-local variables are initial-exec"
is "$(readelf -rW "$LIBRARY" | grep -cE 'DTPMOD|TLSDESC')" 0 "and none is not"
is "$(readelf -lW "$LIBRARY" | awk '$1 == "GNU_STACK" { print $7 }')" RW "the stack is not executable"

done_testing
