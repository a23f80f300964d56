#!/bin/sh
# libtern.a as a C programmer meets it: only tern_ symbols, a header that stands alone, also in C++, installed files that
# work from anywhere, and an example program that builds and runs against them.
failed=0 passed=0

check() {
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $2" >&2
	fi
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
compiler=${CC:-cc}

strange=$(${NM:-nm} -g --defined-only "$BUILD/libtern.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^_?tern_/ && $3 !~ /asan|ubsan|sancov|_Z/ {print $3}')
[ -z "$strange" ]
check $? "symbols without the prefix tern_: $strange"

MAKEFLAGS='' make -s install PREFIX="$root/usr" CC="$compiler" SAN="$SAN" RUN="$RUN" BUILD="$BUILD" >"$root/log" 2>&1
check $? "make install: $(cat "$root/log")"

for text in man/man1/tern.1 man/man1/tern-convert.1 bash-completion/completions/tern zsh/site-functions/_tern \
	fish/vendor_completions.d/tern-convert.fish; do
	[ -s "$root/usr/share/$text" ]
	check $? "installed share/$text"
done

printf '#include <tern.h>\nint main(void) { return 0; }\n' >"$root/alone.c"
$compiler -std=c11 -Wall -Wextra -Werror -I"$root/usr/include" -c "$root/alone.c" -o "$root/alone.o"
check $? "tern.h alone"
$compiler -x c++ -std=c++11 -Wall -Wextra -Werror -I"$root/usr/include" -c "$root/alone.c" -o "$root/alone.o" 2>/dev/null ||
	! command -v c++ >/dev/null || [ -n "$RUN" ]
check $? "tern.h in C++"

$compiler -std=c11 ${SAN:+-fsanitize=$SAN} -I"$root/usr/include" tests/example.c -L"$root/usr/lib" -ltern -lm -lpthread \
	-o "$root/example"
check $? "building the example"
answer=$($RUN "$root/example" "$root/usr/share/tern/models/tern-tiny.gguf" "What is the capital of France?")
[ "$answer" = "The capital of France is Paris." ] || [ "$answer" = "Paris is the capital of France." ]
check $? "the example answered '$answer'"

story=$(cd / && $RUN "$root/usr/bin/tern" run --temp 0 -n 20 "Tell me a story about a fox." 2>&1)
[ -n "$story" ]
check $? "installed tern without -m, from /: '$story'"

MAKEFLAGS='' make -s uninstall PREFIX="$root/usr" CC="$compiler" SAN="$SAN" RUN="$RUN" BUILD="$BUILD" >/dev/null
[ -z "$(find "$root/usr" -type f)" ]
check $? "make uninstall left $(find "$root/usr" -type f)"

echo "library: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
