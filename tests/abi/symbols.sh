#!/bin/sh
# symbols.sh CC INCLUDE SYMBOLS SHARED [STATIC [PLUGIN...]]: what is declared, what is listed and what is exported are
# one and the same; the static library keeps to our prefixes; plug-ins export their query and nothing else.
set -eu
export LC_ALL=C
cc=$1 include=$2 symbols=$3 shared=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

compare() { # compare WHAT EXPECTED FOUND
    diff "$2" "$3" >"$work/diff" && return 0
    echo "$1 (< expected, > found):"
    cat "$work/diff"
    failed=1
}

# The name before the first parenthesis of every declaration that carries OASSL_API, as the compiler sees it.
declared() {
    for header in "$include"/oassl/*.h; do
        printf '#include <oassl/%s>\n' "$(basename "$header")"
    done | "$cc" -E -P -I"$include" -x c - | tr '\n' ' ' | tr ';{}' '\n\n\n' |
        sed -n 's/.*__attribute__ *((visibility *("default"))) *//p' | sed 's/ *(.*//; s/.*[ *]//' | sort -u
}

declared >"$work/declared"
[ -s "$work/declared" ] || { echo "found no OASSL_API declaration in $include/oassl"; exit 1; }
sort -u "$symbols" >"$work/sorted"
compare "$symbols is not sorted, one name a line" "$work/sorted" "$symbols"
compare "headers and $symbols differ" "$work/declared" "$symbols"

exported() { nm -D --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u; }
exported "$shared" >"$work/exported"
compare "$shared does not export exactly what is listed" "$symbols" "$work/exported"

if [ $# -gt 0 ]; then
    nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^(oassl|oai|oab)_/ && $3 !~ /^_|^DW\.ref\./ { print $3 }' >"$work/strays"
    [ -s "$work/strays" ] && { echo "$1 defines names without our prefix:"; cat "$work/strays"; failed=1; }
    shift
fi
echo oassl_backend_query >"$work/query"
for plugin; do
    exported "$plugin" >"$work/exported"
    compare "$plugin must export oassl_backend_query only" "$work/query" "$work/exported"
done
exit $failed
