#!/bin/sh
# run.sh OASSL SCRATCH BACKENDS: drives the built tool.  Prints every broken promise, exits 1 if there was one.
set -u
oassl=$1 scratch=$2 OASSL_BACKEND_PATH=$3
export OASSL_BACKEND_PATH
rm -rf "$scratch" && mkdir -p "$scratch" && cd "$scratch" || exit 1
[ -x "$oassl" ] || { echo "$oassl: no such program"; exit 1; }
failures=0

complain() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    /' err | head -5
}

# wants CODE WORD -- COMMAND...: the exit code, and a word of what it says on standard error ("" = anything).
wants() {
    code=$1 word=$2
    shift 3
    case "$*" in *--threads*) "$oassl" "$@" >out 2>err ;; *) "$oassl" "$@" --threads 1 >out 2>err ;; esac
    found=$?
    [ $found -eq "$code" ] || complain "expected exit code $code, found $found: oassl $*"
    [ -z "$word" ] || grep -qF -- "$word" err || complain "expected '$word' on standard error: oassl $*"
}

good() { wants 0 "" -- "$@"; }
bad() { wants 2 "$@"; }
absent() { for file in "$@"; do [ -e "$file" ] && complain "$file was left behind"; done; }
present() { for file in "$@"; do [ -s "$file" ] || complain "$file is not there"; done; }

# json FIELD...: standard output is JSON with these fields.
if command -v python3 >/dev/null; then
    json() {
        python3 -c 'import json, sys; o = json.load(open("out")); [o[k] for k in sys.argv[1:]]' "$@" 2>>err || complain "no JSON with $*"
    }
else
    json() { for field in "$@"; do grep -q "\"$field\":" out || complain "no field $field"; done; }
fi

# ---- help and wrong words ---------------------------------------------------------------------------------------

for command in info synth captions "captions check" "captions encode" train eval localize encode bench; do
    "$oassl" $command --help >out 2>err || complain "oassl $command --help"
    grep -q "^examples\{0,1\}:" out || complain "no example: oassl $command --help"
    grep -q "oassl $command " out || complain "no usage: oassl $command --help"
done
"$oassl" --version >out 2>err || complain "oassl --version"
"$oassl" >out 2>err && complain "oassl without a command"
bad "no command 'frobnicate'" -- frobnicate
for command in info synth "captions check" "captions encode" train eval localize quantize encode bench; do
    bad "unknown option '--frobnicate'" -- $command --frobnicate
done
bad "--out is required" -- synth
bad "--data is required" -- train --out run
bad "published or suppress" -- localize --model m --image i --audio a --identify x
bad "published or suppress" -- eval --model m --data d --identify x
bad "--threads" -- info --threads two
bad "--threads" -- info --threads -1
bad "4096" -- info --threads 100000
bad "--seed" -- synth --out no --seed 99999999999999999999999
bad "--seconds" -- synth --out no --seconds nan
bad "seconds" -- synth --out no --seconds 1e9
bad "--kind" -- synth --out no --kind trio
absent no
good info --json
json version backends threads
if [ -e /dev/full ]; then
    "$oassl" info >/dev/full 2>err && complain "a full disk went unnoticed"
fi

# ---- data and captions ------------------------------------------------------------------------------------------

good synth --out data --kind duet --clips 40 --size 64 --seconds 1 --seed 7 --val 0.3 --test 0.2 --train 0.5 --text-encoder --quiet --json
json folder clips
good captions check --captions data/captions.jsonl --sources 2 --json
json captions errors warnings defects
bad "" -- captions check --captions data/captions.jsonl --sources 1
printf '%s\n' '{"id": "a", "foreground": ["an image of a drum"], "background": "an image of a wall"}' '{"id": "b", "background": "x"}' 'oops' >defects.jsonl
bad "" -- captions check --captions defects.jsonl
grep -q "line 2.*b.*foreground" out || complain "the defect of line 2 is not named"
grep -q "line 3" out || complain "the defect of line 3 is not named"
bad "nothing.jsonl" -- captions check --captions nothing.jsonl
bad "" -- captions encode --captions defects.jsonl --encoder data/text_encoder --out defects.npz
absent defects.npz
bad "nowhere" -- captions encode --captions data/captions.jsonl --encoder nowhere --out c.npz
bad "no/c.npz" -- captions encode --captions data/captions.jsonl --encoder data/text_encoder --out no/c.npz
absent c.npz no
good captions encode --captions data/captions.jsonl --encoder data/text_encoder --out data/captions.npz --quiet --json
json captions sentences

