#!/bin/bash
# Archivers, compressors and rsync.
. "$(dirname "$0")/../lib.sh"
need tar gzip
scratch

has() {
	command -v "$1" >/dev/null || { skip "$1" "$1 is not installed"; return 1; }
}

cd "$SCRATCH/input" || exit
mkdir -p tree/sub/deep tree/empty
lines tree/text 900777
noise tree/bin 1500000
noise tree/blocks 524288
lines tree/sub/tiny 77
: >tree/sub/nothing
lines tree/sub/deep/page 4096
lines tree/sparse 9000
truncate -s 3000001 tree/sparse
for i in $(seq 60); do lines tree/sub/deep/n$i $((i * 777)); done
ln tree/sub/deep/page tree/sub/hard
ln -s ../text tree/sub/soft
chmod 600 tree/bin
chmod 555 tree/sub/deep/n1
# A second state of the tree, for updates: changed in the middle, longer, gone.
cp -a tree other
printf CHANGED | dd of=other/text bs=1 seek=400001 conv=notrunc status=none
seq 1000 >>other/blocks
rm other/sub/deep/n7
lines other/sub/deep/new 12345
age .
touch -d 2021-05-05 other/text other/blocks other/sub/deep/new
tar --sort=name --format=gnu -cf made.tar tree
gzip -9 -n <made.tar >made.tar.gz
age made.tar
cd "$TESTS" || exit

# ---- tar

same_direct "tar: create" -- tar --sort=name -cf new.tar tree
same_direct "tar: create, pax" -- tar --sort=name --format=posix \
	--pax-option=delete=atime,delete=ctime,exthdr.name=%d/%f -cf new.tar tree
same_direct "tar: create, sparse" -- tar --sort=name -S -cf new.tar tree
same_direct "tar: create, odd record size" -- tar --sort=name -b 3 -cf new.tar tree
same_direct "tar: extract" -- tar -xpf made.tar -C tree/empty
same_direct "tar: extract over what is there" -- tar -xf made.tar --overwrite
same_direct "tar: list" -- tar -tvf made.tar
same_direct "tar: list from stdin" -- sh -c 'tar -tvf - <made.tar'
same_direct "tar: compare" -- sh -c 'tar -df made.tar; printf x >>tree/text; tar -df made.tar'
same_direct "tar: append, update, delete" -- sh -c '
	tar -rf made.tar other/text; tar -uf made.tar other/blocks tree/bin
	tar --sort=name -cf second.tar other; tar -Af made.tar second.tar; tar --delete -f made.tar tree/bin; tar -tf made.tar | cksum'
same_direct "tar: one member to stdout" -- tar -xOf made.tar tree/text
same_direct "tar: through a pipe" -- sh -c 'tar --sort=name -cf - tree | tar -xf - -C other'
same_direct "tar: sparse round trip" -- sh -c 'tar -Scf s.tar tree/sparse && rm tree/sparse && tar -xf s.tar && cksum tree/sparse'
same_direct "tar: gzip" -- sh -c 'tar --sort=name -I "gzip -n" -cf new.tgz tree; tar -xzf made.tar.gz -C tree/empty'
same "tar: a truncated archive" -- sh -c 'truncate -s 1000000 made.tar; tar -xf made.tar -C tree/empty'

# ---- compressors

same_direct "gzip, gunzip" -- sh -c 'gzip tree/text tree/bin tree/sub/tiny; gzip -l tree/*.gz; gunzip tree/text.gz'
same_direct "gzip -c, zcat" -- sh -c 'gzip -c -1 tree/bin >bin.gz; zcat bin.gz | cmp - tree/bin; gzip -t made.tar.gz; zcat made.tar.gz'
same_direct "gzip, stdin to stdout" -- sh -c 'gzip -n <tree/text >text.gz; gzip -d <text.gz'
same "gunzip of what is broken" -- sh -c 'truncate -s 500000 made.tar.gz; gunzip made.tar.gz; ls'
if has xz; then
	same_direct "xz, unxz" -- sh -c 'xz -1 tree/text tree/blocks; xz -t tree/*.xz; unxz -k tree/blocks.xz -c | cksum; unxz tree/text.xz'
	same_direct "xz with threads" -- sh -c 'xz -1 -T 2 --block-size=400000 -k tree/bin; xz --list tree/bin.xz; xz -dc tree/bin.xz'
	same_direct "xz, sparse output" -- sh -c 'xz -0 tree/sparse && unxz tree/sparse.xz'
	same_direct "tar: xz" -- sh -c 'tar --sort=name -I "xz -0" -cf new.txz tree; tar -xJf new.txz -C tree/empty'
