#!/bin/sh
# What the sources have to agree on: which headers each room may include (the programs under src/cli are clients of
# tern.h and of one inspection header, and the library knows nothing of the programs); that src/api defines what tern.h
# declares; that the two lists of public models, src/cli/catalogue.c and models/README.md, name the same repositories
# and files; and that the tables of kernels in CONTRIBUTING.md are those of src/kernels. Needs nothing but the sources.
. tests/lib.sh
cd "$root" || exit 1
log=$dir/log

# wall WHAT ALLOWED FOLDER: every #include "..." of the sources in FOLDER matches the extended regular expression ALLOWED
wall() {
	find "$3" -name '*.[ch]' -exec grep -n '^ *# *include *"' /dev/null {} + >"$log"
	broken=$(grep -v -E "include *\"($2)\"" "$log")
	if [ -z "$broken" ] && [ -s "$log" ]; then pass; else fail "$1" "$broken"; fi
}

wall 'base stands on nothing' 'base/.*' src/base
wall 'kernels stand on base' '(base|kernels)/.*' src/kernels
wall 'model stands on base and kernels' '(base|kernels|model)/.*' src/model
wall 'infer stands on base, kernels and model' '(base|kernels|model|infer)/.*' src/infer
wall 'text stands on base and the reader of GGUF files' '(base|text)/.*|model/gguf\.h' src/text
wall 'api includes nothing of the programs' '(base|kernels|model|infer|text|api)/.*' src/api
wall 'console stands on base' '(base|console)/.*' src/console
wall 'json stands on base and console' '(base|console|json)/.*' src/json
wall 'the programs see tern.h and api/inspect.h' '(base|console|json|cli)/.*|api/inspect\.h' src/cli

# What tern.h declares is defined in src/api. tern_free() is the exception: the whole library frees with it.
sed -n 's/^[a-z].*[ *]\(tern_[a-z0-9_]*\)(.*/\1/p' include/tern.h | grep -v '^tern_free$' | sort -u >"$log"
missing=$(while read -r name; do
	grep -q "^[a-z].*[ *]$name(.*[^;]\$" src/api/*.c || echo "$name"
done <"$log")
if [ -s "$log" ] && [ -z "$missing" ]; then pass; else fail 'tern.h: functions that src/api does not define' "$missing"; fi

# repository and file of each public model, "checkpoint" for those that have to be converted
sed -n 's/^ *{"[^"]*", "\([^"]*\)", \(.*\)},$/\1 \2/p' src/cli/catalogue.c | sed 's/"//g; s/NULL$/checkpoint/' | sort >"$log"
listed=$(sed -n 's/^|[^|]*| `\([^`]*\)` | \([^|]*\) |.*/\1 \2/p' models/README.md | sed 's/`//g; s/the checkpoint$/checkpoint/; s/the file in .*$//' | sort)
if [ -s "$log" ] && [ "$listed" = "$(cat "$log")" ]; then
	pass
else
	fail 'catalogue.c (<) and models/README.md (>) differ' "$(echo "$listed" | diff "$log" -)"
fi

# The file of each instruction set, and the template of each kernel.
{
	sed -n 's/^X86_ISA(\([a-z0-9]*\),.*/x86\/\1.c/p; s/^ARM_ISA(\([a-z0-9]*\),.*/arm\/\1.c/p' src/kernels/isa_list.h
	for template in src/kernels/*_template.h; do
		sed -n '/^ \* Slots: /,/\*\//s/^ \* //p' "$template" | tr '\n' ' ' |
			sed "s/^Slots: \(.*\)\. *\*\/.*/$(basename "$template") \1/" && echo
	done | sed '/^$/d'
} | sort >"$log"
listed=$(sed -n 's/^| `\([a-z0-9]*\/[a-z0-9]*\.c\)` |.*/\1/p; s/^| `\([a-z_]*_template\.h\)` | \([a-z0-9_, ]*\) |$/\1 \2/p' CONTRIBUTING.md | sort)
if [ -s "$log" ] && [ "$listed" = "$(cat "$log")" ]; then
	pass
else
	fail 'src/kernels (<) and the tables of CONTRIBUTING.md (>) differ' "$(echo "$listed" | diff "$log" -)"
fi

summary
