# fish completion for dioshim
# tests/completions.t compares the options with what --help says.

# Of `dioshim run` and `compare`: the program to be run and its arguments, once
# they begin, up to the word that is being typed.
function __dioshim_program
	set -l words (commandline -opc) (commandline -ct)
	contains -- "$words[2]" run compare; or return 1
	argparse -s mode= log= dir= include= exclude= min-file= pool= chunk= stream= stream-age= \
		auto-read= auto-write= auto-effort= backtrace= records= csv= html= openmetrics= trace= trace-format= o/output= j/json= e/explain F/fail-on-misaligned \
		n/runs= cold prepare= q/quiet -- $words[3..-1] 2>/dev/null
	or return 1
	set -q argv[1]; or return 1
	contains -- -- $words; or not string match -q -- '-*' "$argv[1]"; or return 1
	string join0 -- $argv
	return 0
end

function __dioshim_complete_program
	set -l words (__dioshim_program | string split0)
	__fish_complete_subcommand --commandline $words
end

# Options of one of these commands are wanted here.
function __dioshim_of
	set -l words (commandline -opc)
	contains -- "$words[2]" $argv; and not __dioshim_program >/dev/null
end

function __dioshim_command
	test (count (commandline -opc)) = 1
end

complete -c dioshim -f
complete -c dioshim -n __dioshim_command -a run -d 'Run a program with direct file I/O'
complete -c dioshim -n __dioshim_command -a report -d 'Print and merge kept ledgers'
complete -c dioshim -n __dioshim_command -a doctor -d 'Say what files get, and why'
complete -c dioshim -n __dioshim_command -a compare -d 'Run a program plain and with direct file I/O'
complete -c dioshim -n __dioshim_command -a top -d 'Watch programs under the shim'

for when in __dioshim_command '__dioshim_of run report doctor compare top'
	complete -c dioshim -n $when -s '?' -l help -d 'List the options'
	complete -c dioshim -n $when -l usage -d 'List the options, in short'
	complete -c dioshim -n $when -s V -l version -d 'Print the version'
end

set -l when '__dioshim_of run compare'
complete -c dioshim -n $when -l mode -x -a 'direct auto observe strict strict=512 strict=4096 off' -d 'What is done with the I/O'
complete -c dioshim -n $when -l log -r -F -d 'A text report when a process ends'
complete -c dioshim -n $when -l dir -x -a '(__fish_complete_directories)' -d 'Keep a ledger per process in this folder'
complete -c dioshim -n $when -l include -r -F -d 'Route only these paths'
complete -c dioshim -n $when -l exclude -r -F -d 'Never route these paths'
complete -c dioshim -n $when -l min-file -x -d 'Leave smaller files in the page cache'
complete -c dioshim -n $when -l pool -x -d 'Size of the pool of aligned memory'
complete -c dioshim -n $when -l chunk -x -d 'Size of a chunk of the pool'
complete -c dioshim -n $when -l stream -x -d 'How far to read ahead'
complete -c dioshim -n $when -l stream-age -x -d 'Read ahead in files unchanged for so long'
complete -c dioshim -n $when -l auto-read -x -d 'Mode auto: cold reads go direct from here on'
complete -c dioshim -n $when -l auto-write -x -d 'Mode auto: writes go direct from here on'
complete -c dioshim -n $when -l auto-effort -x -d 'Mode auto: percent of the time that dropping what is written may take'
complete -c dioshim -n $when -l backtrace -x -d 'Book requests by call site'
complete -c dioshim -n $when -l records -x -d 'Keep the newest requests'
complete -c dioshim -n '__dioshim_program >/dev/null' -a '(__dioshim_complete_program)'

set -l when '__dioshim_of run compare report doctor'
complete -c dioshim -n $when -s o -l output -r -F -d 'Text into this file'
complete -c dioshim -n $when -s j -l json -r -F -d 'JSON into this file'

set -l when '__dioshim_of run report'
complete -c dioshim -n $when -l csv -r -F -d 'CSV into this file'
complete -c dioshim -n $when -l html -r -F -d 'A page for a browser into this file'
complete -c dioshim -n $when -l openmetrics -r -F -d 'Figures for Prometheus into this file'
complete -c dioshim -n $when -l trace -r -F -d 'The single requests into this file'
complete -c dioshim -n $when -l trace-format -x -a 'json chrome' -d 'Of --trace'
complete -c dioshim -n '__dioshim_of run report' -s e -l explain -d 'Name the call sites that had bytes copied'
complete -c dioshim -n '__dioshim_of run' -s F -l fail-on-misaligned -d 'Exit 1 after misaligned requests'

set -l when '__dioshim_of compare'
complete -c dioshim -n $when -s n -l runs -x -d 'Pairs of runs'
complete -c dioshim -n $when -l cold -d 'Drop the files from the page cache before each run'
complete -c dioshim -n $when -l prepare -x -a '(__fish_complete_command)' -d 'Run this before each run'
complete -c dioshim -n $when -s q -l quiet -d 'Discard the standard output of the command'

complete -c dioshim -n '__dioshim_of report' -s c -l check -d 'Exit 1 when a ledger does not close'
complete -c dioshim -n '__dioshim_of report doctor' -F

complete -c dioshim -n '__dioshim_of doctor' -s t -l tune -d 'Measure, and say the settings of mode auto'
complete -c dioshim -n '__dioshim_of doctor' -l tune-size -x -d 'Temporary space for that'

set -l when '__dioshim_of top'
complete -c dioshim -n $when -l batch -d 'Plain text, one table after the other'
complete -c dioshim -n $when -l dir -x -a '(__fish_complete_directories)' -d 'Ledgers of other users'
complete -c dioshim -n $when -s i -l interval -x -d 'Look so often'
complete -c dioshim -n $when -l once -d 'One look'
complete -c dioshim -n $when -a '(__fish_complete_pids)'
