#!/bin/sh
# The library's main job on built-in data: find the playing instrument among silent look-alikes, alone and in duets; OA-SSL
# against its LVS baseline with the same budget, one table, overlays.  `examples/demo.sh [FOLDER]`; called by ./dev demo after the build.
set -eu
cd "$(dirname "$0")/.."
oassl="build/bin/oassl"
run=${1:-runs/demo}
data=$run/data
small="base_width=16 visual_stride=16 flip=1 schedule=cosine batch_size=32"
trunk_steps=${OASSL_DEMO_TRUNK_STEPS:-1300}
steps=${OASSL_DEMO_STEPS:-500}

say() { printf '\n== %s\n' "$*"; }
sets() { for option in "$@"; do printf ' --set %s' "$option"; done; }

# --- data: 10 classes of instruments; the played one has hands on it, its silent twin looks the same otherwise
say "making the built-in data in $data"
"$oassl" synth --out "$data/objects" --kind objects --label-playing --clips 4000 --size 64 --seed 1
"$oassl" synth --out "$data/solo" --kind solo --clips 1900 --size 128 --seed 2 --train 0.79 --val 0.05 --test 0.16 --text-encoder
"$oassl" synth --out "$data/duet" --kind duet --clips 300 --size 128 --seed 3 --train 0 --val 0 --test 1
"$oassl" synth --out "$data/twins" --kind twins --clips 300 --size 128 --seed 4 --train 0 --val 0 --test 1
say "encoding captions"
"$oassl" captions encode --captions "$data/solo/captions.jsonl" --encoder "$data/solo/text_encoder" --pooling mean --out "$data/solo/captions.npz"

# --- the visual trunk learns what instruments look like from single-object crops (what ImageNet does at full size)
say "pre-training the visual trunk"
# shellcheck disable=SC2046,SC2086
"$oassl" train --task classify --data "$data/objects/manifest.jsonl" --out "$run/trunk" \
    $(sets $small image_size=64 lr=2e-3 n_steps=$trunk_steps val_every=$trunk_steps)

# --- scenes with one source; the same data, steps and learning rates for both: only the losses differ
for method in lvs oassl; do
    case $method in
    lvs) losses="loss.lambda_oca=0 loss.lambda_ori=0" ;;
    oassl) losses="loss.lambda_oca=1 loss.lambda_ori=0.1 loss.ori_reduction=batch_mean standardize_captions=1" ;;
    esac
    say "training $method"
    # shellcheck disable=SC2046,SC2086
    "$oassl" train --data "$data/solo/manifest.jsonl" --captions "$data/solo/captions.npz" --init "$run/trunk/best.safetensors" \
        --out "$run/$method" \
        $(sets $small $losses image_size=128 audio_frames=100 lr=1e-3 lr_visual=0.2 n_steps=$steps val_every=$steps visual_bn=eval)
done

say "scoring the held-out scenes"
mkdir -p "$run/scores" "$run/overlays"
for method in lvs oassl; do
    for set in solo duet twins; do
        "$oassl" eval --model "$run/$method/best.safetensors" --data "$data/$set/manifest.jsonl" --split test --mismatched \
            --identify suppress --quiet --json --overlays "$run/overlays/$method-$set" --n-overlays 12 >"$run/scores/$method-$set.json"
    done
done

row() { # row NAME FILE SECTION
    awk -v name="$1" -v section="\"$3\"" '
        index($0, section) { on = 1 }
        on && /"(pointing|twin|adaptive_success_30|adaptive_success_50|ap)"/ {
            gsub(/[",:]/, " "); value[$1] = $2; seen++
            if (seen == 5) { on = 0; exit }
        }
        END { printf "  %-28s %9.3f %9.3f %9.3f %9.3f %9.3f\n", name, value["pointing"], value["twin"],
                     value["adaptive_success_30"], value["adaptive_success_50"], value["ap"] }' "$2"
}

for set in solo duet twins; do
    printf '\n%-30s %9s %9s %9s %9s %9s\n' "$set (held out)" pointing twin adapt@.3 adapt@.5 AP
    row "OA-SSL" "$run/scores/oassl-$set.json" scores
    row "OA-SSL, wrong sound" "$run/scores/oassl-$set.json" mismatched
    row "LVS baseline" "$run/scores/lvs-$set.json" scores
    row "LVS baseline, wrong sound" "$run/scores/lvs-$set.json" mismatched
    row "centre box" "$run/scores/oassl-$set.json" centre_box
    row "whole image" "$run/scores/oassl-$set.json" whole_image
done
printf '\ntwin: how often the peak on the playing instrument is above its silent look-alike (chance 0.5)\n'
printf 'overlays (green: playing, red: silent twins): %s\n' "$run/overlays"
