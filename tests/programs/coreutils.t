#!/bin/bash
# The file tools of coreutils and their neighbours, on files of odd sizes.
. "$(dirname "$0")/../lib.sh"
scratch

cd "$SCRATCH/input" || exit
lines text 1500777
noise bin 2000000
noise blocks 1048576
noise big 9437185
lines tiny 300
: >empty
sort -R --random-source=bin text | head -n 50000 >shuffled
lines holes 5000
truncate -s 3000000 holes
seq 1000 >>holes
truncate -s 4500001 holes
mkdir -p dir/sub
cp text dir/one
cp tiny dir/sub/two
cp --sparse=always holes dir/sub/holes
ln dir/one dir/hard
ln -s one dir/soft
chmod 640 dir/one
chmod 4755 dir/sub/two
age .
cd "$TESTS" || exit

# ---- copies

same_direct "cp" -- cp big copy
same_direct "cp, several files" -- sh -c 'mkdir d; cp -v text bin blocks empty tiny holes d'
same_direct "cp over a longer file" -- cp text big
same_direct "cp over a shorter file" -- cp big text
same_direct "cp, whole blocks" -- cp blocks copy
same_direct "cp -p" -- cp -p big copy
same_direct "cp -a of a folder" -- cp -a dir copy
same_direct "cp --reflink=never" -- cp --reflink=never big copy
same_direct "cp --reflink=auto" -- cp --reflink=auto big copy
same "cp --reflink=always" -- cp --reflink=always big copy
same_direct "cp --sparse=never" -- cp --sparse=never holes copy
same_direct "cp --sparse=always" -- cp --sparse=always holes copy
for tree in plain shim; do
	[ "$(stat -c %b "$SCRATCH/$tree/copy")" -lt 4000 ]
	ok $? "cp --sparse=always, $tree: the copy has holes"
