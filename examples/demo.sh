#!/bin/sh
# The library's main job on built-in data: find the playing instrument among silent look-alikes, alone and in duets; OA-SSL
# against its LVS baseline with the same budget, one table, overlays.  `examples/demo.sh [FOLDER]`; called by ./dev demo after the build.
set -eu
cd "$(dirname "$0")/.."
oassl="build/bin/oassl"
run=${1:-runs/demo}
data=$run/data
small="base_width=16 visual_stride=16 flip=1 schedule=cosine batch_size=32 standardize_captions=1"
trunk_steps=${OASSL_DEMO_TRUNK_STEPS:-1300}
steps=${OASSL_DEMO_STEPS:-400}
twin_steps=${OASSL_DEMO_TWIN_STEPS:-200}

say() { printf '\n== %s\n' "$*"; }
sets() { for option in "$@"; do printf ' --set %s' "$option"; done; }

# --- data: 10 classes of instruments; the played one has hands on it, its silent twin looks the same otherwise
say "making the built-in data in $data"
"$oassl" synth --out "$data/objects" --kind objects --label-playing --clips 4000 --size 64 --seed 1
"$oassl" synth --out "$data/solo" --kind solo --clips 1900 --size 128 --seed 2 --train 0.79 --val 0.05 --test 0.16 --text-encoder
"$oassl" synth --out "$data/twins" --kind twins --clips 1900 --size 128 --seed 4 --train 0.79 --val 0.05 --test 0.16
"$oassl" synth --out "$data/duet" --kind duet --clips 300 --size 128 --seed 3 --train 0 --val 0 --test 1
say "encoding captions"
cat "$data/objects/captions.jsonl" "$data/solo/captions.jsonl" "$data/twins/captions.jsonl" >"$data/captions.jsonl"
"$oassl" captions encode --captions "$data/captions.jsonl" --encoder "$data/solo/text_encoder" --pooling mean --out "$data/captions.npz"

# --- single-object crops and their captions bring pictures and sentences into one space (what CLIP does at full size)
say "pre-training the visual trunk"
# shellcheck disable=SC2046,SC2086
"$oassl" train --task align --data "$data/objects/manifest.jsonl" --captions "$data/captions.npz" --out "$run/trunk" \
    $(sets $small image_size=64 lr=2e-3 n_steps=$trunk_steps val_every=$trunk_steps)

# --- the same start, data, steps and learning rates for both methods: only the losses differ
train() { # train METHOD SET STEPS
    case $1 in
    lvs) losses="loss.lambda_oca=0 loss.lambda_ori=0" ;;
    oassl) losses="loss.lambda_oca=1 loss.oca_temperature=0.07 loss.lambda_ori=0.1 loss.ori_reduction=batch_mean" ;;
    esac
    say "training $1 on $2 scenes"
    # shellcheck disable=SC2046,SC2086
    "$oassl" train --data "$data/$2/manifest.jsonl" --captions "$data/captions.npz" --init "$run/trunk/best.safetensors" --out "$run/$1-$2" \
        $(sets $small $losses image_size=128 audio_frames=100 lr=1e-3 lr_visual=0.2 visual_bn=eval n_steps=$3 val_every=$3)
}
for method in lvs oassl; do
    train $method solo "$steps"
    train $method twins "$twin_steps"
done

say "scoring the held-out scenes"
mkdir -p "$run/scores" "$run/overlays"
score() { # score METHOD TRAINED SET
    "$oassl" eval --model "$run/$1-$2/best.safetensors" --data "$data/$3/manifest.jsonl" --split test --mismatched --identify suppress \
        --quiet --json --overlays "$run/overlays/$1-$2-$3" --n-overlays 12 >"$run/scores/$1-$2-$3.json"
}
for method in lvs oassl; do
    score $method solo solo
    score $method solo duet
    score $method twins twins
done

row() { # row NAME FILE SECTION CONFIDENCE_KEY
    awk -v name="$1" -v section="\"$3\"" -v key="\"$4\"" '
        index($0, key) { line = $0; gsub(/[",:]/, " ", line); split(line, part, " "); confidence = sprintf("%.3f", part[2]) }
        index($0, section) { on = 1 }
        on && /"(pointing|twin|adaptive_success_30|adaptive_success_50|ap)"/ {
            gsub(/[",:]/, " "); value[$1] = $2; seen++
            if (seen == 5) on = 0
        }
        END { printf "  %-28s %9.3f %9.3f %9.3f %9.3f %9.3f %11s\n", name, value["pointing"], value["twin"],
                     value["adaptive_success_30"], value["adaptive_success_50"], value["ap"], confidence }' "$2"
}

table() { # table TITLE TRAINED SET
    printf '\n%-30s %9s %9s %9s %9s %9s %11s\n' "$1" pointing twin adapt@.3 adapt@.5 AP confidence
    row "OA-SSL" "$run/scores/oassl-$2-$3.json" scores confidence
    row "OA-SSL, wrong sound" "$run/scores/oassl-$2-$3.json" mismatched mismatched_confidence
    row "LVS baseline" "$run/scores/lvs-$2-$3.json" scores confidence
    row "LVS baseline, wrong sound" "$run/scores/lvs-$2-$3.json" mismatched mismatched_confidence
    row "centre box" "$run/scores/oassl-$2-$3.json" centre_box none
    row "whole image" "$run/scores/oassl-$2-$3.json" whole_image none
}
table "one source" solo solo
table "duets" solo duet
table "trained on twins only: twins" twins twins
printf '\ntwin: how often the peak on the playing instrument is above its silent look-alike (chance 0.5)\n'
printf 'confidence: probability that the picture shows what makes the sound, fitted on validation pairs\n'
printf 'overlays (green: playing, red: silent twins): %s\n' "$run/overlays"
