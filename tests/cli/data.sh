#!/bin/sh
# data.sh OASSL SCRATCH: `oassl data` as a person meets it.  Prints every broken promise, exits 1 if there was one.
set -u
oassl=$1 scratch=$2
rm -rf "$scratch" && mkdir -p "$scratch" && cd "$scratch" || exit 1
failures=0

complain() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    /' err | head -5
}

# wants CODE OUTPUT ERROR COMMAND...: the exit code and a word on standard output and error ("" = anything).
wants() {
    code=$1 said=$2 complained=$3
    shift 3
    "$oassl" data "$@" >out 2>err
    found=$?
    [ $found -eq "$code" ] || complain "expected exit code $code, found $found: oassl data $*"
    [ -z "$said" ] || grep -qF -- "$said" out || complain "expected '$said' on standard output: oassl data $*"
    [ -z "$complained" ] || grep -qF -- "$complained" err || complain "expected '$complained' on standard error: oassl data $*"
}

for command in import check stats; do
    wants 0 "usage: oassl data $command" "" $command --help
    wants 2 "" "unknown option '--frobnicate'" $command --frobnicate
done
wants 0 "usage: oassl data" "" --help
wants 2 "" "usage: oassl data" nonsense
wants 2 "" "--format is required" import --annotations a --out b
wants 0 "vggss" "" formats

# ---- import -----------------------------------------------------------------------------------------------------

cat >vggss.json <<'END'
[{"file": "aaaaaaaaaaa_000001", "class": "dog", "bbox": [[0, 0, 0.5, 0.5]]},
 {"file": "bbbbbbbbbbb_000002", "class": "cat, purring", "bbox": [[0.2, 0.3, -2.88e16, 1]]},
 {"file": "ccccccccccc_000003", "class": "cow"}]
END
wants 0 "m.jsonl: 2 records of 3 entries" "vggss.json:3: error: ccccccccccc_000003: field 'bbox': missing" \
    import --format vggss --annotations vggss.json --out m.jsonl
grep -q '"box": \[0, 0, 112, 112\]' m.jsonl || complain "no pixel box in m.jsonl"
wants 2 "" "strict: 1 errors, the first is" import --format vggss --annotations vggss.json --out strict.jsonl --strict
[ -e strict.jsonl ] && complain "strict.jsonl was left behind"
wants 0 '"sentinels": 1' "" import --format vggss --annotations vggss.json --out m.jsonl --json
wants 0 '"text": "field' "" import --format vggss --annotations vggss.json --out m.jsonl --json
wants 2 "" "no format 'vgg'" import --format vgg --annotations vggss.json --out no.jsonl
wants 2 "" "nowhere" import --format vggss --annotations vggss.json --images nowhere --out no.jsonl
wants 2 "" "--axis: expected width or height" import --format vggss --annotations vggss.json --out no.jsonl --axis depth
mkdir frames wav
wants 2 "" "2 without media" import --format vggss --annotations vggss.json --images frames --audio wav --out no.jsonl
[ -e no.jsonl ] && complain "no.jsonl was left behind"
printf 'aaaaaaaaaaa_000001,dog,bbbbbbbbbbb_000002,"cat, purring"\r\n' >duet.csv
wants 0 "3 records" "" import --format vggss --annotations vggss.json --mix duet.csv --out duet.jsonl --flat-labels
grep -q '"mix": \["aaaaaaaaaaa_000001", "bbbbbbbbbbb_000002"\]' duet.jsonl || complain "no mixture in duet.jsonl"
grep -q 'cat_purring' duet.jsonl || complain "no flat label in duet.jsonl"

# ---- check and stats --------------------------------------------------------------------------------------------

printf 'bbbbbbbbbbb_000002\nzzzzzzzzzzz_000009' >train.txt
wants 2 "1 ids are in train.txt too" "bbbbbbbbbbb_000002: the id is in train.txt:1 too" check --data vggss.json --against train.txt
wants 2 '"shared": 1' "" check --data m.jsonl --no-media --against train.txt --json
wants 0 "0 errors" "a sentinel: nothing is inside" check --data m.jsonl --no-media
wants 2 "missing media  2" "no picture 'images/aaaaaaaaaaa_000001.jpg'" check --data m.jsonl
wants 2 "" "absent.jsonl" check --data absent.jsonl
wants 0 "cat, purring" "" stats --data m.jsonl
wants 0 '"records": 2' "" stats --data m.jsonl --json
wants 2 "" "absent.jsonl" stats --data absent.jsonl

[ $failures -eq 0 ] || exit 1