done
same_direct "cp of a sparse file" -- cp --sparse=auto dir/sub/holes copy
same "cp onto itself" -- cp text text
same "cp of a folder without -r" -- cp dir copy
same "cp to a device" -- cp big /dev/null
same "cp from a device" -- sh -c 'cp /dev/null text; ls -s text'
same_direct "install" -- install -m 751 -D big new/copy
same_direct "install -p -C" -- sh -c 'install -p -C text copy; install -v -C text copy'
if [ -w /dev/shm ]; then
	same_direct "mv to another file system and back" -- sh -c '
		other=$(mktemp -d /dev/shm/dioshim.XXXXXX) || exit
		mv big dir "$other"; ls; mv "$other"/* .; rmdir "$other"'
else
	skip "mv to another file system and back" "/dev/shm is not there"
fi

# ---- cat and tee

same_direct "cat to a file" -- sh -c 'cat big >copy'
same_direct "cat of several to a file" -- sh -c 'cat text bin tiny empty blocks >copy'
same_direct "cat to the end of a file" -- sh -c 'cat bin >>text; cat tiny >>text; cat big >>text'
same_direct "cat to a pipe" -- sh -c 'cat big | cat >copy'
same_direct "cat to stdout" -- cat big text tiny
same_direct "cat -n" -- cat -n text
same_direct "cat from stdin" -- sh -c 'cat <big; { cat; cat tiny -; } <text'
same "cat of itself" -- sh -c 'cat text >>text'
same "cat of what is not there" -- cat tiny absent dir tiny
same_direct "cat to the middle of a file" -- sh -c 'exec 5<>text; head -c 70000 <&5 | wc -c; cat bin >&5'
same_direct "tee" -- sh -c 'cat big | tee one two | cksum; cat tiny | tee -a one'
same_direct "paste of two writers to one descriptor" -- sh -c '{ cat text; echo between; cat bin; printf end; } >copy'

# ---- parts

same_direct "head -c" -- head -c 1000001 big
same_direct "head -c, all but the end" -- head -c -4097 big
same_direct "head -n" -- head -n 1234 text
same_direct "head -n, all but the end" -- head -n -1234 text
same_direct "head leaves the offset" -- sh -c '{ head -n 10; cat; } <text'
same_direct "tail -c" -- tail -c 5001 big
same_direct "tail -c +" -- tail -c +5001 big
same_direct "tail -n" -- tail -n 777 text
same_direct "tail -n +" -- tail -n +777 text
same_direct "tail of several" -- tail -n 3 text tiny empty shuffled
same_direct "tail from stdin" -- sh -c '{ dd bs=1000 count=3 status=none; tail -n 5; } <text'
same_direct "split -b" -- split -b 100000 big part.
same_direct "split -b, whole blocks" -- split -b 65536 blocks part.
same_direct "split -l" -- split -l 10000 text part.
same_direct "split -n" -- split -n 7 big part.
same_direct "split -n l/" -- split -n l/7 text part.
same_direct "split -n r/" -- split -n r/3 text part.
same_direct "csplit" -- csplit -s text 1000 5000 '{3}'
same_direct "tac" -- tac text
same_direct "tac -b -s" -- tac -b -s 7 text

# ---- whole-file readers

same_direct "wc" -- wc text bin tiny empty
same_direct "wc -l" -- wc -l text
same_direct "wc -c from an offset" -- sh -c '{ dd bs=777 count=1 status=none >part; wc -c; } <text'
same_direct "cmp, equal" -- sh -c 'cp big copy; cmp big copy'
same_direct "cmp, different" -- sh -c 'cp big copy; printf x | dd of=copy bs=1 seek=7000001 conv=notrunc status=none; cmp -b big copy; cmp -i 100:100 -n 5000000 big copy'
same "cksum, sums" -- sh -c 'cksum *; sum text; md5sum text bin; sha256sum big blocks tiny empty; sha256sum <text >sums; b2sum big'
same "sha256sum -c" -- sh -c 'sha256sum big text bin >sums; sha256sum -c sums; printf x >>text; sha256sum -c sums'
same "od" -- sh -c 'od -A d -t x1 -j 4095 -N 5000 big; od -c tiny; od -t x8 blocks >dump'
same "base64" -- sh -c 'base64 bin >coded; base64 -d coded | cmp - bin && echo equal'
same "grep" -- sh -c 'grep -c 77 text; grep -n 12345 text shuffled; grep -rl 777 . | sort; grep -a -c x big'
same "awk" -- awk '{ s += $1; print $1 % 10 > "digit" } END { print NR, s }' shuffled
same "diff" -- sh -c 'sed 777d text >changed; diff text changed; diff -q big blocks'
same_direct "xargs and find" -- sh -c 'find . -type f | sort | xargs wc -c; find . -size +100k -exec cp {} copy \; ; wc -c copy'

# ---- rewriters

same "sort -o in place" -- sort -n -o shuffled shuffled
same "sort with temporary files" -- sort -S 200K --parallel=1 -o sorted shuffled
same "sort -m" -- sh -c 'sort -u shuffled >a; sort -u text >b; sort -m a b -o merged; comm -12 a b | wc -l; join a b | tail -n 1; uniq -c merged | sort -rn | head -n 3'
same "shuf" -- shuf --random-source=bin -o shuffled shuffled
same "truncate" -- sh -c '
	truncate -s 4096 text; truncate -s 12345 bin; truncate -s 3000000 blocks
	truncate -s +511 tiny; truncate -s %4096 big; truncate -s 0 holes; stat -c "%n %s" *'
same_direct "truncate between reads and writes" -- sh -c '
	for size in 1 4095 4096 5000 100000; do
		cat text >t$size; truncate -s $size t$size; cat tiny >>t$size; cat t$size | cksum
		truncate -s 200000 t$size; cat t$size | cksum
	done'
same "sed -i" -- sh -c 'sed -i s/7/seven/ text; sed -i.old 5,10d tiny; sed -n 1000,1010p text'
same_direct "shred" -- shred -n 1 --random-source=bin -z text
same "tr, cut, fold, nl, expand" -- sh -c 'tr 0-9 a-j <text >a; cut -c 2-4 a >b; fold -w 77 b >c; nl c >d; expand -t 3 d | cksum'
same_direct "fallocate and dd" -- sh -c 'fallocate -l 1000000 new; cat tiny >>new; fallocate -p -o 4096 -l 8192 text; cat text | cksum; fallocate -d blocks'
same "sync" -- sh -c 'cat big >copy; sync copy; sync -d copy; sync -f copy; cmp big copy'

# ---- the shell's own redirections

same "read and printf of a shell" -- bash -c '
	n=0; while read -r line; do n=$((n + line % 7)); done <tiny; echo $n
	for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" >>log; done
	{ read -r a; read -r b; echo "$a $b"; cat; } <tiny
	exec 3>out; echo one >&3; cat tiny >&3; echo two >&3; exec 3>&-
	exec 4<>tiny; read -r a <&4; echo X >&4; read -r b <&4; echo "$a $b"
	cat <<<"here" >>out; mapfile -t all <text; echo ${#all[@]}'
same "an error half way" -- sh -c 'ulimit -f 100; trap "" XFSZ; cat big >copy; echo $?; wc -c copy'
same "a signal for too large a file" -- sh -c 'ulimit -c 0; ulimit -f 100; cat big >copy; echo $?; wc -c copy'
same "yes into head" -- sh -c 'yes | head -c 3000001 >copy; yes abcdefg | head -n 100000 >lines'

strace_direct "cat" -- cat big
strace_direct "tail" -- tail -n 777 text
strace_direct "split" -- split -b 100000 big part.
strace_direct "wc" -- wc text
strace_direct "cmp" -- cmp big bin
strace_direct "tac" -- tac text
if shares_extents; then
	skip "copies: direct I/O seen by strace" "files share extents here"
else
	strace_direct "cp" -- cp big copy
	strace_direct "cat to a file" -- sh -c 'cat big >copy'
	strace_direct "install" -- install big copy
fi

done_testing
