#!/bin/sh
# compat.sh check|renew CC INCLUDE BASELINE LIBRARY [PLUGIN_SOURCE]: binaries built against an earlier version keep working.
#
# What headers promise is written down in BASELINE: the library's functions with all types they reach, the same of a
# plug-in, and the value of every constant.  `check` compares: additions pass (functions, constants, fields at the end of
# a struct that starts with struct_size), anything else is named and fails.  `renew` writes BASELINE anew.
set -eu
export LC_ALL=C
mode=$1 cc=$2 include=$(cd "$3" && pwd) baseline=$4 library=$5 plugin_source=${6:-}
root=$(dirname "$include")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for header in "$include"/oassl/*.h; do
    echo "#include <oassl/$(basename "$header")>"
done >"$work/all.h"

# Only what public headers declare, and nothing about the place or time of the build.
describe() { # describe BINARY OUT
    abidw --headers-dir "$include/oassl" --drop-private-types --exported-interfaces-only --no-elf-needed \
        --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names --no-write-default-sizes "$1" |
        sed "s| path='$root/| path='|" >"$2"
}

# "NAME value" of every enumerator and integer macro, but for the versions.
constants() {
    {
        "$cc" -I"$include" -E -P -x c "$work/all.h" | tr '\n' ' ' | grep -o 'enum *[a-z_]* *{[^}]*}' |
            sed 's/[^{]*{//; s/}//' | tr ',' '\n' | sed 's/=.*//; s/ //g' | grep '^OASSL_'
        "$cc" -I"$include" -E -dM -x c "$work/all.h" | sed -n 's/^#define \(OASSL_[A-Z0-9_]*\) [(0-9U-].*/\1/p' |
            grep -v '^OASSL_VERSION_\|_MINOR$'
    } | sort -u >"$work/names"
    {
        cat "$work/all.h"
        echo '#include <stdio.h>'
        echo 'int main(void) {'
        sed 's/.*/printf("& %lld\\n", (long long)(&));/' "$work/names"
        echo 'return 0; }'
    } >"$work/names.c"
    "$cc" -I"$include" "$work/names.c" -o "$work/show_names"
    "$work/show_names"
}

# Names of the structs that headers define; of those among them that start with their size.
defined() { cat "$include"/oassl/*.h | tr '\n' ' ' | grep -o "typedef struct [a-z0-9_]* {$1" | awk '{ print $3 }'; }

# Reads abidiff's list of changed types and keeps what breaks binaries: every line but those about structs that no header
# defines and those about fields behind the old end of a struct that may grow.
breaking() { # breaking REPORT
    awk -v public="$(defined '')" -v growing="$(defined ' *\(/\*[^*]*\*/\)* *uint32_t struct_size;')" '
        function set(list, names, words, n) { n = split(list, words); while (n) names[words[n--]] = 1 }
        BEGIN { set(public, is_public); set(growing, may_grow) }
        /^$/ || /^[A-Za-z\/ ]* summary: / { next }
        /^.struct [a-z0-9_]+.* changed:$/ {
            heading = $0; old = -1
            name = $2; sub(/\047.*/, "", name)
            ignored = !(name in is_public)
            next
        }
        /^[^ ]/ { ignored = 0; heading = "" }
        ignored || /^  [0-9]+ data member insertions?:$/ { next }
        /^  type size changed from [0-9]+ to [0-9]+ \(in bits\)$/ && $7 > $5 && name in may_grow { old = $5; next }
        /^    .*, at offset [0-9]+ \(in bits\)$/ {
            offset = $0; sub(/.* at offset /, "", offset)
            if (old >= 0 && offset + 0 >= old) next
        }
        { if (heading != "") print heading; heading = ""; print }' "$1"
}

compare() { # compare WHAT OLD NEW
    status=0
    abidiff --leaf-changes-only --no-architecture --no-show-locs --no-added-syms "$2" "$3" >"$work/report" || status=$?
    [ $status -ne 0 ] || return 0
    breaking "$work/report" >"$work/breaking"
    # 4: something changed, perhaps compatibly; 8 beside it: certainly not; 1 and 2: abidiff itself failed
    [ $status -ne 4 ] || [ -s "$work/breaking" ] || return 0
    echo "$1 is not what binaries were built against (abidiff: $status):"
    cat "$work/breaking"
    failed=1
}

command -v abidw >/dev/null && command -v abidiff >/dev/null || {
    echo "skipped: no abidiff (Debian: apt install abigail-tools)"
    exit 77
}
readelf -S "$library" | grep -qF .debug_info || {
    echo "skipped: $library has no debug information to read types from"
    exit 77
}
describe "$library" "$work/library.abi"
if [ -n "$plugin_source" ]; then
    "$cc" -g -shared -fPIC -I"$include" "$plugin_source" -o "$work/plugin.so"
    describe "$work/plugin.so" "$work/backend.abi"
fi
constants >"$work/constants.txt"

failed=0
case $mode in
renew) cp "$work"/*.abi "$work/constants.txt" "$baseline" ;;
check)
    compare "the library" "$baseline/library.abi" "$work/library.abi"
    [ -z "$plugin_source" ] || compare "the plug-in interface" "$baseline/backend.abi" "$work/backend.abi"
    sort "$work/constants.txt" >"$work/now"
    sort "$baseline/constants.txt" | comm -23 - "$work/now" >"$work/gone"
    if [ -s "$work/gone" ]; then
        echo "constants that are gone or have another value (this was theirs):"
        cat "$work/gone"
        failed=1
    fi
    [ $failed = 0 ] || echo "if this break is meant: see 'Versions' in CONTRIBUTING.md, then ./dev abi-baseline"
    ;;
*) exit 2 ;;
esac
exit $failed
