"""From timings to rows: one figure with its target each, and the tables they are printed in."""
import array

PRECISIONS = ("f32", "f32-fast", "bf16", "int8")


def row(what, value, target, unit="ratio", ours=None, peer=None, against="", note=""):
    """met: True, False, or None where there is no target.  A missing value never meets its target."""
    met = None if target is None else value is not None and value <= target
    return {"what": what, "value": value, "unit": unit, "target": target, "met": met, "against": against, "oassl": ours, "peer": peer, "note": note}


def ratio(what, ours, peer, target, note=""):
    """Of two timings (engines.summary) or of what is missing."""
    for side, t in (("oassl", ours), ("peer", peer)):
        if t is None or "missing" in t:
            return row(what, None, target, note="%s missing: %s" % (side, t["missing"] if t else "none could run"))
    against = " ".join(str(peer.get(k, "")) for k in ("name", "version")).strip()
    return row(what, ours["median"] / peer["median"], target, "ratio", ours, peer, against, note)


def fastest(timings):
    present = [t for t in timings if "missing" not in t]
    return min(present, key=lambda t: t["median"]) if present else None


# ---- files of raw floats ------------------------------------------------------------------------------------------

def floats(path):
    values = array.array("f")
    with open(path, "rb") as f:
        values.frombytes(f.read())
    return values


def difference(a, b):
    """Largest difference as a share of the largest value of `a`."""
    a, b = floats(a) if isinstance(a, str) else a, floats(b) if isinstance(b, str) else b
    return max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a))


def error(expected, found, split):
    """The worse of the map's (the first `split` values) and the vector's."""
    e, f = floats(expected), floats(found)
    return max(difference(e[:split], f[:split]), difference(e[split:], f[split:]))


# ---- rows of each section -----------------------------------------------------------------------------------------

def inference(batch, found):
    ours = {p: found["oassl", p] for p in PRECISIONS}
    best = {p: fastest([t for (engine, q), t in found.items() if q == p and engine != "oassl"]) for p in PRECISIONS}
    what = "inference, batch %d, " % batch

    def note(p):
        return "error %.1e, peer's %.1e" % (ours[p].get("error", 0), best[p.replace("-fast", "")].get("error", 0)) \
            if "missing" not in ours[p] and best[p.replace("-fast", "")] else ""

    wanted = (lambda target: target) if batch == 1 else (lambda target: None)
    out = [ratio(what + "f32-fast / fastest f32 peer", ours["f32-fast"], best["f32"], 1.0, note("f32-fast")),
           ratio(what + "f32 (strict) / fastest f32 peer", ours["f32"], best["f32"], 1.0, note("f32"))]
    for p, target in (("bf16", 0.55), ("int8", 0.35)):
        out.append(ratio(what + "%s / own f32" % p, ours[p], dict(ours["f32"], name="oassl f32"), wanted(target)))
        out.append(ratio(what + "%s / own f32-fast" % p, ours[p], dict(ours["f32-fast"], name="oassl f32-fast"), None))
        out.append(ratio(what + "%s / fastest %s peer" % (p, p), ours[p], best[p], wanted(1.0), note(p)))
    out.append(ratio(what + "f32 (strict) / PyTorch", ours["f32"], found["pytorch", "f32"], None))
    return out


def memory(what, ours, peer, target, less=0, note=""):
    for t in (ours, peer):
        if "missing" in t:
            return row(what, None, target, note=t["missing"])
    return row(what, ours["peak_bytes"] / (peer["peak_bytes"] - less), target, against="%s %s" % (peer["name"], peer["version"]),
               note="%.0f and %.0f MB%s" % (ours["peak_bytes"] / 1e6, (peer["peak_bytes"] - less) / 1e6, note))


def training(found):
    f32, torch, what = found["oassl f32"], found["pytorch f32"], "training step, batch 16, "
    imported = torch.get("import_bytes", 0)
    return [ratio(what + "f32 / PyTorch f32", f32, torch, 0.9),
            ratio(what + "bf16 / PyTorch f32", found["oassl bf16"], torch, 0.5),
            ratio(what + "bf16 / PyTorch bf16 autocast", found["oassl bf16"], found["pytorch bf16"], None),
            memory("training peak memory, batch 16, f32 / PyTorch less its import", f32, torch, 0.7, imported,
                   ", import %.0f MB" % (imported / 1e6)),
            memory("training peak memory, batch 16, f32 / PyTorch's process", f32, torch, None),
            memory("training peak memory, batch 16, bf16 / PyTorch f32 less its import", found["oassl bf16"], torch, None, imported)]


def loss(side, chunk, found, gradient):
    ours, what = found["oassl"], "ORI forward + backward, %dx%d, B 128, K 2, 100 iterations / " % (side, side)
    out = [ratio(what + "PyTorch in chunks of %d" % chunk, ours, found["pytorch"], 0.05)]
    if "pytorch, whole batch" in found:
        out.append(ratio(what + "PyTorch, whole batch", ours, found["pytorch, whole batch"], None))
    if "pot" in found:
        out.append(ratio(what + "POT", ours, found["pot"], None))
    both = "missing" not in ours and "missing" not in found["pytorch"]
    value = abs(ours["value"] - found["pytorch"]["value"]) / abs(found["pytorch"]["value"]) if both else None
    out.append(row("ORI %dx%d, value's difference from PyTorch" % (side, side), value, 1e-5, "relative",
                   note="gradient's %.1e of its largest element" % gradient if both and gradient is not None else "missing"))
    return out


