#!/bin/sh
# compat_red.sh CC: compat.sh passes what old binaries do not notice and names what breaks them.
set -eu
cc=$1
compat=$(cd "$(dirname "$0")" && pwd)/compat.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/old/oassl" "$work/new/oassl" "$work/baseline"
failed=0

cat >"$work/old/oassl/mini.h" <<'EOF'
#include <stdint.h>
#define OASSL_LIMIT 6
enum { OASSL_ONE = 1, OASSL_TWO };
typedef struct oassl_object oassl_object;
typedef struct oassl_options {
    uint32_t struct_size;
    int32_t kind;
    double scale;
} oassl_options;
typedef struct oassl_point { float x, y; } oassl_point;
typedef struct oassl_api {
    uint32_t struct_size;
    uint32_t abi_major;
    int32_t (*open)(const oassl_options *options);
    void (*close)(oassl_object *object);
} oassl_api;
int32_t oassl_create(const oassl_options *options, oassl_object **out_object);
int32_t oassl_measure(const oassl_object *object, const oassl_point *point);
#define RESULT int32_t
RESULT oassl_query(const oassl_api **out_api);
EOF
cat >"$work/mini.c" <<'EOF'
#include <oassl/mini.h>
struct oassl_object { int32_t secret; PRIVATE };
int32_t oassl_create(const oassl_options *options, oassl_object **out_object) { (void)options, *out_object = 0; return 0; }
int32_t oassl_measure(const oassl_object *object, const oassl_point *point) { return object->secret + (point != 0); }
RESULT oassl_query(const oassl_api **out_api) { return *out_api != 0; }
EOF

compile() { # compile INCLUDE [flags]
    where=$1
    shift
    "$cc" -g -shared -fPIC -I"$where" "$@" "$work/mini.c" -o "$work/mini.so" 2>"$work/cc.log" || { cat "$work/cc.log"; exit 1; }
}

# variant EXPECTED WHAT SED_SCRIPT [flags]: the header after the script, against the first one
variant() {
    expected=$1 what=$2 script=$3
    shift 3
    sed "$script" "$work/old/oassl/mini.h" >"$work/new/oassl/mini.h"
    [ -z "$script" ] || ! cmp -s "$work/old/oassl/mini.h" "$work/new/oassl/mini.h" || { echo "$what: nothing changed"; failed=1; }
    compile "$work/new" "$@"
    code=0
    "$compat" check "$cc" "$work/new" "$work/baseline" "$work/mini.so" >"$work/out" || code=$?
    [ $code = "$expected" ] && return 0
    echo "$what: answered $code, expected $expected"
    cat "$work/out"
    failed=1
}

compile "$work/old" -DPRIVATE=
"$compat" renew "$cc" "$work/old" "$work/baseline" "$work/mini.so" || exit $? # 77: there is no abidiff
none=-DPRIVATE=

variant 0 "nothing" "" $none
variant 0 "a field of an opaque struct" "" -DPRIVATE="double other;"
variant 0 "a field at the end of options" 's/double scale;/& int32_t more, reserved;/' $none
variant 0 "a slot at the end of the table" 's/void (\*close).*/& void (*extra)(void);/' $none
variant 0 "a new constant" 's/OASSL_TWO/& , OASSL_THREE/' $none
variant 0 "a new function" '$s/$/ __attribute__((weak)) int32_t oassl_new(void) { return 1; }/' $none

variant 1 "a field before the end" 's/int32_t kind;/& int32_t before, reserved;/' $none
variant 1 "fields that changed places" 's/uint32_t abi_major;//; s/void (\*close).*/& uint32_t abi_major;/' $none
variant 1 "a field of another size" 's/double scale/float scale/' $none
variant 1 "a field of another type behind which one was added" 's/int32_t kind;/float kind;/; s/double scale;/& double more;/' $none
variant 1 "a field that is gone" 's/double scale;//' $none
variant 1 "a longer element of arrays" 's/float x, y;/float x, y, z;/' $none
variant 1 "a slot with another parameter" 's/void (\*close)(oassl_object \*object)/void (*close)(oassl_object *object, int32_t how)/' $none
variant 1 "two slots exchanged" '/(\*open)/{h;d}; /(\*close)/{G}' $none
variant 1 "a constant of another value" 's/OASSL_ONE = 1/OASSL_ONE = 2/' $none
variant 1 "a limit of another value" 's/LIMIT 6/LIMIT 8/' $none
variant 1 "a constant that is gone" 's/, OASSL_TWO//' $none
variant 1 "a function that is gone" '' $none -Doassl_query='__attribute__((visibility("hidden"))) oassl_query'
variant 1 "a function with another result" 's/RESULT int32_t/RESULT int64_t/' $none
exit $failed