# ---- training ---------------------------------------------------------------------------------------------------

small="--set base_width=4 --set image_size=64 --set batch_size=4 --set n_sources=2 --set lr=1e-3"
data="--data data/manifest.jsonl --captions data/captions.npz"
bad "learning_rate" -- train $data --out run --set learning_rate=1
bad "base_width" -- train $data --out run --set base_width=wide
bad "KEY=VALUE" -- train $data --out run --set base_width
bad "nothing.json" -- train $data --out run --config nothing.json
bad "captions" -- train --data data/manifest.jsonl --out run $small
bad "nothing.npz" -- train --data data/manifest.jsonl --captions nothing.npz --out run $small
bad "nothing.jsonl" -- train --data nothing.jsonl --captions data/captions.npz --out run $small
bad "nothing.safetensors" -- train $data --out run $small --init nothing.safetensors
bad "n_sources" -- train $data --out run $small --set n_sources=3
bad "config.json" -- train $data --out run --resume
bad "out/run" -- train $data --out out/run $small # `out` is a file
absent run/last.safetensors run/best.safetensors
good train $data --out run $small --set n_steps=6 --quiet --json
json step n_steps loss val_score best_score parameters loader_wait
present run/last.safetensors run/best.safetensors run/log.jsonl run/config.json
[ "$(grep -c '"loss"' run/log.jsonl)" -eq 6 ] || complain "log.jsonl has not six steps"
grep -q oassl_calibration run/best.safetensors || complain "the confidence was not calibrated"
bad "lr" -- train $data --out run --resume --set lr=2e-3
good train $data --out run --resume --quiet # complete already
good train --task classify --data data/manifest.jsonl --out trunk --set base_width=4 --set image_size=32 --set batch_size=4 --set n_steps=2 --quiet
bad "" -- localize --model trunk/best.safetensors --image data/images/duet_00000.png --audio data/audio/duet_00000.wav

# ---- using the model --------------------------------------------------------------------------------------------

scene="--image data/images/duet_00000.png --audio data/audio/duet_00000.wav"
model="--model run/best.safetensors"
good localize $model $scene --sources 2 --out overlay.png --map map.npy --json
json width height confidence calibrated sources
present overlay.png map.npy
bad "n_sources" -- localize $model $scene --sources 9
bad "nothing.png" -- localize $model --image nothing.png --audio data/audio/duet_00000.wav --out no.png
bad "nothing.wav" -- localize $model --image data/images/duet_00000.png --audio nothing.wav --out no.png
bad "manifest.jsonl" -- localize $model --image data/manifest.jsonl --audio data/audio/duet_00000.wav --out no.png
bad "manifest.jsonl" -- localize --model data/manifest.jsonl $scene --out no.png
head -c 2000 data/images/duet_00000.png >half.png
bad "half.png" -- localize $model --image half.png --audio data/audio/duet_00000.wav --out no.png
head -c 20000 run/best.safetensors >half.safetensors
bad "half.safetensors" -- localize --model half.safetensors $scene --out no.png
bad "no/overlay.png" -- localize $model $scene --out no/overlay.png
absent no no.png
good encode $model --image data/images/duet_00000.png --out picture.npy --json
json file rank
good encode $model --audio data/audio/duet_00000.wav --out sound.npy
good encode --encoder data/text_encoder --text "an image of a drum" --out text.npy
grep -q "\[128\]" out || complain "a text has not 128 numbers"
bad "give one of" -- encode $model $scene --out no.npy
bad "no/text.npy" -- encode --encoder data/text_encoder --text drum --out no/text.npy
absent no no.npy
good eval $model --data data/manifest.jsonl --split test --mismatched --overlays overlays --n-overlays 2 --quiet --json
json n_samples n_pairs scores centre_box whole_image mismatched list_hash skips
present overlays/000.png overlays/001.png
absent overlays/002.png
bad "'nosplit'" -- eval $model --data data/manifest.jsonl --split nosplit
bad "" -- eval $model --data data/manifest.jsonl --overlays data/manifest.jsonl

