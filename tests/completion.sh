#!/bin/sh
# Completion scripts and manual pages: every command and option is in them, the shells take them, and bash completes what
# a user would type.
. tests/lib.sh
on_this_cpu
no_new_threads
export HOME="$dir/home" TERN_MODELS="$dir/models"

for shell in bash zsh fish; do
	check "tern completion $shell" tern completion $shell
	mv check.log tern.$shell
	for program in convert tune; do
		check "tern-$program --completion $shell" $program --completion $shell
		mv check.log tern-$program.$shell
	done
	if have $shell "reading its scripts"; then
		for script_of in tern tern-convert tern-tune; do check "$shell reads it" $shell -n $script_of.$shell; done
	fi
done
check 'tern completion: another shell is refused' test "$(tern completion csh 2>&1 | grep -c 'bash, zsh')" -eq 1
check 'tern completion: one shell' test "$(tern completion 2>&1 | grep -c 'bash, zsh')" -eq 1
tern help --man >tern.1
for program in convert tune; do $program --man >tern-$program.1; done

# Everything the help knows is in the manual and the scripts, with nothing listed by hand.
options() { grep -o '^ *\(-[a-zA-Z0-9], \)\{0,1\}--[a-z0-9-]*' | sed 's/.*--/--/' | sort -u; }
for command in $(tern completion commands); do
	check "$command: manual" grep -q "^.SS \"tern $command\"" tern.1
	# Where the commands are listed: bash has all in a row, zsh 'run:...', fish -a run.
	listed="-W '\(.* \)\{0,1\}$command .*--version'\|'$command:\| -a $command "
	for shell in bash zsh fish; do check "$command: $shell" grep -q -e "$listed" tern.$shell; done
	[ "$command" = help ] || tern "$command" --help >>helps
done
options <helps >names
for program in convert tune; do $program --help | options >$program-names; done
check 'options are found' test "$(wc -l <names)" -ge 50
check 'options of tern-tune are found' test "$(wc -l <tune-names)" -ge 25
# all_in NAMES FILE: every option is in the file, as bash or man spell it (long option or -l NAME for fish)
all_in() {
	sed 's/\\f[BIR]//g; s/\\//g' "$2" >plain
	while read -r name; do
		grep -q -E -e "(--| -l )${name#--}([^a-z-]|\$)" plain || { echo "$2 lacks $name" && return 1; }
	done <"$1"
}
for file in 1 bash zsh fish; do
	check "options: tern.$file" all_in names tern.$file
	for program in convert tune; do
		check "options: tern-$program.$file" all_in $program-names tern-$program.$file
	done
done

if have bash 'completing with it'; then
	mkdir models folder
	: >models/mine.gguf
	: >other.gguf
	: >'a file'
	cat >complete.bash <<-'END'
		source ./tern.bash
		source ./tern-convert.bash
		function=$1 wanted=$2
		shift 2
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		$function
		[ "${COMPREPLY[*]}" = "$wanted" ] || { echo "${*}: '${COMPREPLY[*]}', expected '$wanted'"; exit 1; }
	END
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$RUN" "$TERN" >program
	chmod +x program
	completes() {
		wanted=$1
		shift
		check "bash: $*" bash complete.bash _tern "$wanted" ./program "$@"
	}
	completes run ru
	completes 'info' inf
	completes '--top-k --top-p' run --top-
	completes '--chunks' perplexity --chu
	completes 'auto always never' run --color ''
	completes 'always' run --color al
	completes 'always' run --color = al
	completes 'auto always never' run --color =
	completes 'mine' run -m mi
	completes 'mine' info --tensors mi
	completes 'other.gguf' run --model oth
	completes 'folder' run -m fol
	completes 'a file' run -f 'a '
	completes '' run --temp ''
	completes '' run -p --t
	completes '' run -- --te
	completes 'qwen2 qwen2.5 qwen3 qwen3-thinking qwen3.5-small qwen3.6 qwen3.8' run --template qw
	completes '0.7b 0.8b-h' bench --shape 0.
	completes 'bash zsh fish' completion ''
	completes 'eval' help ev
	completes 'bash' completion ba
	check 'bash: tern-convert' bash complete.bash _tern_convert 'keep q8' tern-convert --head ''
	check 'bash: tern-convert, a folder' bash complete.bash _tern_convert 'folder' tern-convert fol
	check 'bash: tern-convert, option' bash complete.bash _tern_convert '--dry-run' tern-convert folder --dr
fi

for page in tern.1 tern-convert.1 tern-tune.1; do
	for section in NAME SYNOPSIS 'EXIT STATUS' FILES EXAMPLES 'SEE ALSO'; do
		check "$page: $section" grep -q "^.SH \"$section\"" $page
	done
	check "$page: no line that is an unknown request" test -z "$(grep '^\.' $page | grep -v -E '^\.(TH|SH|SS|PP|TP|B|br|nf|fi|RS|RE)( |$)')"
	if have groff "reading $page"; then
		check "$page: groff has no complaint" test -z "$(groff -man -Tutf8 -ww -z $page 2>&1)"
	fi
done

summary