fi
if has bzip2; then
	same "bzip2" -- sh -c 'bzip2 -1 tree/text; bzip2 -tv tree/text.bz2; bunzip2 tree/text.bz2'
fi
if has zstd; then
	same "zstd" -- sh -c 'zstd -q -1 tree/bin -o bin.zst; zstd -q -d bin.zst -o bin; cmp bin tree/bin'
fi

# ---- zip, cpio, ar

if has zip && has unzip; then
	same "zip" -- sh -c 'find tree | sort | zip -q -X -y new.zip -@; unzip -q -o new.zip -d other; unzip -tqq new.zip; zip -q -X -d new.zip tree/bin; zip -q -X -u new.zip other/text; unzip -l new.zip'
fi
if has cpio; then
	same "cpio: create" -- sh -c 'find tree -depth | sort | cpio -o -H newc --reproducible --quiet >new.cpio'
	same "cpio: extract" -- sh -c 'find tree -type f | sort | cpio -o --quiet -H newc >new.cpio; mkdir x; cd x; cpio -i -d -m --quiet <../new.cpio; rm ../new.cpio'
	same "cpio: pass" -- sh -c 'find tree -depth -print0 | sort -z | cpio -0 -p -d -m --quiet copy'
fi
if has ar; then
	same "ar" -- sh -c 'ar rcD new.a tree/text tree/bin tree/sub/tiny; ar tv new.a; ar p new.a tiny; ar dD new.a bin'
fi

# ---- rsync

if has rsync; then
	same_direct "rsync: copy" -- rsync -aiH tree/ copy/
	same_direct "rsync: update by delta" -- rsync -ai --no-whole-file --delete other/ tree/
	same_direct "rsync: update in place" -- rsync -ai --inplace --no-whole-file --delete other/ tree/
	same_direct "rsync: in place, whole files" -- rsync -ai --inplace --whole-file other/ tree/
	same_direct "rsync: small blocks" -- rsync -ai --no-whole-file -B 700 other/ tree/
	same_direct "rsync: append" -- rsync -ai --append-verify other/blocks tree/blocks
	same_direct "rsync: checksums" -- rsync -aic other/ tree/
	same_direct "rsync: sparse" -- rsync -aiS tree/ copy/
	same_direct "rsync: sparse in place" -- rsync -aiS --inplace other/ tree/
	same_direct "rsync: backup, partial, delay" -- rsync -ai --backup --backup-dir=../old --partial-dir=.part --delay-updates other/ tree/
	same_direct "rsync: preallocate" -- rsync -ai --preallocate tree/ copy/
	same_direct "rsync: batch" -- sh -c 'cp -a tree twin; rsync -ai --checksum-seed=7 --no-whole-file --write-batch=batch other/ tree/; rsync -ai --read-batch=batch twin/; rm batch batch.sh'
	same_direct "rsync: twice" -- sh -c 'rsync -ai tree/ copy/; rsync -ai tree/ copy/; rsync -ain --checksum tree/ copy/'
	strace_direct "rsync" -- rsync -a tree/ copy/
	strace_direct "rsync by delta" -- rsync -a --no-whole-file other/ tree/
fi

strace_direct "tar: create" -- tar -cf new.tar tree
strace_direct "tar: extract" -- tar -xf made.tar -C tree/empty
strace_direct "gzip" -- gzip tree/text
has xz && strace_direct "xz" -- xz -0 tree/text

done_testing