def audio(found):
    note = "largest difference %.1e" % found["float64"].get("difference", float("nan"))
    return [ratio("log-spectrogram of 3 s / scipy float64", found["oassl"], found["float64"], 0.3, note),
            ratio("log-spectrogram of 3 s / scipy float32", found["oassl"], found["float32"], None)]


def start(whole, plans, peak):
    def plain(what, s, target, unit, scale):
        if "missing" in s:
            return row(what, None, target, unit, note=s["missing"])
        return row(what, s["median"] * scale, target, unit, s, note="%.3g to %.3g" % (s["min"] * scale, s["max"] * scale))

    return [plain("cold start: whole run of oassl localize, full size, f32", whole, 200, "ms", 1e3),
            plain("plan creation, both trunks", plans, 100, "ms", 1e3),
            plain("peak memory of oassl localize, full size, f32", peak, 200, "MB", 1e-6)]


def quality(found):
    out = [row("loader: share of the steps' time spent waiting, %d steps" % found["steps"], found["idle_share"] * 100, 5, "%",
               note="the first step's wait, while the loader starts: %.0f ms" % (found["first_wait_seconds"] * 1e3))]
    apart = found["curve_distance"]
    out.append(row("loss curve of bf16 from f32 / of f32 with another seed from f32, %d steps" % found["steps"],
                   apart["bf16"] / apart["f32, another seed"] if "bf16" in apart else None, 1.0,
                   note="mean distance %.4f and %.4f" % (apart["bf16"], apart["f32, another seed"]) if "bf16" in apart
                   else found["loss_curves"]["bf16"]["missing"]))
    keys, scores = ("mean_ciou", "adaptive_mean_ciou"), found["scores"]
    for p, target in (("f32-fast", None), ("bf16", 0.5), ("int8", 1.0)):
        gone = next((scores[q]["missing"] for q in ("f32", p) if "missing" in scores[q]), None)
        moved = None if gone else [100 * (scores[p][k] - scores["f32"][k]) for k in keys]
        out.append(row("cIoU moved by %s, points" % p, None if gone else max(map(abs, moved)), target, "points",
                       note=gone or "%s" % ", ".join("%s %+.3f" % pair for pair in zip(keys, moved))))
    return out


# ---- tables -------------------------------------------------------------------------------------------------------

def short(x):
    return "%.0f" % x if x >= 100 else "%.3g" % x


def seconds(t):
    if not t:
        return ""
    return "%s (%s to %s) ms" % tuple(short(1e3 * t[k]) for k in ("median", "quartile_low", "quartile_high"))


def figure(r):
    if r["value"] is None:
        return "missing"
    if r["unit"] == "relative":
        return "%.1e" % r["value"]
    return short(r["value"]) + ("" if r["unit"] == "ratio" else " " + r["unit"])


def verdict(r):
    return {None: "-", True: "met", False: "MISSED"}[r["met"]] if r["value"] is not None else "MISSING" if r["target"] is not None else "-"


def target(r):
    return "" if r["target"] is None else "%g" % r["target"]


def line(r):
    return "%-7s %10s  target %-6s %s   %s" % (verdict(r), figure(r), target(r) or "-", r["what"], r["note"])


def report(result):
    rows = result["rows"]
    wanted = [r for r in rows if r["target"] is not None]
    met = sum(r["met"] for r in wanted)
    return "\n".join(["%d of %d targets met" % (met, len(wanted))] + [line(r) for r in wanted if not r["met"]])


def markdown(result):
    """For docs/benchmarks.md."""
    out = ["%s, %s, %d threads each, %s, commit %s; load average before the run %.1f." %
           (result["cpu"], result["system"], result["threads"], result["date"][:10], result["commit"], result["load_average_before"]), "",
           "| what | oassl | peer | figure | target | |", "|---|---|---|---|---|---|"]
    for r in result["rows"]:
        timed = r["unit"] == "ratio"
        peer = "%s%s" % (r["against"], ": " + seconds(r["peer"]) if r["peer"] and timed else "")
        out.append("| %s | %s | %s | %s | %s | %s |" % (r["what"] + (" (%s)" % r["note"] if r["note"] else ""),
                                                        seconds(r["oassl"]) if timed else "", peer, figure(r), target(r), verdict(r)))
    for title, engines in result["measurements"].items():
        if title.startswith("inference"):
            out += ["", "Every engine, " + title + ":", "", "| engine | version | median (quartiles) | error | peak memory |", "|---|---|---|---|---|"]
            for key, t in engines.items():
                out.append("| %s | %s |" % (key, "missing: " + t["missing"] + " | | | ") if "missing" in t else
                           "| %s | %s | %s | %s | %.0f MB |" % (key, t.get("version", ""), seconds(t),
                                                               "%.1e" % t["error"] if "error" in t else "", t["peak_bytes"] / 1e6))
    return "\n".join(out)
