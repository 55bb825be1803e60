#compdef dioshim
# tests/completions.t compares the options with what --help says.

local curcontext=$curcontext state line ret=1
local -a common settings output forms program

common=(
	'(- *)'{-\?,--help}'[list the options]'
	'(- *)--usage[list the options, in short]'
	'(- *)'{-V,--version}'[print the version]'
)
settings=(
	'--mode=[what is done with the I/O]:mode:(direct auto observe strict strict=512 strict=4096 off)'
	'--log=[a text report when a process ends]:file:_files'
	'--dir=[keep a ledger per process in this folder]:folder:_files -/'
	'--include=[route only these paths]:patterns:_files'
	'--exclude=[never route these paths]:patterns:_files'
	'--min-file=[leave smaller files in the page cache]:bytes:'
	'--pool=[size of the pool of aligned memory]:bytes:'
	'--chunk=[size of a chunk of the pool]:bytes:'
	'--stream=[how far to read ahead]:bytes:'
	'--stream-age=[read ahead in files unchanged for so long]:milliseconds:'
	'--auto-read=[mode auto: cold reads go direct from here on]:bytes:'
	'--auto-write=[mode auto: writes go direct from here on]:bytes:'
	'--auto-effort=[mode auto: percent of the time that dropping what is written may take]:percent:'
	'--backtrace=[book requests by call site]:return addresses:'
	'--records=[keep the newest requests]:number:'
)
output=(
	'(-o --output)'{-o+,--output=}'[text into this file]:file:_files'
	'(-j --json)'{-j+,--json=}'[JSON into this file]:file:_files'
)
forms=(
	'--csv=[CSV into this file]:file:_files'
	'--html=[a page for a browser into this file]:file:_files'
	'--openmetrics=[figures for Prometheus into this file]:file:_files'
	'--trace=[the single requests into this file]:file:_files'
	'--trace-format=[of --trace]:format:(json chrome)'
)
program=(
	'(-)1: :_command_names -e'
	'*::arguments:_normal'
)

_arguments -C $common '1: :->command' '*:: :->arguments' && ret=0

case $state in
command)
	local -a commands=(
		'run:run a program with direct file I/O and show how its bytes went'
		'report:print and merge the ledgers that a run has kept'
		'doctor:say what files get under dioshim, and why'
		'compare:run a program plain and with direct file I/O, side by side'
		'top:watch programs that run under the shim'
	)
	_describe command commands && ret=0
	;;
arguments)
	curcontext=${curcontext%:*:*}:dioshim-$words[1]:
	case $words[1] in
	run)
		_arguments -S $common $settings $output $forms $program \
			'(-e --explain)'{-e,--explain}'[name the call sites that had bytes copied]' \
			'(-F --fail-on-misaligned)'{-F,--fail-on-misaligned}'[exit 1 after misaligned requests]' && ret=0
		;;
	compare)
		_arguments -S $common $settings $output $program \
			'(-n --runs)'{-n+,--runs=}'[pairs of runs]:number:' \
			'--cold[drop the files from the page cache before each run]' \
			'--prepare=[run this before each run]:shell command:_cmdstring' \
			'(-q --quiet)'{-q,--quiet}'[discard the standard output of the command]' && ret=0
		;;
	report)
		_arguments $common $output $forms \
			'(-c --check)'{-c,--check}'[exit 1 when a ledger does not close]' \
			'(-e --explain)'{-e,--explain}'[name the call sites that had bytes copied]' \
			'*:ledger:_files' && ret=0
		;;
	doctor)
		_arguments $common $output \
			'(-t --tune)'{-t,--tune}'[measure, and say the settings of mode auto]' \
			'--tune-size=[temporary space for that]:bytes:' \
			'*:path:_files' && ret=0
		;;
	top)
		_arguments $common \
			'--batch[plain text, one table after the other]' \
			'--dir=[ledgers of other users]:folder:_files -/' \
			'(-i --interval)'{-i+,--interval=}'[look so often]:seconds:' \
			'--once[one look]' \
			'1:process:_pids' && ret=0
		;;
	esac
	;;
esac

return ret
