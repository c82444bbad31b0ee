"""`oassl metrics` against the Python evaluators on the same cores: N random maps of 224 x 224 with VGG-SS's annotations.

The Python side is written as the published evaluators are -- a loop over samples, numpy arrays of zeros and ones, np.sort for each
threshold, scikit-learn's average precision (on Python lists where NoPrior has them), a loop over 21 thresholds -- and reads its maps
from the same .npy file.  It runs in as many processes as `oassl metrics` has threads, each with its share of the maps.  Both sides
are scored under canonical, noprior and sslalignment, and the figures they have in common are compared.

usage: metrics_peers.py --annotations DIR [--oassl build/bin/oassl] [--n 5158] [--threads 2] [--rounds 3] [--peer-n N] [--json FILE]

--annotations is the folder with vggss.json.  --peer-n lets Python score the first N only (its time grows with N alone); 0 = all.
Needs numpy, scikit-learn and opencv (pip install scikit-learn opencv-python-headless).
"""
import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # one process a core; numpy's own threads would only get in the way

import cv2
import numpy as np
from sklearn.metrics import auc as trapezoid
from sklearn.metrics import average_precision_score

S = 224
PROTOCOLS = "canonical,noprior,sslalignment"


# ---- what the published evaluators do with one map --------------------------------------------------------------------


def truth_map(boxes):
    truth = np.zeros([S, S])
    for box in boxes:
        x0, y0, x1, y1 = (np.clip(np.array(box), 0, 1) * S).astype(int)
        one = np.zeros([S, S])
        one[y0:y1, x0:x1] = 1
        truth += one
    truth[truth > 0] = 1
    return truth


def scaled(value):
    low, high = value.min(), value.max()
    return (value - low) / (high - low) if high - low != 0 else value


def ciou_of(passing, truth):
    found = np.zeros((S, S))
    found[passing] = 1
    whole = np.sum(truth) + np.sum(found * (truth == 0))
    return np.sum(found * truth) / whole if whole else 0.0


def thresholds(score, truth):
    area = int((truth != 0).sum()) or S * S // 2
    return np.sort(score.flatten())[int(S * S / 2)], np.sort(score.flatten())[S * S - area]


