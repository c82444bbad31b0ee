#!/bin/sh
# subproject.sh SOURCE WORK CC CMAKE ONEDNN [SANITIZERS]: liboassl as a part of another project, from its sources; with ONEDNN=ON
# the static library has the oneDNN backend inside, and programs use it where there is no plug-in folder, also those that
# find the installed static library by pkg-config and by find_package.
set -eu
source=$1 work=$2 cc=$3 cmake=$4 onednn=$5 sanitize=${6:-}
here=$(cd "$(dirname "$0")" && pwd)
flags="${sanitize:+-fsanitize=$sanitize -fno-sanitize-recover=all}"
unset OASSL_BACKEND_PATH
export ASAN_OPTIONS=intercept_tls_get_addr=0
linked=
[ "$onednn" = ON ] && linked=linked

step() { echo "== $*"; }
die() {
    echo "FAILED: $*"
    exit 1
}
quiet() { "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log"; die "$*"; }; }

step "configure and build"
rm -rf "$work"
mkdir -p "$work"
cd "$work"
quiet "$cmake" -G Ninja -S "$here/subproject" -B build -DOASSL_SOURCE="$source" -DONEDNN="$onednn" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_C_FLAGS="$flags"
quiet "$cmake" --build build
example=$work/build/liboassl-backend-example.so

step "the shared and the static library"
build/consumer_shared "$example" || die "the shared program"
build/consumer_static "$example" $linked || die "the static program"
[ -z "$linked" ] || ! build/consumer_shared "$example" $linked 2>/dev/null || die "the check sees backends that are not there"

step "the static library, installed"
quiet "$cmake" --install build --prefix "$work/prefix"
[ ! -e "$(find prefix -name backends-1)" ] || die "a plug-in is installed"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name oassl.pc)")
export PKG_CONFIG_PATH
static=$(pkg-config --static --libs oassl | sed 's/-loassl\b/-l:liboassl.a/')
# shellcheck disable=SC2046,SC2086
$cc $flags "$here/consumer.c" -o consumer_pc $(pkg-config --cflags oassl) $static
./consumer_pc "$example" $linked || die "the static program by pkg-config"
quiet "$cmake" -G Ninja -S "$here/find_package" -B cmake -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags"
quiet "$cmake" --build cmake
cmake/consumer_static "$example" $linked || die "the static program by find_package"
echo "all done"
