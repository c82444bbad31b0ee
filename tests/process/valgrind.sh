#!/bin/sh
# valgrind.sh BUILD [NAME...]: memcheck on the test programs of BUILD, by default all but those below.  Prints a line for each;
# exits 1 if one of them failed or leaked.  Logs are in BUILD/valgrind.
#
# Left out: fault_test_heap (a malloc of its own, which valgrind replaces), process_test_resources (measures processor time),
# unit_test_layers (reads sources only), and those of valgrind.slow, 15 to 30 minutes each: by name.  Faults are injected at
# fewer points.
# oneDNN: valgrind 3.19 does not know AVX-512, so it is held to AVX2.  One processor, so that contexts take one thread:
# memcheck runs one thread at a time anyhow.
set -u
folder=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
left_out="fault_test_heap process_test_resources unit_test_layers $(cat "$folder/valgrind.slow")"
export ONEDNN_MAX_CPU_ISA=AVX2 OASSL_TEST_COMPUTE_THREADS=1 OASSL_TEST_LIGHT=1 OASSL_FAULT_POINTS="${OASSL_FAULT_POINTS:-24}"
processor=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//') # the first that we may use
mkdir -p "$build/valgrind"
cd "$build" || exit 1

check() { # check NAME
    begin=$(date +%s)
    taskset -c "$processor" ${LIMIT:+timeout "$LIMIT"} valgrind --quiet --fair-sched=try --leak-check=full --errors-for-leak-kinds=definite,indirect --error-exitcode=99 \
        --suppressions="$folder/valgrind.supp" "tests/$1" >"valgrind/$1.log" 2>&1
    code=$?
    case $code in 0 | 77) word=clean ;; 99) word=ERRORS ;; *) word="FAILED ($code)" ;; esac
    echo "$word $1 ($(($(date +%s) - begin)) s)"
    [ "$word" = clean ]
}

[ $# -gt 0 ] || for program in tests/unit_test_* tests/fault_test_* tests/process_test_*; do
    case " $left_out " in *" ${program#tests/} "*) ;; *) set -- "$@" "${program#tests/}" ;; esac
done
status=0
for name in "$@"; do check "$name" || status=1; done
exit $status
