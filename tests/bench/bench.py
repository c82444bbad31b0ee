"""Every figure that docs/benchmarks.md names, measured in one run and written to one JSON file.

usage: bench.py [--build build] [--python PYTHON] [--out FILE.json] [--threads 2] [--only SECTION,...] [--quick] [--markdown FILE.json]

Ours and the peers take turns on the same cores with the same number of threads; figures are medians over all rounds.  A row whose
engine cannot run here is missing, which never counts as met.  --quick: few repeats, to see that everything runs.
--markdown prints the table of an earlier result for the documentation and measures nothing.
Sections: inference training loss audio start quality.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import quality
import rows
from engines import Failure, Ours, Peer, interleave, run_program, summary

HERE = os.path.dirname(os.path.abspath(__file__))


class Bench:
    def __init__(self, o, folder):
        self.folder, self.threads, self.quick, self.python = folder, o.threads, o.quick, o.python
        self.bin = os.path.join(o.build, "bin")
        self.table, self.engines = [], {}
        self.tool = os.path.join(self.bin, "oassl")

    def file(self, name):
        return os.path.join(self.folder, name)

    def program(self, name, *arguments):
        return [os.path.join(self.bin, "bench_" + name)] + [str(a) for a in arguments]

    def peer(self, script, *arguments):
        log = open(self.file("peer.log"), "w+")
        return lambda: Peer(self.python, [os.path.join(HERE, script)] + list(arguments), log)

    def times(self, rounds, repeats):
        return (1, 1) if self.quick else (rounds, repeats)

    def add(self, new):
        for row in new:
            self.table.append(row)
            print(rows.line(row), flush=True)


# ---- sections ---------------------------------------------------------------------------------------------------

def inference(b):
    failed = subprocess.run([b.python, "-W", "ignore", os.path.join(HERE, "peers_infer.py"), "prepare", b.folder],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    print("peers' formats made; failed: %s" % (failed.strip() or "everything"), flush=True)
    try:
        run_program(b.program("pair", "quantize", b.file("model.safetensors"), b.file("int8.safetensors"), 8, b.file("calibration.f32")))
    except Failure as e:
        print("calibration: %s" % e, flush=True)
    for batch, rounds, repeats in ((1, 7, 10), (16, 5, 3)):
        makers = {}
        for precision in ("f32", "f32-fast", "bf16", "int8"):
            weights = b.file("int8.safetensors" if precision == "int8" else "model.safetensors")
            files = b.file("input%d.f32" % batch), b.file("ours%d.%s.f32" % (batch, precision))
            makers["oassl", precision] = lambda w=weights, p=precision, f=files: Ours(
                lambda n: b.program("pair", b.threads, w, p, batch, n, *f))
        for engine, precision in (("pytorch", "f32"), ("onnxruntime", "f32"), ("openvino", "f32"), ("ncnn", "f32"),
                                  ("pytorch", "bf16"), ("openvino", "bf16"),
                                  ("onnxruntime", "int8"), ("openvino", "int8"), ("openvino-qdq", "int8")):
            makers[engine, precision] = b.peer("peers_infer.py", b.folder, engine, precision, batch, b.threads)
        found = interleave(makers, *b.times(rounds, repeats))
        for precision in ("f32", "f32-fast", "bf16", "int8"):
            if "missing" not in found["oassl", precision]:
                found["oassl", precision]["error"] = rows.error(b.file("expected%d.f32" % batch),
                                                                b.file("ours%d.%s.f32" % (batch, precision)), batch * 512 * 49)
        b.engines["inference, batch %d" % batch] = {" ".join(k): v for k, v in found.items()}
        b.add(rows.inference(batch, found))


def training(b):
    def ours(*options):
        return lambda: Ours(lambda n: b.program("step", b.threads, 16, n, *options))

    found = interleave({"oassl f32": ours(), "oassl bf16": ours("precision=bf16"),
                        "pytorch f32": b.peer("peers_train.py", "f32", 16, b.threads),
                        "pytorch bf16": b.peer("peers_train.py", "bf16", 16, b.threads)}, *b.times(4, 3))
    b.engines["training step, batch 16"] = found
    b.add(rows.training(found))


def loss(b):
    import array
    import random
    for side, chunk, rounds in ((7, 8, 3), (14, 2, 2)):
        maps, gradient = b.file("maps%d.f32" % side), b.file("maps%d.gradient.f32" % side)
        noise = random.Random(side)
        with open(maps, "wb") as f:
            array.array("f", (noise.uniform(-0.3, 1) for _ in range(128 * 3 * side * side))).tofile(f)
        makers = {"oassl": lambda: Ours(lambda n: b.program("ori", b.threads, 128, 3, side, max(n, 3), maps, maps + ".ours")),
                  "pytorch": b.peer("peers_loss.py", "pytorch", maps, 128, 3, side, b.threads, chunk)}
        if side == 7:  # at 14 x 14 the whole batch needs more than 24 GB, and POT minutes
            makers["pytorch, whole batch"] = b.peer("peers_loss.py", "pytorch", maps, 128, 3, side, b.threads, 128)
            makers["pot"] = b.peer("peers_loss.py", "pot", maps, 128, 3, side, b.threads)
        found = interleave(makers, *b.times(rounds, 1))
        b.engines["ORI %dx%d" % (side, side)] = found
        different = rows.difference(gradient, maps + ".ours") if "missing" not in found["oassl"] else None
        b.add(rows.loss(side, chunk, found, different))


def audio(b):
    import array
    import random
    noise, sound, logspec = random.Random(1), b.file("sound.f32"), b.file("logspec.f32")
    with open(sound, "wb") as f:
        array.array("f", (noise.gauss(0, 0.3) for _ in range(48000))).tofile(f)
    ours = Ours(lambda n: b.program("logspec", sound, 48000, n, logspec))
    try:
        ours.run(1)  # writes what the peers compare with
    except Failure:
        pass
    found = interleave({"oassl": lambda: ours, "float64": b.peer("peers_audio.py", sound, "float64", logspec),
                        "float32": b.peer("peers_audio.py", sound, "float32", logspec)}, *b.times(7, 50))
    b.engines["log-spectrogram"] = found
    b.add(rows.audio(found))


def start(b):
    """Whole runs of the tool, from the start of the process to its end, weights in the page cache; and making the plans alone."""
    image, sound = quality.make_clip(b)
    command = [b.tool, "localize", "--model", b.file("model.safetensors"), "--image", image, "--audio", sound, "--threads",
               str(b.threads), "--json", "--quiet"]
    try:
        seconds, peaks = zip(*[run_program(command)[1:] for _ in range(3 if b.quick else 21)][1:])
        whole, peak = summary(seconds), summary(peaks)
    except Failure as e:
        whole = peak = {"missing": str(e)}
    plans = []
    try:
        for _ in range(2 if b.quick else 10):
            text, _, _ = run_program(b.program("pair", b.threads, b.file("model.safetensors"), "f32", 1, 3))
            plans.append(json.loads(text)["plan"])
        plans = summary(plans)
    except Failure as e:
        plans = {"missing": str(e)}
    b.engines["start"] = {"localize": whole, "peak": peak, "plans": plans}
    b.add(rows.start(whole, plans, peak))


def trained(b):
    b.engines["quality"], new = quality.run(b)
    b.add(new)


SECTIONS = {"inference": inference, "training": training, "loss": loss, "audio": audio, "start": start, "quality": trained}


# ---- the result ---------------------------------------------------------------------------------------------------

def processor():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    with open("/proc/cpuinfo") as f:
        flags = next((line.split(":", 1)[1].split() for line in f if line.startswith("flags")), [])
    wanted = ("avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return "%d x %s" % (len(names), names[0]), [f for f in wanted if f in flags]


def describe(b):
    name, flags = processor()
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True).stdout.strip()
    info = subprocess.run([b.tool, "info", "--json"], stdout=subprocess.PIPE, text=True).stdout
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cpu": name, "cpu_flags": flags,
            "system": platform.platform(), "threads": b.threads, "commit": commit, "oassl": json.loads(info) if info else None,
            "load_average_before": os.getloadavg()[0], "quick": b.quick}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", default="benchmarks.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown")
    o = parser.parse_args()
    if o.markdown:
        with open(o.markdown) as f:
            print(rows.markdown(json.load(f)))
        return 0
    with tempfile.TemporaryDirectory(prefix="oassl-bench-") as folder:
        began, b = time.time(), Bench(o, folder)
        result = describe(b)
        print("%s, load average %.1f, %d threads" % (result["cpu"], result["load_average_before"], b.threads), flush=True)
        run_program(b.program("pair", "make", b.file("model.safetensors")))
        for name in (o.only.split(",") if o.only else SECTIONS):
            print("-- %s (%.0f s)" % (name, time.time() - began), flush=True)
            SECTIONS[name](b)
        result.update(duration_seconds=time.time() - began, rows=b.table, measurements=b.engines)
    with open(o.out, "w") as f:
        json.dump(result, f, indent=1)
    print("\n" + rows.report(result) + "\n%s, %.0f s" % (o.out, result["duration_seconds"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
