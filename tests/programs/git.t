#!/bin/bash
# git: objects, packs, clones and checks of one history.
. "$(dirname "$0")/../lib.sh"
need git
scratch

# Nothing of the user's, and dates that do not move.
export HOME=$SCRATCH GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_DATE='2020-01-02T03:04:05Z' GIT_COMMITTER_DATE='2020-01-02T03:04:05Z'
cat >"$SCRATCH/.gitconfig" <<'END'
[user]
	name = A Tester
	email = tester@example.org
[init]
	defaultBranch = main
[gc]
	auto = 0
[pack]
	threads = 1
[core]
	fsync = all
[maintenance]
	auto = false
[protocol "file"]
	allow = always
END

cd "$SCRATCH/input" || exit
mkdir -p tree/src/deep
for i in $(seq 150); do lines "tree/src/n$i" $((i * 113)); done
for i in $(seq 20); do noise "tree/src/deep/b$i" $((i * 3001)); done
lines tree/large 1500777
noise tree/blob 2097152
ln -s large tree/link
chmod +x tree/src/n1

# A history to clone and collect.
git init -q history
(
	cd history || exit
	for i in 1 2 3 4 5 6; do
		cp ../tree/src/n$((i * 20)) file
		cp ../tree/src/deep/b"$i" .
		sed -i "s/$i/$i$i/" file
		seq $((i * 30000)) >growing
		git add . && git commit -q -m "commit $i"
		git tag -a -m "tag $i" "v$i"
		[ $i != 3 ] || git branch side
	done
)
cd "$TESTS" || exit

# The index holds times and inode numbers: what it says is compared instead.
END='
	for repo in . */ ; do [ -d $repo/.git ] || continue; (
		cd $repo && git status --short && git ls-files -s && rm -f .git/index)
	done; exit $status'

git_() {	# NAME SCRIPT
	same_direct "$1" -- bash -c "set -e; $2
		status=\$?; $END"
	is "$SAME_STATUS" 0 "$1: it went through" || diag_file "$SCRATCH/plain.err"
}

git_ "add and commit" '
	cd tree; git init -q; git add .; git commit -q -m first; git rev-parse HEAD
	seq 5000 >>large; echo x >new; git add -A; git commit -q -m second; git log --format=%H --stat; git fsck --full --strict'
git_ "clone without hard links" 'git clone -q --no-local history copy; cd copy; git log --oneline; git fsck; cd ..'
git_ "clone with a copy of the objects" 'git clone -q --no-hardlinks history copy; git -C copy fsck'
git_ "bare clone, push, fetch" '
	git clone -q --bare history bare.git; cd history; git remote add far ../bare.git
	echo more >>file; git commit -q -a -m more; git push -q far main; git -C ../bare.git log --format=%H main | cksum
	cd ..; git -C bare.git fsck; rm bare.git/FETCH_HEAD 2>/dev/null || :'
git_ "gc --aggressive" 'git -C history gc -q --aggressive --prune=now; git -C history count-objects -v; git -C history fsck --full; ls history/.git/objects/pack'
git_ "repack, unpack, verify" '
	cd history; git repack -a -d -q; git verify-pack -v .git/objects/pack/*.idx | cksum
	mv .git/objects/pack ../pack; for p in ../pack/*.pack; do git unpack-objects -q <$p; done
	find .git/objects -type f | wc -l; git pack-refs --all; git fsck; cd ..; rm -rf pack'
git_ "checkout, switch, reset, stash" '
	cd history; git checkout -q v2; git status --short; git checkout -q side; git reset -q --hard v1
	git switch -q main; echo changed >>growing; git stash -q; git stash pop -q; git diff --stat
	git restore growing; git clean -fdq; cd ..'
git_ "merge, rebase, cherry-pick" '
	cd history; git checkout -q side; echo s >s; git add s; git commit -q -m side
	git merge -q --no-edit main; git checkout -q -b third v2; echo t >t; git add t; git commit -q -m third
	git rebase -q main; git cherry-pick side~1 >/dev/null; git log --format="%H %s" --all; cd ..'
git_ "archive, bundle, format-patch, am" '
	cd history; git archive --format=tar HEAD >../a.tar; git bundle create -q ../b.bundle --all; git bundle verify -q ../b.bundle
	git format-patch -q -o ../patches v2..v4; git checkout -q -b again v2; git am -q ../patches/*; git fsck; cd ..
	git clone -q b.bundle from; tar -tf a.tar'
git_ "blame, grep, diff, show" '
	cd history; git blame file | cksum; git grep -c 77 | sort; git diff v1 v6 | cksum; git show v3:growing | cksum
	git cat-file --batch-check --batch-all-objects | cksum; git log -p --all | cksum; cd ..'
git_ "worktree and submodule" '
	cd history; git worktree add -q ../wt v4; git -C ../wt log --oneline; cd ..; mkdir super; cd super; git init -q
	git submodule --quiet add "$PWD/../history" sub; git commit -q -m sub; git -C sub log --oneline; cd ..
	find . -name index -path "*git*" -delete; rm -rf wt/.git'
same "a damaged object" -- bash -c '
	cd history; f=$(find .git/objects -type f -size +3k | sort | head -n 1); chmod u+w $f
	printf damage | dd of=$f bs=1 seek=1000 conv=notrunc status=none; git fsck; echo $?; rm -f .git/index'

strace_direct "add" -- sh -c 'cd tree; git init -q; git add .; git commit -q -m first'
strace_direct "clone" -- git clone -q --no-local history copy
strace_direct "gc" -- git -C history gc -q --aggressive --prune=now

done_testing