def canonical(heat, truth, out):
    score = scaled(heat)
    half, adaptive = thresholds(score, truth)
    out["ciou"].append(ciou_of(score >= half, truth))
    out["adaptive"].append(ciou_of(score >= adaptive, truth))
    out["ap"].append(average_precision_score(truth.flatten(), score.flatten()))
    out["confidence"].append(np.sort(heat.flatten())[-(S * S // 4):].mean())
    out["area"].append(truth.sum())


def sslalignment(heat, truth, out):
    score = scaled(heat)
    half, adaptive = thresholds(score, truth)
    out["ciou"].append(ciou_of(score > half, truth))
    out["adaptive"].append(ciou_of(score > adaptive, truth))


def binary(heat):
    score = scaled(cv2.resize(heat, dsize=(S, S), interpolation=cv2.INTER_CUBIC))
    threshold = np.sort(score.flatten())[int(S * S / 2)]
    score[score > threshold] = 1
    score[score < 1] = 0
    return score


def noprior(heat, truth, out):
    predicted, true = [], []
    predicted.extend(binary(heat).flatten())
    true.extend(truth.flatten())
    out["piap"].append(average_precision_score(true, predicted))
    found = binary(heat)
    out["ciou"].append(ciou_of(found >= 0.5, truth))
    out["cap"].append(average_precision_score(truth.flatten(), found.flatten()))


# ---- what they make of all maps ---------------------------------------------------------------------------------------


def success(values, t):
    return float(np.sum(np.array(values) >= t) / len(values))


def area_under(values):
    return float(trapezoid([0.05 * i for i in range(21)], [success(values, 0.05 * i) for i in range(21)]))


def precision_recall(ciou, confidence, t, q):
    tp = fp = fn = 0
    for v, f in zip(ciou, confidence):
        if f >= t:
            tp, fp = tp + (v >= q), fp + (v < q)
        else:
            fn += 1
    return 1.0 if tp + fp == 0 else tp / (tp + fp), 1.0 if tp + fn == 0 else tp / (tp + fn)


def confidence_figures(ciou, confidence):
    n, precision, recall = len(ciou), [], []
    for t in np.sort(np.array(confidence))[:-1][::-max(1, n // 200)]:
        p, r = precision_recall(ciou, confidence, t, 0.5)
        precision.append(p)
        recall.append(r)
    best = [np.max(precision[i:]) for i in range(len(precision))]
    ap = sum(best[i] * (recall[i + 1] - recall[i]) for i in range(len(best) - 1))
    pairs = [precision_recall(ciou, confidence, t, 0.5) for t in sorted(confidence)[::max(1, n // 10)]]
    return float(ap), float(max(2 * p * r / (p + r) if p + r > 0 else 0.0 for p, r in pairs))


def finish(lists):
    c, s, n = lists["canonical"], lists["sslalignment"], lists["noprior"]
    ap_conf, max_f1 = confidence_figures(c["ciou"], c["confidence"])
    out = {"canonical": {"ap": np.mean(c["ap"]), "ap_conf": ap_conf, "max_f1": max_f1},
           "noprior": {"success_30": success(n["ciou"], 0.3), "cap": np.mean(n["cap"]), "piap": np.mean(n["piap"])}}
    for name, least, below in (("small", 0, 1024), ("medium", 1024, 9216), ("large", 9216, 20736), ("huge", 20736, 1e8)):
        part = [v for v, a in zip(c["ciou"], c["area"]) if least <= a < below]
        if part:
            out["canonical"][name + ".success_50"] = success(part, 0.5)
    out["sslalignment"] = {}
    for name, one in (("canonical", c), ("noprior", n), ("sslalignment", s)):
        out[name].update(success_50=success(one["ciou"], 0.5), auc=area_under(one["ciou"]), mean_ciou=np.mean(one["ciou"]))
    for name, one in (("canonical", c), ("sslalignment", s)):
        out[name].update(adaptive_success_50=success(one["adaptive"], 0.5), adaptive_auc=area_under(one["adaptive"]))
    return {name: {k: float(v) for k, v in one.items()} for name, one in out.items()}


# ---- running both -----------------------------------------------------------------------------------------------------


def share(argument):
    maps, annotations, first, last = argument
    stack = np.load(maps, mmap_mode="r")
    before = time.process_time()
    lists = {"canonical": {k: [] for k in ("ciou", "adaptive", "ap", "confidence", "area")},
             "noprior": {k: [] for k in ("ciou", "cap", "piap")}, "sslalignment": {k: [] for k in ("ciou", "adaptive")}}
    for i in range(first, last):
        heat = np.array(stack[i])
        for protocol in (canonical, noprior, sslalignment):
            protocol(heat.copy(), truth_map(annotations[i]["bbox"]), lists[protocol.__name__])
    return lists, time.process_time() - before


def python_evaluators(maps, annotations, n, workers):
    edges = [n * k // workers for k in range(workers + 1)]
    with multiprocessing.Pool(workers) as pool:
        pool.map(abs, range(workers))  # started and imported before the clock is
        start = time.perf_counter()
        parts = pool.map(share, [(maps, annotations, edges[k], edges[k + 1]) for k in range(workers)])
        lists = {p: {k: [v for part, _ in parts for v in part[p][k]] for k in parts[0][0][p]} for p in parts[0][0]}
        figures = finish(lists)
        return time.perf_counter() - start, sum(cpu for _, cpu in parts), figures


# Starts the tool from a small process: a child's peak memory begins with that of the process that started it.
LAUNCH = """
import resource, subprocess, sys, time
start = time.perf_counter()
text = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout
seconds, use = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024)
sys.stdout.write(text.decode())
"""


def ours(tool, maps, manifest, threads):
    command = [tool, "metrics", "--protocol", PROTOCOLS, "--maps", maps, "--gt", manifest, "--threads", str(threads),
               "--bootstrap", "0", "--json", "--quiet"]
    text = subprocess.run([sys.executable, "-c", LAUNCH] + command, stdout=subprocess.PIPE, check=True).stdout.decode()
    line, rest = text.split("\n", 1)
    seconds, cpu, mib = (float(v) for v in line.split())
    figures = {p: {k: v["value"] for k, v in one["figures"].items()} for p, one in json.loads(rest)["protocols"].items()}
    return seconds, cpu, mib, figures


def write_maps(path, n):
    rng = np.random.default_rng(7)
    maps = np.lib.format.open_memmap(path, "w+", np.float32, (n, S, S))
    for i in range(n):
        maps[i] = rng.random((S, S), dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--oassl", default="build/bin/oassl")
    parser.add_argument("--n", type=int, default=5158)
    parser.add_argument("--peer-n", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    o = parser.parse_args()
    with open(os.path.join(o.annotations, "vggss.json")) as f:
        annotations = json.load(f)[:o.n]
    annotations.sort(key=lambda a: a["file"].encode())  # the manifest's order
    n = len(annotations)
    peer_n = min(o.peer_n or n, n)
    with tempfile.TemporaryDirectory() as folder:
        maps, few, source, manifest = (os.path.join(folder, f) for f in ("maps.npy", "few.npy", "vggss.json", "vggss.jsonl"))
        write_maps(maps, n)
        with open(source, "w") as f:
            json.dump(annotations, f)
        subprocess.run([o.oassl, "data", "import", "--format", "vggss", "--annotations", source, "--out", manifest],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ours(o.oassl, maps, manifest, o.threads)  # the file is in the page cache for both
        own = []
        for _ in range(max(1, o.rounds // 2)):
            own.append(ours(o.oassl, maps, manifest, o.threads))
        peer_seconds, peer_cpu, peer_figures = python_evaluators(maps, annotations, peer_n, o.threads)
        for _ in range(max(1, o.rounds - o.rounds // 2)):
            own.append(ours(o.oassl, maps, manifest, o.threads))
        # a tenth of the maps, for the memory's sake
        np.save(few, np.load(maps, mmap_mode="r")[:n // 10])
        with open(source, "w") as f:
            json.dump(annotations[:n // 10], f)
        subprocess.run([o.oassl, "data", "import", "--format", "vggss", "--annotations", source, "--out", manifest],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        few_mib = ours(o.oassl, few, manifest, o.threads)[2]
    seconds, cpu = statistics.median(r[0] for r in own), statistics.median(r[1] for r in own)
    mib = max(r[2] for r in own)
    ratio, cpu_ratio = peer_seconds / peer_n / (seconds / n), peer_cpu / peer_n / (cpu / n)
    print("%d maps of %d x %d under %s, %d cores" % (n, S, S, PROTOCOLS, o.threads))
    print("oassl metrics       %8.3f s (%s), %.3f s of processor time" % (seconds, ", ".join("%.3f" % r[0] for r in own), cpu))
    print("Python evaluators   %8.3f s for %d maps, %.3f s of processor time" % (peer_seconds, peer_n, peer_cpu))
    print("ratio per map       %8.1f; of processor time, which a busy machine disturbs less, %.1f" % (ratio, cpu_ratio))
    print("peak memory         %8.1f MiB at N = %d, %.1f MiB at N = %d" % (mib, n, few_mib, n // 10))
    worst = 0.0
    if peer_n == n:
        for protocol, one in peer_figures.items():
            for name, value in one.items():
                worst = max(worst, abs(value - own[0][3][protocol][name]))
        print("largest difference between figures both have: %.3g" % worst)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"what": "metrics", "n": n, "peer_n": peer_n, "threads": o.threads, "oassl_seconds": seconds,
                       "oassl_all_seconds": [r[0] for r in own], "python_seconds": peer_seconds, "ratio": ratio, "oassl_cpu_seconds": cpu,
                       "python_cpu_seconds": peer_cpu, "cpu_ratio": cpu_ratio, "peak_mib": mib, "peak_mib_tenth": few_mib,
                       "largest_difference": worst}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
