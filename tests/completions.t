#!/bin/bash
# Completions of bash, zsh and fish: what they offer is what --help has.
. "$(dirname "$0")/lib.sh"
scratch
cd "$SCRATCH" || exit 1
COMPLETIONS=$(cd -P "$TESTS/../pack/completions" && pwd)
COMMANDS="run report doctor compare top"
export PATH=$DIOSHIM_BUILD:$PATH HOME=$SCRATCH XDG_CONFIG_HOME=$SCRATCH XDG_DATA_HOME=$SCRATCH
mkdir work work/folder
touch work/file

options() {	# COMMAND: the long ones of --help, sorted, and = behind those with a value
	"$DIOSHIM" $1 --help | sed -nE 's|^ +(-., )?(--[a-z-]+=?).*|\2|p' | sort -u
}
modes() {	# those that the settings' list knows
	"$DIOSHIM" run --help | tr -s ' \n' ' ' | sed 's/.*--mode=MODE//; s/(DIOSHIM_MODE.*//' |
		grep -oE '(direct|auto|observe|strict(=[0-9]+)?|off)\b[^;:,]*[:,]' | sed 's/[:,]$//' | sort
}
as_words() { tr '\n' ' ' | sed 's/ $//'; }

# What each shell has to offer. complete() prints one candidate per line.
offers() {	# SHELL
	local name
	is "$(complete 'dioshim ' | sort | as_words)" "$(tr ' ' '\n' <<<"$COMMANDS" | sort | as_words)" "$1: the commands"
	is "$(complete 'dioshim do')" doctor "$1: a command that has begun"
	is "$(complete 'dioshim --' | sort | as_words)" "$(options '' | as_words)" "$1: the options of all"
	for name in $COMMANDS; do
		is "$(complete "dioshim $name --" | sed 's/=$//' | sort | as_words)" "$(options $name | sed 's/=$//' | sort | as_words)" \
			"$1: the options of $name"
	done
	is "$(complete 'dioshim run --mode ' | sort | as_words)" "$(modes | as_words)" "$1: the modes"
	is "$(complete 'dioshim run --output ' | sed 's,/$,,' | sort | as_words)" "file folder" "$1: files, for an option that takes one"
	is "$(complete 'dioshim run --dir ' | sed 's,/$,,')" folder "$1: folders, for an option that takes one"
	is "$(complete 'dioshim doctor f' | sed 's,/$,,' | sort | as_words)" "file folder" "$1: files for doctor"
	is "$(complete 'dioshim run -- sha256su')" sha256sum "$1: the program, behind --"
	is "$(complete 'dioshim run --mode=off -o x --pool 64M -F sha256su')" sha256sum "$1: the program, behind options"
	is "$(complete 'dioshim compare -n 3 --cold sha256su')" sha256sum "$1: the program of compare"
	is "$(complete 'dioshim run -- cat fi')" file "$1: an argument of the program"
	is "$(complete 'dioshim run --mode=off cat --mod')" "" "$1: options behind the program are not dioshim's"
}

# ---- bash --------------------------------------------------------------------

BASH_COMPLETION=/usr/share/bash-completion/bash_completion
if [ -r $BASH_COMPLETION ]; then
	cat >complete.bash <<-'BASH'
		. "$1"
		. "$2"
		cd work
		COMP_LINE=$3 COMP_POINT=${#3} COMP_TYPE=9 COMP_KEY=9
		compopt() { :; }
		# As readline splits: = and : are words.
		line=${3//=/ = }
		line=${line//:/ : }
		read -ra COMP_WORDS <<<"$line"
		[[ $3 != *' ' ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_dioshim dioshim "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
	BASH
	complete() { bash complete.bash $BASH_COMPLETION "$COMPLETIONS/dioshim.bash" "$1" 2>&1 | uniq; }
	offers bash
	for name in $COMMANDS; do
		is "$(complete "dioshim $name --" | sort | as_words)" "$(options $name | as_words)" "bash: $name: = behind options with a value"
	done
	is "$(complete 'dioshim run --mode=str' | as_words)" "strict strict=512 strict=4096" "bash: a mode behind ="
	is "$(complete 'dioshim run --exclude=/a:/b --output=fi')" file "bash: a file behind ="
	is "$(complete 'dioshim run --exclude=/a:/b sha256su')" sha256sum "bash: the program behind a list with colons"
else
	skip "bash" "bash-completion is not installed"
fi

# ---- zsh ---------------------------------------------------------------------

if command -v zsh >/dev/null; then
	is "$(zsh -n "$COMPLETIONS/dioshim.zsh" 2>&1)" "" "zsh: it can be parsed"
	for name in $COMMANDS; do
		options $name
	done | sort -u >options
	is "$(grep -oE -- '--[a-z-]+=?[[}]' "$COMPLETIONS/dioshim.zsh" | tr -d '[}' | sort -u | as_words)" "$(as_words <options)" \
		"zsh: the options are those of --help"
else
	skip "zsh" "zsh is not installed"
fi

# ---- fish --------------------------------------------------------------------

if command -v fish >/dev/null; then
	complete() {
		(cd work && fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$COMPLETIONS/dioshim.fish" "$1" 2>&1) |
			cut -f 1 | grep -v -- '^-[^-]'
	}
	offers fish
else
	skip "fish" "fish is not installed"
fi

done_testing
