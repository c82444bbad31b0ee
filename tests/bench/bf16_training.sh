#!/bin/sh
# tests/bench/bf16_training.sh BUILD [FOLDER]: does training in bf16 (f32 master weights) follow the f32 loss curve?
# Three runs of 500 steps on the built-in data that differ in one thing each: f32 seed 1, f32 seed 2 (the noise), bf16 seed 1.
# Prints final losses (mean of the last 50 steps) and the mean absolute difference of the smoothed curves (windows of 25
# steps), and writes them to FOLDER/bf16_training.json.  Exit 1 when bf16 is further from f32 than another seed is.
# STEPS, WIDTH, SIZE, BATCH, CLIPS, THREADS in the environment change the setting (500, 16, 96, 16, 1000, 2).
set -eu
[ $# -ge 1 ] || { sed -n 2,6p "$0"; exit 2; }
oassl=$1/bin/oassl
folder=${2:-$1/bf16-training}
steps=${STEPS:-500} width=${WIDTH:-16} size=${SIZE:-96} batch=${BATCH:-16} clips=${CLIPS:-1000} threads=${THREADS:-2}
mkdir -p "$folder"

"$oassl" synth --out "$folder/data" --kind solo --clips "$clips" --size "$size" --seed 9 --train 1 --val 0 --test 0 --text-encoder --quiet
"$oassl" captions encode --captions "$folder/data/captions.jsonl" --encoder "$folder/data/text_encoder" --pooling mean \
    --out "$folder/data/captions.npz" --quiet

train() { # train NAME SEED PRECISION
    rm -rf "${folder:?}/$1"
    echo "training $1: seed $2, $3, $steps steps"
    "$oassl" train --data "$folder/data/manifest.jsonl" --captions "$folder/data/captions.npz" --out "$folder/$1" --precision "$3" \
        --threads "$threads" --quiet --set base_width="$width" --set visual_stride=16 --set image_size="$size" --set batch_size="$batch" \
        --set audio_frames=100 --set lr=1e-3 --set schedule=cosine --set standardize_captions=1 --set loss.oca_temperature=0.07 \
        --set loss.lambda_ori=0.1 --set loss.ori_reduction=batch_mean --set n_steps="$steps" --set val_every="$steps" --set seed="$2"
}
train f32-1 1 f32
train f32-2 2 f32
train bf16-1 1 bf16

python3 - "$folder" "$steps" <<'PYTHON'
import json, statistics, sys
folder, steps = sys.argv[1], int(sys.argv[2])

def curve(name):
    rows = [json.loads(line) for line in open(f"{folder}/{name}/log.jsonl")]
    losses = [row["loss"] for row in rows if "loss" in row]
    seconds = statistics.median(row["seconds"] for row in rows if "loss" in row)
    assert len(losses) == steps, f"{name}: {len(losses)} steps"
    return losses, seconds

def smooth(losses, window=25):
    return [statistics.mean(losses[i:i + window]) for i in range(0, len(losses), window)]

def difference(a, b):
    return statistics.mean(abs(x - y) for x, y in zip(smooth(a), smooth(b)))

names = ("f32-1", "f32-2", "bf16-1")
curves = {name: curve(name) for name in names}
result = {
    "steps": steps,
    "first_loss": {name: statistics.mean(curves[name][0][:10]) for name in names},
    "final_loss": {name: statistics.mean(curves[name][0][-50:]) for name in names},
    "median_step_seconds": {name: curves[name][1] for name in names},
    "difference_bf16_f32": difference(curves["f32-1"][0], curves["bf16-1"][0]),
    "difference_f32_seeds": difference(curves["f32-1"][0], curves["f32-2"][0]),
    "largest_relative_difference_first_20_steps": max(abs(a - b) / abs(a) for a, b in zip(curves["f32-1"][0][:20], curves["bf16-1"][0][:20])),
}
result["within_noise"] = result["difference_bf16_f32"] <= result["difference_f32_seeds"]
json.dump(result, open(f"{folder}/bf16_training.json", "w"), indent=2)
print(json.dumps(result, indent=2))
sys.exit(0 if result["within_noise"] else 1)
PYTHON
