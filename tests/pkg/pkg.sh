#!/bin/sh
# pkg.sh BUILD WORK CC CMAKE [SANITIZERS]: installs BUILD, moves the installed tree, and uses it from outside: by
# pkg-config (shared and static) and by find_package, from C and C++, with a backend of its own; then the tool and the
# example programs.
set -eu
build=$1 work=$2 cc=$3 cmake=$4 sanitize=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
examples=$here/../../examples
flags="-O1 -std=c11 -Wall -Wextra -Werror -Wno-missing-field-initializers"
[ -z "$sanitize" ] || flags="$flags -fsanitize=$sanitize -fno-sanitize-recover=all"
unset OASSL_BACKEND_PATH
# GCC 12's leak check follows thread-local storage of OpenMP's threads into nowhere unless told not to watch it.
export ASAN_OPTIONS=intercept_tls_get_addr=0

step() { echo "== $*"; }
die() {
    echo "FAILED: $*"
    exit 1
}

step "install, then move the tree"
rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log" || { cat "$work/install.log"; die install; }
mv "$work/first" "$work/moved"
prefix=$work/moved
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name oassl.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir oassl)
backends=$(pkg-config --variable=backenddir oassl)
for file in include/oassl/oassl.h include/oassl/backend.h include/oassl/ops.inc; do
    [ -f "$prefix/$file" ] || die "$file is not installed"
done
if grep -rlF "$work/first" "$prefix" --include=*.pc --include=*.cmake; then die "these files hold the first place"; fi
onednn=
[ -f "$build/oassl/backends-1/liboassl-backend-onednn.so" ] && onednn=$prefix
[ -z "$onednn" ] || [ -f "$backends/liboassl-backend-onednn.so" ] || die "the oneDNN plug-in is not installed"

soname=$(readelf -d "$libdir/liboassl.so" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
major=$(sed -n 's/^#define OASSL_VERSION_MAJOR //p' "$prefix/include/oassl/version.h")
minor=$(sed -n 's/^#define OASSL_VERSION_MINOR //p' "$prefix/include/oassl/version.h")
[ "$major" != 0 ] || major=0.$minor # before 1.0 a minor version may break
[ "$soname" = "liboassl.so.$major" ] || die "SONAME is '$soname', expected liboassl.so.$major"
if readelf -d "$libdir/liboassl.so" | grep -qE 'R(UN)?PATH'; then die "the library carries a search path"; fi

step "a backend outside the tree"
cd "$work"
# shellcheck disable=SC2046,SC2086
$cc $flags -shared -fPIC "$here/backend_example.c" -o liboassl-backend-example.so $(pkg-config --cflags oassl)
if readelf -d liboassl-backend-example.so | grep NEEDED | grep oassl; then die "the backend links the library"; fi
example=$work/liboassl-backend-example.so
if [ -x "$prefix/bin/oassl-conform" ]; then
    for cases in add/ mul/ affine/ relu/ matmul/f32 interface/f32/version interface/f32/device interface/f32/memory \
        interface/f32/unbound interface/f32/params interface/f32/cancel interface/f32/threads interface/f32/graph; do
        "$prefix/bin/oassl-conform" --backend "$example" --op "$cases" >conform.log || { cat conform.log; die "$cases"; }
    done
fi

step "pkg-config, shared"
# shellcheck disable=SC2046,SC2086
$cc $flags "$here/consumer.c" -o consumer_shared $(pkg-config --cflags --libs oassl) -lm
ldd consumer_shared | grep -qF liboassl.so && LD_LIBRARY_PATH=$libdir ./consumer_shared "$example" ${onednn:+"$onednn"} ||
    die "the shared program"

step "pkg-config --static"
# The linker prefers liboassl.so where both are: the file name asks for the other.
static=$(pkg-config --static --libs oassl | sed 's/-loassl\b/-l:liboassl.a/')
# shellcheck disable=SC2046,SC2086
$cc $flags "$here/consumer.c" -o consumer_static $(pkg-config --cflags oassl) $static
if readelf -d consumer_static | grep NEEDED | grep oassl; then die "the static program needs the shared library"; fi
./consumer_static "$example" || die "the static program"

step "find_package"
"$cmake" -G Ninja -S "$here/find_package" -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" ${onednn:+-DPLUGINS=ON} \
    -DCMAKE_C_FLAGS="${sanitize:+-fsanitize=$sanitize}" -DCMAKE_CXX_FLAGS="${sanitize:+-fsanitize=$sanitize}" \
    >cmake.log 2>&1 && "$cmake" --build cmake >>cmake.log 2>&1 || { cat cmake.log; die "find_package"; }
plugin=$work/cmake/liboassl-backend-example.so
cmake/consumer_shared "$plugin" ${onednn:+"$onednn"} || die "the shared program by find_package"
cmake/consumer_static "$plugin" || die "the static program by find_package"
cmake/consumer_cxx || die "the C++ program"

step "the tool and the examples"
[ -x "$prefix/bin/oassl" ] || { echo "the tool is not built: done"; exit 0; }
for example in localize train; do
    # shellcheck disable=SC2046,SC2086
    $cc $flags "$examples/$example.c" -o $example $(pkg-config --cflags --libs oassl)
done
export LD_LIBRARY_PATH=$libdir
(unset LD_LIBRARY_PATH && "$prefix/bin/oassl" info >info.txt) || die "the installed tool does not start"
[ -z "$onednn" ] || grep -q onednn info.txt || die "the installed tool does not see the oneDNN backend"
"$prefix/bin/oassl" synth --quiet --out data --clips 8 --size 64 --seconds 1 --train 0.5 --val 0.25 --test 0.25 --text-encoder
"$prefix/bin/oassl" captions encode --quiet --captions data/captions.jsonl --encoder data/text_encoder --out data/captions.npz
./train data/manifest.jsonl data/captions.npz run base_width=16 image_size=64 batch_size=2 n_steps=2 2>train.log ||
    { cat train.log; die "the training example"; }
picture=$(find data/images -type f | sort | head -1)
sound=$(find data/audio -type f | sort | head -1)
./localize run/last.safetensors "$picture" "$sound" overlay.png || die "the localisation example"
[ -s overlay.png ] || die "no overlay"
if ./localize run/last.safetensors "$picture" nowhere.wav 2>error.txt; then die "a missing sound was accepted"; fi
grep -q nowhere.wav error.txt || die "the error does not name the file"
echo "all done"
