# bash completion for dioshim                                  -*- sh -*-
# tests/completions.t compares the options with what --help says.

_dioshim_options() {	# COMMAND
	local settings="--mode= --log= --dir= --include= --exclude= --min-file= --pool= --chunk=
		--stream= --stream-age= --auto-read= --auto-write= --auto-effort= --backtrace= --records="
	local forms="--csv= --html= --openmetrics= --trace= --trace-format="
	case $1 in
	'') ;;
	run) echo "$settings $forms --explain --fail-on-misaligned --output= --json=" ;;
	compare) echo "$settings --runs= --cold --prepare= --quiet --output= --json=" ;;
	report) echo "$forms --check --explain --output= --json=" ;;
	doctor) echo "--output= --json= --tune --tune-size=" ;;
	top) echo "--batch --dir= --interval= --once" ;;
	esac
	echo "--help --usage --version"
}

# Of run and compare: the number of the word that is the program to be run, if
# it has been reached. Words as bash splits them: --mode=direct is three.
_dioshim_program() {	# COMMAND
	local i=2 options
	options=" $(_dioshim_options "$1" | tr '\n\t' '  ') "
	while ((i < COMP_CWORD)); do
		case ${COMP_WORDS[i]} in
		--)
			echo $((i + 1))
			return ;;
		-*)
			if [[ ${COMP_WORDS[i + 1]} = '=' ]]; then
				((i += 3))
			elif [[ $options = *" ${COMP_WORDS[i]}= "* || ${COMP_WORDS[i]} = -[ojn] ]]; then
				((i += 2))
			else
				((i += 1))
			fi
			while [[ ${COMP_WORDS[i]-} = : ]]; do	# of a list
				((i += 2))
			done ;;
		*)
			break ;;
		esac
	done
	((i > COMP_CWORD)) || [[ ${COMP_WORDS[i]} = -* ]] || echo "$i"
}

_dioshim() {
	local cur prev words cword split command program
	_init_completion -s || return

	command=${words[1]}
	if ((cword == 1)); then
		case $cur in
		-*) COMPREPLY=($(compgen -W "$(_dioshim_options '')" -- "$cur")) ;;
		*) COMPREPLY=($(compgen -W "run report doctor compare top" -- "$cur")) ;;
		esac
		return
	fi

	if [[ $command = run || $command = compare ]]; then
		program=$(_dioshim_program "$command")
		if [[ -n $program ]]; then
			_command_offset "$program"
			return
		fi
	fi

	case $prev in
	--mode)
		COMPREPLY=($(compgen -W "direct auto observe strict strict=512 strict=4096 off" -- "$cur"))
		return ;;
	--trace-format)
		COMPREPLY=($(compgen -W "json chrome" -- "$cur"))
		return ;;
	--output | --json | --csv | --html | --openmetrics | --trace | --log | --include | --exclude | -o | -j)
		_filedir
		return ;;
	--dir)
		_filedir -d
		return ;;
	--prepare)
		COMPREPLY=($(compgen -c -- "$cur"))
		return ;;
	--tune-size | --min-file | --pool | --chunk | --stream | --stream-age | --auto-read | --auto-write | --auto-effort | --backtrace | --records | \
		--runs | --interval | -n | -i)
		return ;;
	esac
	$split && return

	if [[ $cur = -* ]]; then
		COMPREPLY=($(compgen -W "$(_dioshim_options "$command")" -- "$cur"))
		[[ ${COMPREPLY-} != *= ]] || compopt -o nospace
		return
	fi
	case $command in
	report | doctor) _filedir ;;
	top) _pids ;;
	esac
} &&
	complete -F _dioshim dioshim
