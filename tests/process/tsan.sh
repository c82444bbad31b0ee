#!/bin/sh
# tsan.sh BUILD OMP_BUILD: what starts threads, under ThreadSanitizer; exits 1 after a report.
#
# BUILD is gcc's.  Its TSan cannot see into libgomp, so every context computes on one thread: on one processor none asks for
# more.  OMP_BUILD is clang's: its OpenMP runtime tells TSan, through Archer, what orders its threads, so there the plug-in's
# kernels are watched while two threads compute, in every operation (oassl-conform) and in whole networks.  Debian's libdnnl
# is built without TSan; gcc's build leaves out what tsan.supp says, clang's what non-instrumented modules do.
set -u
folder=$(cd "$(dirname "$0")" && pwd)
status=0
processor=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//') # the first that we may use

TSAN_OPTIONS="suppressions=$folder/tsan.supp:second_deadlock_stack=1" OASSL_TEST_COMPUTE_THREADS=1 \
    taskset -c "$processor" ctest --test-dir "$1" --output-on-failure --timeout 3600 \
    -R '/test_(threads|prefetch|runtime|metric_single|evaluate|trainer|localizer|synth|import_check|front_api|captions)$' || status=1

export OMP_TOOL_LIBRARIES="$(ls /usr/lib/llvm-*/lib/libarcher.so | tail -n 1)" OASSL_TEST_COMPUTE_THREADS=2 OMP_NUM_THREADS=2
export TSAN_OPTIONS="ignore_noninstrumented_modules=1"
"$2/tests/process_test_threads" || status=1
"$2/tests/conform/oassl-conform" --backend "$2/oassl/backends-1/liboassl-backend-onednn.so" --threads 2 >"$2/conform.log" 2>&1 || status=1
tail -n 1 "$2/conform.log"
grep -A 12 'WARNING: ThreadSanitizer' "$2/conform.log" && status=1
exit $status
