#!/bin/bash
# Perl: sysread and friends, buffered handles, dup, records, in-place editing.
. "$(dirname "$0")/../lib.sh"
need perl
scratch

cd "$SCRATCH/input" || exit
lines a 700777
noise b 1048576
lines tiny 300
age .
cat >common.pm <<'END'
package common;
use strict;
use warnings;
use Fcntl qw(:DEFAULT :seek :flock);
use Digest::MD5;
$| = 1;

sub import {
	my $to = caller;
	no strict 'refs';
	*{"${to}::$_"} = \&$_ for qw(show digest content O_RDONLY O_WRONLY O_RDWR
		O_CREAT O_TRUNC O_APPEND O_EXCL SEEK_SET SEEK_CUR SEEK_END LOCK_EX LOCK_NB LOCK_UN);
	strict->import; warnings->import;
}
sub show { print join(' ', map { $_ // 'undef' } @_), "\n" }
sub digest { length($_[0]) . ':' . Digest::MD5::md5_hex($_[0]) }
sub content { local (@ARGV, $/) = @_; digest(scalar <>) }
1;
END
cd "$TESTS" || exit

perl_() {	# NAME [same]
	{ echo 'use lib "."; use common;'; cat; } >"$SCRATCH/input/script.pl"
	"${2:-same_direct}" "$1" -- perl script.pl
	is "$SAME_STATUS" 0 "$1: the script ran to its end" || diag_file "$SCRATCH/plain.err"
}

perl_ "sysread, syswrite, sysseek" <<'END'
sysopen(my $f, "a", O_RDWR) or die;
for my $size (1, 100, 511, 512, 4096, 4097, 65536, 100000, 1048577) {
	for my $at (0, 1, 512, 4095, 4096, 300001, 700000, 700777, 800000) {
		sysseek($f, $at, SEEK_SET);
		my $n = sysread($f, my $data, $size);
		show($size, $at, $n, digest($data), sysseek($f, 0, SEEK_CUR));
		$n = sysread($f, $data, 10, 5);
		show($n, digest($data));
		sysseek($f, $at, SEEK_SET) if $at < 700001;
		show(syswrite($f, "w" x ($size / 3 + 1)), sysseek($f, 0, SEEK_CUR)) if $at < 700001;
		show(syswrite($f, "abcdefghij" x 1000, 4099, 777));
	}
}
show(-s $f, content("a"));
truncate($f, 4097); my $d; show(-s "a", sysread($f, $d, 10), sysseek($f, 0, SEEK_SET), sysread($f, $d, 9999));
show(sysread($f, $d, 0), defined(sysseek($f, -5, SEEK_SET)) ? 1 : $!+0);
END

perl_ "opening in all ways" <<'END'
for my $mode ('<', '+<', '>', '+>', '>>', '+>>') {
	for my $layer (':raw', ':unix', ':perlio', ':stdio', ':crlf', ':utf8') {
		my $name = "f" . unpack('H*', $mode) . substr($layer, 1);
		open(my $o, '>:raw', $name) or die; print $o map { "line $_\n" } 1 .. 9000; close $o;
		open(my $f, "$mode$layer", $name) or die "$mode$layer: $!";
		show($mode, $layer, fileno $f, tell $f);
		if ($mode ne '<') { print $f "printed $_\n" for 1 .. 2000; seek($f, 4095, 0); print $f "x" x 5000; show(tell $f) }
		if ($mode =~ /\+|</) { seek($f, 100, 0); my $l = <$f>; read($f, my $d, 7777); show($l && length $l, digest($d), tell $f, eof $f) }
		close $f or show("close: $!");
		show(content($name));
	}
}
my ($x, $y); show(open($x, '<', 'absent') ? 1 : $!+0, open($x, '>', '.') ? 1 : $!+0);
sysopen($x, "n", O_WRONLY | O_CREAT | O_EXCL, 0640) and show(sprintf '%o', (stat $x)[2]);
show(sysopen($y, "n", O_WRONLY | O_CREAT | O_EXCL) ? 1 : $!+0);
{ no warnings; show(sysread($x, my $d, 10) // $!+0) }
END

perl_ "records and slurping" <<'END'
for my $separator ("\n", "7\n", "", undef, \512, \4096, \10000, "123") {
	local $/ = $separator;
	open(my $f, '<', 'a') or die;
	my ($n, $sum) = (0, 0);
	while (my $r = <$f>) { $n++; $sum += length($r) * ($n % 97); show($., tell $f) if $n % 5000 == 1 }
	show($n, $sum);
	seek($f, 5000, 0); my @all = <$f>; show(scalar @all, digest(join '|', @all));
}
END

perl_ "dup and redirection of handles" <<'END'
open(my $a, '+<', 'a') or die;
sysread($a, my $d, 777);
open(my $dup, '+<&', $a) or die; open(my $alias, '+<&=', $a) or die;
show(fileno $a, fileno $dup, fileno $alias, sysseek($dup, 0, SEEK_CUR));
sysread($dup, $d, 8192); show(digest($d), sysseek($a, 0, SEEK_CUR)); syswrite($a, "y" x 5000);
close $dup; sysread($a, $d, 100); show($d);
open(my $saved, '>&', \*STDOUT) or die; open(STDOUT, '>', 'out') or die; $| = 1;
print "into the file\n" x 3000; system('echo from a child; cat tiny'); print "and again\n";
open(STDOUT, '>&', $saved) or die; show(content('out'));
open(STDIN, '<', 'a') or die; my $l = <STDIN>; system('head -c 100 | cksum'); show($l);
open(my $p, '-|', 'cat b') or die; { local $/; show(digest(<$p>)) } close $p;
open($p, '|-', 'cat >piped') or die; print $p "to the child $_\n" for 1 .. 20000; close $p; show(content('piped'), $?);
open(my $s, '+>', \my $memory) or die; print $s "m" x 5000; show(length $memory);
show(`wc -c <a`, scalar(@{[`cat tiny`]}));
END

perl_ "fork sharing an offset" <<'END'
open(my $f, '+<', 'a') or die; sysread($f, my $d, 4001);
for my $n (1 .. 4) {
	my $pid = fork // die;
	if (!$pid) { sysread($f, $d, 5001); syswrite(STDOUT, digest($d) . "\n"); require POSIX; POSIX::_exit($n) }
	waitpid($pid, 0); show($? >> 8, sysseek($f, 0, SEEK_CUR));
}
syswrite($f, "parent" x 1000); show(content('a'));
my @pids = map { my $n = $_; my $pid = fork // die; if (!$pid) { open(my $o, '>>', 'log') or die; syswrite($o, "$n " x 2500) for 1 .. 40; exit } $pid } 1 .. 3;
waitpid($_, 0) for @pids;
open(my $log, '<', 'log') or die; local $/ = \5000; my %seen; while (<$log>) { $seen{$_}++ } show(map { substr($_, 0, 2) . length($_) . "x$seen{$_}" } sort keys %seen);
unlink 'log';
END

perl_ "flock, rename, unlink, stat" <<'END'
open(my $f, '+<', 'a') or die; flock($f, LOCK_EX) or die; sysread($f, my $d, 5000);
show(system(q{perl -MFcntl=:flock -e 'open F,"<","a"; exit !flock(F, LOCK_EX|LOCK_NB)'}) >> 8);
flock($f, LOCK_UN); show(system(q{perl -MFcntl=:flock -e 'open F,"<","a"; exit !flock(F, LOCK_EX|LOCK_NB)'}) >> 8);
rename 'a', 'c'; syswrite($f, "after the rename" x 600); unlink 'c'; syswrite($f, "after the unlink" x 600);
sysseek($f, 0, SEEK_SET); sysread($f, $d, 30000); show(digest($d), -s $f, (stat $f)[3]);
open(my $g, '>', 'a') or die; syswrite($g, "new" x 4096); sysseek($f, 0, SEEK_SET); sysread($f, $d, 100); show($d, -s 'a');
utime 1e9, 1e9, $g; show((stat 'a')[9]); chmod 0400, $g; show(sprintf '%o', (stat 'a')[2]);
END

same_direct "-i in place" -- perl -i -pe 's/7/seven/g' a tiny
same_direct "-i with a copy kept" -- perl -i.old -ne 'print if $. % 3' a
same_direct "-n, -0, -l" -- sh -c 'perl -lne "END { print \$n } \$n += \$_" a; perl -0777 -ne "print length" a; perl -0 -ne "print length, qq(\n)" b'
same_direct "File::Copy" -- perl -MFile::Copy -e 'copy("a", "c") or die; copy("b", "d", 777) or die; move("c", "e") or die; cp("b", "f")'
same_direct "File::Temp" -- perl -MFile::Temp -e '$t = File::Temp->new(DIR => "."); syswrite($t, "t" x 10000); sysseek($t, 1, 0); print sysread($t, $d, 20000), length $d'
same_direct "reading a file of its own writing" -- perl -e '
	open(W, ">", "n"); open(R, "<", "n"); for my $i (1 .. 300) {
		syswrite(W, chr(65 + $i % 26) x ($i * 7)); sysread(R, $d, $i * 11); print length $d, " ", substr($d, 0, 1), "\n" }'
strace_direct "sysread and syswrite" -- perl -e '
	open(A, "+<", "b"); sysread(A, $d, 65536); sysread(A, $d, 777); syswrite(A, "x" x 70000)'

done_testing
