"""What the reduced precisions do to training and to heat-maps, and whether the loader keeps up: on the built-in data, as in the demo."""
import glob
import json
import os
import statistics

import rows
from engines import Failure, run_program

SMALL = {"base_width": 16, "visual_stride": 16, "flip": 1, "schedule": "cosine", "batch_size": 32, "standardize_captions": 1}
OASSL = {"image_size": 128, "audio_frames": 100, "lr": 1e-3, "lr_visual": 0.2, "visual_bn": "eval", "loss.lambda_ori": 0.1,
         "loss.oca_temperature": 0.07, "loss.ori_reduction": "batch_mean"}
WINDOW = 50  # steps a point of the loss curve


def make_clip(b):
    """A picture and its sound at full size -> their paths."""
    run_program([b.tool, "synth", "--out", b.file("full"), "--clips", "1", "--size", "224", "--quiet"])
    return [glob.glob(b.file("full/%s/*" % kind))[0] for kind in ("images", "audio")]


def make_data(b):
    clips = 200 if b.quick else 1500
    run_program([b.tool, "synth", "--out", b.file("objects"), "--kind", "objects", "--label-playing", "--clips", str(clips), "--size", "64",
                 "--seed", "1", "--quiet"])
    run_program([b.tool, "synth", "--out", b.file("solo"), "--kind", "solo", "--clips", str(clips), "--size", "128", "--seed", "2",
                 "--train", "0.8", "--val", "0.02", "--test", "0.18", "--text-encoder", "--quiet"])
    with open(b.file("captions.jsonl"), "w") as out:
        for kind in ("objects", "solo"):
            with open(b.file(kind + "/captions.jsonl")) as f:
                out.write(f.read())
    run_program([b.tool, "captions", "encode", "--captions", b.file("captions.jsonl"), "--encoder", b.file("solo/text_encoder"),
                 "--pooling", "mean", "--out", b.file("captions.npz"), "--quiet"])


def train(b, name, data, steps, options, *more):
    """-> the lines of its log"""
    pairs = dict(SMALL, n_steps=steps, val_every=steps, **options)
    sets = [word for key, value in pairs.items() for word in ("--set", "%s=%s" % (key, value))]
    run_program([b.tool, "train", "--data", b.file(data + "/manifest.jsonl"), "--captions", b.file("captions.npz"), "--out", b.file(name),
                 "--threads", str(b.threads), "--quiet", *more, *sets])
    with open(b.file(name + "/log.jsonl")) as f:
        return [line for line in map(json.loads, f) if "loss" in line]


def curve(log):
    losses = [line["loss"] for line in log]
    return [statistics.mean(losses[i:i + WINDOW]) for i in range(0, len(losses), WINDOW)]


def distance(a, b):
    return statistics.mean(abs(x - y) for x, y in zip(a, b))


def evaluate(b, weights, precision):
    text, _, _ = run_program([b.tool, "eval", "--model", b.file(weights), "--data", b.file("solo/manifest.jsonl"), "--split", "test",
                              "--precision", precision, "--threads", str(b.threads), "--json", "--quiet"])
    return json.loads(text)["scores"]


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Failure as e:
        return {"missing": str(e)}


def failed(result):
    return isinstance(result, dict) and "missing" in result


def heat_maps(b):
    """Scores of one trained model in every precision."""
    int8 = attempt(run_program, [b.tool, "quantize", "--model", b.file("run/best.safetensors"), "--data", b.file("solo/manifest.jsonl"),
                                 "--out", b.file("small.int8.safetensors"), "--quiet"])
    scores = {p: attempt(evaluate, b, "run/best.safetensors", p) for p in ("f32", "f32-fast", "bf16")}
    scores["int8"] = int8 if failed(int8) else attempt(evaluate, b, "small.int8.safetensors", "int8")
    return scores


def run(b):
    """-> (everything measured, rows)"""
    trunk_steps, steps = (20, 10) if b.quick else (400, 500)
    make_data(b)
    train(b, "trunk", "objects", trunk_steps, {"image_size": 64, "lr": 2e-3}, "--task", "align")
    start = ("--init", b.file("trunk/best.safetensors"))
    log = train(b, "run", "solo", steps, dict(OASSL, seed=1), *start)
    idle = sum(line["wait"] for line in log) / sum(line["seconds"] for line in log)
    curves = {"f32": curve(log), "f32, another seed": curve(train(b, "again", "solo", steps, dict(OASSL, seed=2), *start))}
    half = attempt(train, b, "half", "solo", steps, dict(OASSL, seed=1), *start, "--precision", "bf16")
    curves["bf16"] = half if failed(half) else curve(half)
    scores = heat_maps(b)
    apart = {"f32, another seed": distance(curves["f32"], curves["f32, another seed"])}
    if not failed(half):
        apart["bf16"] = distance(curves["f32"], curves["bf16"])
    found = {"steps": steps, "idle_share": idle, "first_wait_seconds": log[0]["wait"], "loss_curves": curves, "curve_distance": apart,
             "scores": scores}
    return found, rows.quality(found)