# Precisions: what the processor cannot do is refused with the reason, never computed otherwise.
bad "f32-fast" -- localize $model $scene --precision f16
bad "oassl quantize" -- localize $model $scene --precision int8
good localize $model $scene --precision f32-fast
bad "int8" -- train $data --out no --precision int8
absent no
bad "nothing.jsonl" -- quantize $model --data nothing.jsonl --out int8.safetensors
bad "'nosplit'" -- quantize $model --data data/manifest.jsonl --split nosplit --out int8.safetensors
bad "percentile" -- quantize $model --data data/manifest.jsonl --percentile 3 --out int8.safetensors
absent int8.safetensors
good quantize $model --data data/manifest.jsonl --samples 4 --out int8.safetensors --quiet --json
json model data out samples
present int8.safetensors
good localize --model int8.safetensors $scene
for precision in bf16 int8; do
    "$oassl" localize --model int8.safetensors $scene --precision $precision --threads 1 >out 2>err ||
        grep -q "needs a CPU with\|computes strictly" err || complain "localize in $precision: no map and no reason"
    "$oassl" bench --precision $precision --size 32 --width 4 --repeats 2 --json --threads 1 >out 2>err ||
        grep -q "needs a CPU with\|computes strictly" err || complain "bench in $precision: no figures and no reason"
done
good bench --size 32 --width 4 --repeats 2 --json
json inference training_step
good bench --size 32 --width 4 --repeats 2 --no-training

# ---- stopped and killed -----------------------------------------------------------------------------------------

# start FOLDER: a long training run in the background; returns once it writes checkpoints.
start() {
    rm -rf "$1"
    "$oassl" train $data --out "$1" $small --set n_steps=100000 --set val_every=100000 --set save_every=1 --quiet --threads 1 >out 2>err &
    pid=$!
    tries=0
    while [ ! -e "$1/last.safetensors" ] && [ $tries -lt 600 ] && kill -0 $pid 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
    present "$1/last.safetensors"
}

for signal in INT TERM; do
    start stopped
    kill -$signal $pid
    wait $pid
    found=$?
    [ $found -eq 1 ] || complain "SIG$signal: expected exit code 1, found $found"
    grep -q "last.safetensors keeps step" err || complain "SIG$signal: nothing says what was kept"
    good localize --model stopped/last.safetensors $scene
done

for pause in 0 0.013 0.029 0.051 0.083 0.117; do
    start killed
    sleep $pause
    kill -KILL $pid
    wait $pid 2>/dev/null
    good localize --model killed/last.safetensors $scene
    "$oassl" train $data --out killed --resume --quiet --threads 1 >out 2>err &
    pid=$!
    sleep 0.3
    kill -INT $pid
    wait $pid
    [ $? -eq 1 ] || complain "a killed run does not resume"
    for leftover in killed/*.tmp-*; do [ -e "$leftover" ] && complain "$leftover is still there"; done
done

# ---- the gray from which a mask counts --------------------------------------------------------------------------------

# A mask of gray 100 left and 200 right, and a map that is high on the left only.
if command -v python3 >/dev/null; then
    python3 - <<'PYTHON'
import struct, zlib
chunk = lambda tag, data: struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
rows = (b"\0" + b"\x64" * 112 + b"\xc8" * 112) * 224
open("gray.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 224, 224, 8, 0, 0, 0, 0)) +
                            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 224, 224), }".ljust(117) + b"\n"
open("left.npy", "wb").write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + struct.pack("<224f", *[1] * 112, *[0] * 112) * 224)
open("gray.jsonl", "w").write('{"id": "a", "image": "gray.png", "audio": "a.wav", "sources": [{"label": "x", "mask": "gray.png"}]}\n')
PYTHON
    for case in "1 0.5" "100 0.5" "101 0" "200 0" "201 0"; do
        good metrics --protocol canonical --maps left.npy --gt gray.jsonl --mask-threshold ${case% *} --json
        python3 -c 'import json, sys; f = json.load(open("out"))["protocols"]["canonical"]["figures"]
sys.exit(abs(f["mean_ciou"]["value"] - float(sys.argv[1])) > 1e-6)' ${case#* } || complain "mask threshold ${case% *}: not ${case#* }"
    done
    bad "mask-threshold" -- metrics --protocol canonical --maps left.npy --gt gray.jsonl --mask-threshold 256
fi

echo "$failures failures"
[ $failures -eq 0 ]
