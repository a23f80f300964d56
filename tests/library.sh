#!/bin/sh
# libtern.a as a C programmer meets it: only tern_ symbols, a header that stands alone, also in C++, installed files that
# work from anywhere, and an example program that builds and runs against them.
. tests/lib.sh
compiler=${CC:-cc}
prefix="$dir/my programs"
MAKEFLAGS=''
export MAKEFLAGS
build() { make -s -C "$root" "$1" PREFIX="$prefix" CC="$compiler" SAN="$SAN" RUN="$RUN" BUILD="${BUILD#"$root"/}"; }

${NM:-nm} -g --defined-only "$BUILD/libtern.a" >symbols 2>/dev/null
check 'the symbols can be read' grep -q ' _\{0,1\}tern_model_open$' symbols
awk 'NF == 3 && $3 !~ /^_?tern_/ && $3 !~ /asan|ubsan|sancov|_Z/ { print $3 }' symbols >strange
check "only symbols with the prefix tern_: $(head -n 5 strange | tr '\n' ' ')" test ! -s strange

check 'make install' build install
for text in man/man1/tern.1 man/man1/tern-convert.1 bash-completion/completions/tern zsh/site-functions/_tern \
	fish/vendor_completions.d/tern-convert.fish; do
	check "installed share/$text" test -s "$prefix/share/$text"
done

printf '#include <tern.h>\nint main(void) { return 0; }\n' >alone.c
# compiles NAME ARG...: without a warning
compiles() {
	name=$1
	shift
	check "$name" "$compiler" "$@" -Wall -Wextra -Werror -I"$prefix/include" -c alone.c -o alone.o
}
compiles 'tern.h alone' -std=c11
# A cross compiler may come without C++.
if [ -z "$RUN" ] && have c++ 'tern.h in C++'; then compiles 'tern.h in C++' -x c++ -std=c++11; fi

# shellcheck disable=SC2086 # RUN is a command with arguments
{
	check 'building the example' "$compiler" -std=c11 ${SAN:+-fsanitize=$SAN} -I"$prefix/include" "$root/tests/example.c" \
		-L"$prefix/lib" -ltern -lm -lpthread -o example
	answer=$($RUN ./example "$prefix/share/tern/models/tern-tiny.gguf" 'What is the capital of France?')
	check "the example answered '$answer'" test "$answer" = 'The capital of France is Paris.' -o \
		"$answer" = 'Paris is the capital of France.'
	story=$(cd / && $RUN "$prefix/bin/tern" run --temp 0 -n 20 'Tell me a story about a fox.' 2>&1)
	check 'the installed tern without -m, from /' test -n "$story"
}

check 'make uninstall' build uninstall
check 'make uninstall: nothing is left' test -z "$(find "$prefix" -type f)"
summary
