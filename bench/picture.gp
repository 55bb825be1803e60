# The stick as a picture: speed over plain, and CPU time, job by job. Called with
# table (job, text, contender, ratio and its quartiles, CPU s/GiB) and out set.

set terminal svg size 1640,1000 font "Helvetica,14" background "white"
set output out
set datafile separator "\t"

# A line per job that the contender did, with the number of the job in front.
of(name) = sprintf("< awk -F'\\t' -v OFS='\\t' '$1 != job { job = $1; n++ } $3 == \"%s\" { print n, $4, $5, $6, $7 }' '%s'", name, table)
jobs = int(system(sprintf("cut -f1 '%s' | uniq | wc -l", table)))
label(n) = system(sprintf("cut -f1,2 '%s' | uniq | cut -f2 | sed -n '%d{s/ /\\n/; s/, /,\\n/; p}'", table, n))

array name[6] = ["plain", "shim", "direct", "nocache", "dontcache", "limit"]
array title[6] = ["plain", "dioshim", "native O\\_DIRECT", "nocache", "RWF\\_DONTCACHE", "the device's limit (fio)"]
array colour[6] = ["#5f6368", "#d1495b", "#30638e", "#edae49", "#7a9e7e", "#c9cdd2"]
wide = 0.14
at(n, i) = n + (i - 3.5) * wide

set style fill solid 1.0 noborder
set boxwidth wide * 0.92
set xrange [0.45:jobs + 0.55]
set for [n = 1:jobs] xtics add (label(n) n)
set xtics nomirror scale 0 font ",13" textcolor "#222222"
set border 3 lc "#888888"
set grid y lc "#e4e4e4" lt 1
set ytics nomirror scale 0.5 textcolor "#222222"
set lmargin 7
set rmargin 2
set bmargin 4.5
set multiplot

# Speed: plain is the line, bars go up from it or down, by factors of two.
set origin 0,0.44
set size 1,0.56
low = -5
high = 3
bar(x) = x < 2.0**low ? low : x > 2.0**high ? high : log(x) / log(2)
set title "Speed over plain, cold caches (medians of paired ratios, and quartiles)" font ",17"
set key top center horizontal outside reverse Left samplen 1.2 font ",14"
set yrange [low:high]
set ytics ("1/32" -5, "1/16" -4, "1/8" -3, "1/4" -2, "1/2" -1, "1 x" 0, "2 x" 1, "4 x" 2, "8 x" 3)
set xzeroaxis lt 1 lw 2 lc rgb colour[1]
plot for [i = 1:6] of(name[i]) using (at($1, i)):(bar($2)) with boxes lc rgb colour[i] title title[i], \
	for [i = 2:6] of(name[i]) using (at($1, i)):(bar($3)):(0):(bar($4) - bar($3)) with vectors nohead lw 1.2 lc "#222222" notitle

# CPU time: what does not fit is written on its bar.
set origin 0,0
set size 1,0.43
most = 2
set title "CPU seconds (user + system) per GiB"
unset key
set yrange [0:most * 1.06]
set ytics autofreq
set xzeroaxis lt 1 lw 1 lc "#888888"
plot for [i = 1:6] of(name[i]) using (at($1, i)):($5 > most ? most : $5) with boxes lc rgb colour[i], \
	for [i = 1:6] of(name[i]) using (at($1, i)):(most):($5 > most ? sprintf("%.1f", $5) : "") \
		with labels rotate by 90 right offset 0,-0.4 font ",11" textcolor "#ffffff"
unset multiplot
