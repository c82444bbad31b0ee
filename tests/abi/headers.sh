#!/bin/sh
# headers.sh CC CXX INCLUDE: every public header alone, twice over, as C11 -pedantic and as C++17; every initialiser in
# both; the frozen layout of the plug-in interface (layout.c); and the C program of the README.  CXX may be empty: then
# only C is checked.
set -eu
cc=$1 cxx=$2 include=$3
here=$(cd "$(dirname "$0")" && pwd)
warnings="-pedantic -Wall -Wextra -Werror -Wno-missing-field-initializers -fsyntax-only -I$include"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

try() { # try WHAT COMPILER [flags]: the source is $source
    what=$1
    shift
    # shellcheck disable=SC2086
    if printf '%s\n' "$source" | "$@" $warnings -; then echo "passed $what"; else echo "FAILED $what"; fi >>"$log"
}

both() { # both WHAT: the source is $source
    try "$1 as C11" "$cc" -std=c11 -x c
    [ -z "$cxx" ] || try "$1 as C++17" "$cxx" -std=c++17 -x c++
}

for header in "$include"/oassl/*.h; do
    name=$(basename "$header")
    source="#include <oassl/$name>
#include <oassl/$name>
int main(void) { return 0; }"
    both "$name"
    for macro in $(sed -n 's/^#define \(OASSL_[A-Z0-9_]*\)_INIT\b.*/\1/p' "$header" | sort -u); do
        type=$(echo "$macro" | tr '[:upper:]' '[:lower:]')
        source="#include <oassl/$name>
int main(void) { $type x = ${macro}_INIT; return x.struct_size == sizeof x ? 0 : 1; }"
        both "${macro}_INIT"
    done
done
source=$(cat "$here/layout.c")
both layout.c
source=$(sed -n '/^```c$/,/^```$/{/^```/d;p}' "$here/../../README.md")
case $source in
*main*) try "the C program of README.md" "$cc" -std=c11 -x c ;;
*) echo "FAILED README.md has no C program" >>"$log" ;;
esac
echo "$(grep -c '^passed' "$log") passed${cxx:+, C and C++}"
! grep '^FAILED' "$log"
