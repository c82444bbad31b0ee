"""Writes metric/protocol_results.h: what plain NumPy re-implementations of the published evaluators, written from
their rules, make of maps and boxes given by a formula (tests/support/formula.h has the same numbers).  Run by hand:
python tests/data/gen_metric_protocols.py (NumPy only)."""
import itertools
import os

import numpy as np

S, MASK64 = 224, (1 << 64) - 1


def fnv(name):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = (h ^ c) * 0x100000001B3 & MASK64
    return h


def uniform(name, n):
    i = np.arange(1, n + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(fnv(name)) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


# ---- the set ------------------------------------------------------------------------------------------------------
N, N_MASKS = 36, 12
SIDES = (7, 14, 28, 224, 352)


def make_map(i, k, h, w):
    u = uniform("m%d_%d" % (i, k), h * w)
    kind = (i + k) % 5
    if kind == 1:
        u = np.floor((u + 1) * 2.5)
    elif kind == 2:
        u = np.full(h * w, 0.3)
        u[i * 37 % (h * w)] = 1
    elif kind == 3:
        u = np.where(u > 0.2, 1.0, u)
    elif kind == 4 and i % 2:
        u = np.full(h * w, 1.0 if i % 4 == 1 else -2.0)
    return u.reshape(h, w)


def make_sample(i):
    n = 1 if i < 24 else 2 if i < 30 else 3
    side, axis = (SIDES[i // 2 % 5] if n == 1 else SIDES[i % 3]), i // 3 % 2
    h, w = side * (n if axis else 1), side * (1 if axis else n)
    n_maps = 1 if n == 1 else n + (0, -1, 1)[i % 3]
    s = dict(n=n, axis=axis, maps=[make_map(i, k, h, w) for k in range(n_maps)], sources=[], object=None)
    if i % 9 == 8 and n == 1:
        s["confidence"] = None
        return s
    fmt = i % 4 if n == 1 else i % 2
    for p in range(n):
        boxes = []
        for b in range(1 + i % 3 if n == 1 else 1):
            a = (uniform("b%d_%d_%d" % (i, p, b), 4) + 1) / 2
            x0, x1, y0, y1 = min(a[0], a[1]), max(a[0], a[1]), min(a[2], a[3]), max(a[2], a[3])
            boxes.append((x0, y0, x1, y1) if fmt == 0 else (x0, y0, x1 - x0, y1 - y0) if fmt == 1 else
                         tuple(np.floor(v * (256 if fmt == 2 else 224)) for v in (x0, y0, x1, y1)))
        s["sources"].append(dict(boxes=boxes, fmt=fmt, part=p, consensus=fmt == 2))
    if n == 1 and i % 2 == 0:
        s["object"] = uniform("o%d" % i, 196).reshape(14, 14)
    return s


# ---- building blocks ------------------------------------------------------------------------------------------------
def taps(n_in, n_out, cubic, corners):
    o = np.arange(n_out, dtype=np.float64)
    x = (o * (n_in - 1) / (n_out - 1) if n_out > 1 else o * 0) if corners else (o + 0.5) * n_in / n_out - 0.5
    if not cubic:
        x = np.maximum(x, 0)
    first = np.floor(x)
    f, a = x - first, -0.75
    weight = lambda d: np.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, np.where(d < 2, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a, 0))
    at = [np.clip(first.astype(int) + k - 1, 0, n_in - 1) for k in range(4)]
    return at, [weight(np.abs(f - (k - 1))) for k in range(4)] if cubic else [f * 0, 1 - f, f, f * 0]


def resize(m, kernel, h=S, w=S):
    """As differences, so that flat regions stay exactly flat."""
    at, k = taps(m.shape[0], h, *kernel)
    r, k = [m[a] for a in at], [x[:, None] for x in k]
    m = r[1] + k[0] * (r[0] - r[1]) + k[2] * (r[2] - r[1]) + k[3] * (r[3] - r[1])
    at, k = taps(m.shape[1], w, *kernel)
    c = [m[:, a] for a in at]
    return c[1] + k[0] * (c[0] - c[1]) + k[2] * (c[2] - c[1]) + k[3] * (c[3] - c[1])


BI_HALF, BI_EDGE, CU_HALF, CU_EDGE = (False, False), (False, True), (True, False), (True, True)


def minmax(m):
    return m if m.max() == m.min() else (m - m.min()) / (m.max() - m.min())


def half(m):
    return np.sort(m.ravel())[m.size // 2]


def adaptive(m, g):
    return np.sort(m.ravel())[m.size - (int((g != 0).sum()) or m.size // 2)]


def binarise(m, t, rule):
    return (m >= t if rule == "ge" else m > t if rule == "gt" else (m > t) | (m >= 1)).astype(float)


def ciou(b, g, eps=0.0):
    den = g.sum() + (b * (g == 0)).sum() + eps
    return (b * g).sum() / den if den else 0.0


def precision(g, s):
    g, s = np.minimum(np.ravel(g), 1), np.ravel(s)
    if g.sum() == 0:
        return 0.0
    order = np.argsort(-s, kind="stable")
    hits, ends = np.cumsum(g[order]), np.append(np.nonzero(np.diff(s[order]))[0], s.size - 1)
    hits = hits[ends]
    return float((np.diff(np.append(0, hits)) / g.sum() * hits / (ends + 1)).sum())


def fraction(v, unit):
    return min(max(v, 0.0), unit)


def pixels(b, fmt, reading):
    if fmt == 1 and reading == "each":
        q = [int(fraction(v, 1) * S) for v in b]
        return [q[0], q[1], q[0] + q[2], q[1] + q[3]]
    if fmt == 1 and reading == "box":
        b = (b[0], b[1], b[0] + b[2], b[1] + b[3])
    unit = (1, 1, 256, 224)[fmt]
    return [int(fraction(float(int(v)) if fmt >= 2 else v, unit) * S / unit) for v in b]


def truth(sample, sources, place, reading, count):
    """place: square, canvas, or the number of a part."""
    n, axis = sample["n"], sample["axis"]
    h, w = (S * (n if axis else 1), S * (1 if axis else n)) if place == "canvas" else (S, S)
    g = np.zeros((h, w))
    for s in sources:
        for b in s["boxes"]:
            if place == "square" and n > 1:
                if s["fmt"] == 1 and reading != "xyxy":
                    b = (b[0], b[1], b[0] + b[2], b[1] + b[3])
                q = [fraction(v, 1) for v in b]
                for k in (1, 3) if axis else (0, 2):
                    q[k] = (q[k] + s["part"]) / n
                q = [int(v * S) for v in q]
            else:
                q = pixels(b, s["fmt"], reading)
                if place == "canvas":
                    for k in (1, 3) if axis else (0, 2):
                        q[k] += S * s["part"]
            t = np.zeros((h, w))
            t[q[1]:q[3], q[0]:q[2]] = 1
            g += t
    if any(s["consensus"] for s in sources):
        return np.minimum(g / 2, 1)
    return g if count else np.minimum(g, 1)


def crop(m, sample, part):
    return m[part * S:(part + 1) * S] if sample["axis"] else m[:, part * S:(part + 1) * S]


def at_place(m, sample, kernel, place):
    n, axis = sample["n"], sample["axis"]
    if place == "square":
        return resize(m, kernel)
    m = resize(m, kernel, S * (n if axis else 1), S * (1 if axis else n))
    return m if place == "canvas" else crop(m, sample, place)


# ---- aggregates ------------------------------------------------------------------------------------------------------
def success(v, t):
    return float((np.asarray(v) >= t).mean())


def auc(v):
    x = [0.05 * i for i in range(21)]
    y = [success(v, t) for t in x]
    return sum((x[i + 1] - x[i]) * (y[i + 1] + y[i]) / 2 for i in range(20))


def rates(nb, ci, cf, t):
    tp = sum(1 for b, c, f in zip(nb, ci, cf) if f >= t and b and c >= 0.5)
    det, fn = sum(1 for f in cf if f >= t), sum(1 for b, f in zip(nb, cf) if b and f < t)
    return (tp / det if det else 1.0), (tp / (tp + fn) if tp + fn else 1.0)


def confidence_ap(nb, ci, cf):
    q = [rates(nb, ci, cf, t) for t in np.sort(cf)[:-1][::-max(1, len(cf) // 200)]]
    return sum(max(p for p, _ in q[i:]) * (q[i + 1][1] - q[i][1]) for i in range(len(q) - 1))


def max_f1(nb, ci, cf):
    q = [rates(nb, ci, cf, t) for t in np.sort(cf)[::max(1, len(cf) // 10)]]
    return max(2 * p * r / (p + r) if p + r else 0.0 for p, r in q)


RESULTS = []


def say(protocol, name, value):
    RESULTS.append((protocol, name, float(value)))


def base(protocol, prefix, v):
    say(protocol, prefix + "success_50", success(v, 0.5))
    say(protocol, prefix + "auc", auc(v))
    say(protocol, prefix + "mean_ciou", np.mean(v))


def best_assignment(score, n_maps, n_sources):
    """The largest total; maps of sources, -1 = none."""
    best, found = -1.0, None
    slots = list(range(n_maps)) + [-1] * n_sources
    for p in set(itertools.permutations(slots, n_sources)):
        total = sum(score[k][i] for i, k in enumerate(p) if k >= 0)
        used = sum(k >= 0 for k in p)
        if total > best + 1e-12 or (abs(total - best) <= 1e-12 and used > sum(k >= 0 for k in found)):
            best, found = total, p
    return max(best, 0.0), found


# ---- protocols ---------------------------------------------------------------------------------------------------------
def run(name, samples, kernel, score, threshold, rule, place="square", reading="box", count=False, in_order=False, prefix="", maps=None, eps=0.0):
    """Lists over (sample, source) pairs, and what the samples have."""
    out = dict(ciou=[], adaptive=[], ap=[], swapped=[], piap=[], confidence=[], boxes=[], mean=[])
    for s in samples:
        if maps and s["object"] is None:
            continue
        views = [[maps(s, m) if maps else at_place(m, s, kernel, q["part"] if place == "part" else place) for q in s["sources"]] for m in s["maps"]]
        whole = [at_place(m, s, kernel, 0 if place == "part" else place) for m in s["maps"]]
        out["confidence"].append(max(np.sort(score["conf"](m).ravel())[-(m.size // 4):].mean() for m in whole))
        out["boxes"].append(len(s["sources"]))
        gts = [truth(s, [q], q["part"] if place == "part" else place, reading, count) for q in s["sources"]]
        cut, c, a = {}, {}, {}
        for k in range(len(s["maps"])):
            for i, g in enumerate(gts):
                v = score["map"](views[k][i])
                cut[k, i] = binarise(v, half(v) if threshold is None else threshold, rule)
                c[k, i], a[k, i] = ciou(cut[k, i], g, eps), precision(g, v)
                if name == "tvsl" and (v.min() < 0 or g.max() > 1):
                    a[k, i] = np.nan  # scikit-learn refuses scores of 0/0 and labels of 2, and T-VSL passes over the sample
        table = lambda d: [[d[k, i] for i in range(len(gts))] for k in range(len(s["maps"]))]
        _, owner = best_assignment(table(c), len(s["maps"]), len(gts))
        if in_order:
            owner = [i if i < len(s["maps"]) else -1 for i in range(len(gts))]
        values, swaps = [], []
        for i, (g, k) in enumerate(zip(gts, owner)):
            v = score["map"](views[k][i]) if k >= 0 else None
            values.append(c[k, i] if k >= 0 else 0.0)
            out["adaptive"].append(ciou(binarise(v, adaptive(v, g), rule), g) if k >= 0 else 0.0)
            if k < 0 or not np.isnan(a[k, i]):
                out["ap"].append(a[k, i] if k >= 0 else 0.0)
            swaps.append(precision(cut[k, i], g) if k >= 0 else 0.0)
        out["ciou"] += values
        out["mean"].append(np.mean(values) if values else 0.0)
        if gts and not any(np.isnan(v) for v in a.values()):
            out["piap"].append(best_assignment(table(a), len(s["maps"]), len(gts))[0] / len(gts))
        if gts:
            out["swapped"].append(np.mean(swaps))
    base(name, prefix, out["ciou"])
    return out


def noprior(samples):
    iou, cap, piap, right = [], [], [], []
    cut = lambda c: binarise(minmax(c), half(minmax(c)), "one")
    for s in samples:
        if not s["sources"]:
            continue
        n, maps = s["n"], [at_place(m, s, CU_HALF, "canvas") for m in s["maps"]]
        gts = [truth(s, [q for q in s["sources"] if q["part"] == p], p, "each", False) for p in range(n)]
        right.append(float(len(maps) == n))
        pred = [cut(crop(sum(maps), s, p)) for p in range(n)]
        piap.append(precision(np.concatenate([g.ravel() for g in gts]), np.concatenate([p.ravel() for p in pred])))
        left = [g.copy() for g in gts]
        for m in maps:
            b = [cut(crop(m, s, p)) for p in range(n)]
            v = [ciou(x, g) for x, g in zip(b, left)]
            k = int(np.argmax(v))
            iou.append(v[k]), cap.append(precision(left[k], b[k]))
            left[k] = np.zeros_like(left[k])
        iou += [0.0] * (n - len(maps))
        cap += [0.0] * (n - len(maps))
    base("noprior", "", iou)
    for key, v in (("success_30", success(iou, 0.3)), ("cap", np.mean(cap)), ("piap", np.mean(piap)), ("count_accuracy", np.mean(right))):
        say("noprior", key, v)


def confidences(name, o, prefix=""):
    ci = o["mean"]
    say(name, prefix + "ap_conf", confidence_ap(o["boxes"], ci, o["confidence"]))
    say(name, prefix + "max_f1", max_f1(o["boxes"], ci, o["confidence"]))
    say(name, prefix + "loc_acc", success([c for c, b in zip(ci, o["boxes"]) if b], 0.5))


def maps_protocols(samples):
    raw, cosine = lambda m: m, lambda m: (m + 1.0) / 2.0
    sigmoid = lambda m: 1 / (1 + np.exp(-m))
    mm, cs = dict(map=minmax, conf=raw), dict(map=cosine, conf=cosine)
    o = run("canonical", samples, BI_HALF, mm, None, "ge")
    for key, v in (("success_30", success(o["ciou"], 0.3)), ("adaptive_success_50", success(o["adaptive"], 0.5)), ("adaptive_auc", auc(o["adaptive"])),
                   ("cap", np.mean(o["ap"])), ("piap", np.mean(o["piap"]))):
        say("canonical", key, v)
    confidences("canonical", o)
    lvs = lambda m: m if m.max() == m.min() else 1 - minmax(-m)
    run("lvs", samples, BI_HALF, dict(map=lvs, conf=raw), None, "one")
    run("ezvsl", samples, BI_EDGE, mm, None, "ge")
    both = lambda kernel: lambda s, m: 0.4 * minmax(resize(m, kernel)) + 0.6 * minmax(resize(s["object"], BI_EDGE))
    run("ezvsl", samples, BI_EDGE, mm, None, "ge", prefix="ogl.", maps=both(BI_EDGE))
    run("ezvsl", samples, BI_EDGE, mm, None, "ge", prefix="object.", maps=lambda s, m: resize(s["object"], BI_EDGE))
    run("fnac", samples, BI_EDGE, mm, None, "ge", prefix="bicubic.ogl.", maps=both(CU_HALF))
    run("ezvsl_trainval", samples, CU_HALF, mm, None, "ge")
    confidences("slavc", run("slavc", samples, CU_EDGE, cs, 0.5, "ge"))
    slavc = lambda s, m: 0.4 * cosine(resize(m, CU_EDGE)) + 0.6 * resize(s["object"], CU_EDGE) / 2.5
    run("slavc", samples, CU_EDGE, dict(map=raw, conf=raw), 0.5, "ge", prefix="ogl.", maps=slavc)
    run("slavc_relative", samples, CU_EDGE, mm, None, "ge")
    for name, score, t in (("avgn", cs, 0.5), ("avgn_relative", mm, None)):
        o = run(name, samples, CU_EDGE, score, t, "ge", "part", "xyxy", True, True)
        say(name, "piap", np.mean(o["swapped"]))
        say(name, "success_75", success(o["ciou"], 0.75))
    noprior(samples)
    o = run("sslalignment", samples, BI_EDGE, mm, None, "gt")
    say("sslalignment", "adaptive_success_50", success(o["adaptive"], 0.5))
    say("sslalignment", "adaptive_auc", auc(o["adaptive"]))
    run("sslalignment_lvs", samples, BI_HALF, mm, None, "gt")
    sg = dict(map=sigmoid, conf=sigmoid)
    for t in (3, 10, 14):
        run("acl", samples, CU_HALF, sg, 0.05 * t, "ge", prefix="t%.2f." % (0.05 * t))
    run("acl", samples, CU_HALF, sg, None, "ge", prefix="half.")
    confidences("acl_extended", run("acl_extended", samples, CU_HALF, sg, 0.05 * 12, "ge", prefix="t0.60.", eps=1e-12), "t0.60.")
    o = run("tvsl", samples, CU_HALF, dict(map=lambda m: np.full_like(m, -1) if m.min() == m.max() else 1 - minmax(m), conf=raw), 0.3, "ge", "canvas", "xyxy", True, True)
    say("tvsl", "cap", np.mean(o["ap"]))
    say("tvsl", "piap", np.mean(o["piap"]))


def mask_protocols():
    iou, curves = [], []
    for i in range(N_MASKS):
        cells = uniform("c%d" % i, 49).reshape(7, 7) > 0.3
        g = np.kron(cells if i % 5 else cells & False, np.ones((32, 32)))
        p = 1 / (1 + np.exp(-4 * resize(uniform("l%d" % i, 196).reshape(14, 14), BI_HALF)))
        b = (p > 0.5).astype(float)
        iou.append((b * g).sum() / (np.maximum(b, g).sum() + 1e-7) if g.sum() else (1 - b).sum() / (g.size + 1e-7))
        curve = []
        for k in range(255):
            q = (p >= k / 254).astype(float)
            tp = (q * g).sum()
            pr, rc = tp / (q.sum() + 1e-20), tp / (g.sum() + 1e-20)
            curve.append(1.3 * pr * rc / (0.3 * pr + rc) if 0.3 * pr + rc > 0 else 0.0)
        curves.append(curve if g.sum() else None)
    best = lambda c: np.mean([x for x in c if x is not None], axis=0).max()
    batches = range(0, N_MASKS, 5)
    say("avsbench", "miou", np.mean(iou))
    say("avsbench", "f_score", best(curves))
    say("avsbench_official", "miou", np.mean([np.mean(iou[b:b + 5]) for b in batches]))
    say("avsbench_official", "f_score", np.mean([best(curves[b:b + 5]) for b in batches]))


if __name__ == "__main__":
    maps_protocols([make_sample(i) for i in range(N)])
    mask_protocols()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "metric", "protocol_results.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/data/gen_metric_protocols.py. */\n#ifndef METRIC_PROTOCOL_RESULTS_H\n#define METRIC_PROTOCOL_RESULTS_H\n\n"
                  "static const struct {\n    const char *protocol, *name;\n    double value;\n} PROTOCOL_RESULTS[] = {\n")
        for r in RESULTS:
            out.write('    {"%s", "%s", %.15g},\n' % r)
        out.write("};\n\n#endif\n")
