#!/usr/bin/env python3
"""Runs the fuzz targets of a build folder (./dev fuzz makes it) and says what they did.

  run.py BUILD [TARGET ...] [--seconds 1800] [--jobs 1] [--yield-to LOCK]

Each target searches for the given seconds of processor time, so that what else the machine does takes nothing away from
it, starting from tests/fuzz/corpus and from what earlier runs found (BUILD/fuzz/corpus).  A finding ends a run; it is kept
below BUILD/fuzz/artifacts and the target starts again.  With --yield-to everything stands still while another process
holds that lock (flock).

BUILD/fuzz/summary.json adds up over runs: executions, processor and wall seconds, coverage counters, findings; "clean" are
the seconds and executions since the last finding.
"""
import argparse
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent


class Run:
    """One process of one target: at most `seconds` of processor time."""

    def __init__(self, build, target, seconds):
        self.target, self.seconds, self.told = target, seconds, False
        self.started, self.stopped = time.monotonic(), 0.0
        base = build / "fuzz"
        corpus, artifacts = base / "corpus" / target, base / "artifacts"
        for folder in (corpus, artifacts, base / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        self.log = base / "logs" / f"{target}.log"
        dictionary = SOURCE / "dict" / f"{target}.txt"
        command = [str(build / "tests/fuzz" / f"fuzz_{target}"), str(corpus), str(SOURCE / "corpus" / target), f"-artifact_prefix={artifacts}/{target}-",
                   "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-max_len=8192" if target not in ("weights", "encoder") else "-max_len=24576", "-print_final_stats=1", "-print_funcs=0",
                   # processor time is limited by the target itself (20 s an input); this is for what waits without computing,
                   # longer than anybody should make it stand still by --yield-to: that counts
                   "-timeout=3000", "-report_slow_units=300"]
        if dictionary.exists():
            command.append(f"-dict={dictionary}")
        if target == "audio":
            command.append("-close_fd_mask=2")  # mpg123 talks
        environment = dict(os.environ, ASAN_OPTIONS="abort_on_error=0:detect_stack_use_after_return=0:allocator_may_return_null=1",
                           UBSAN_OPTIONS="print_stacktrace=1", LSAN_OPTIONS=f"suppressions={SOURCE / 'leaks.txt'}:print_suppressions=0")
        self.out = open(self.log, "wb")
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.out, env=environment)

    def poll(self):
        """None while it runs, else its exit status; self.cpu is set then.  (Popen's own methods would take the status away.)"""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.cpu = usage.ru_utime + usage.ru_stime
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode

    def computed(self):
        """Processor seconds, while it runs."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        if not self.told:
            self.told = True
            os.kill(self.process.pid, signal.SIGCONT)
            os.kill(self.process.pid, signal.SIGINT)

    def lasted(self):
        return time.monotonic() - self.started - self.stopped

    def figures(self):
        text = self.log.read_bytes().decode("latin1")
        found = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text) or re.findall(r"^#(\d+)\t", text, re.M)
        counters = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
        return {"executions": int(found[-1]) if found else 0, "counters": [int(n) for n in counters[-1]] if counters else [0, 0, 0],
                "rss_mb": max([int(n) for n in re.findall(r"rss: (\d+)Mb", text)] or [0])}


def add_up(build, run, code):
    path = build / "fuzz" / "summary.json"
    summary = json.loads(path.read_text()) if path.exists() else {}
    zero = {"executions": 0, "cpu_s": 0, "wall_s": 0}
    entry = summary.setdefault(run.target, {**zero, "runs": 0, "findings": 0, "clean": dict(zero)})
    figures = run.figures()
    found = code not in (0, 72)  # 72: interrupted
    for sums in (entry, entry.setdefault("clean", dict(zero))):
        sums["executions"] += figures["executions"]
        sums["cpu_s"] = round(sums["cpu_s"] + run.cpu, 1)
        sums["wall_s"] = round(sums["wall_s"] + run.lasted(), 1)
    if found:
        entry["clean"] = zero
    entry["runs"] += 1
    entry["findings"] += found
    if figures["counters"][0]:
        entry["edges"], entry["features"], entry["corpus"] = figures["counters"]
    entry["rss_mb"] = max(entry.get("rss_mb", 0), figures["rss_mb"])
    path.write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    if found:
        os.replace(run.log, run.log.with_suffix(f".{int(time.time())}.log"))
    print(f"{run.target}: exit {code}, {figures['executions']} executions, {run.cpu:.0f} s of processor time, cov ft corp {figures['counters']}", flush=True)


def is_held(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_UN)
        return False
    except BlockingIOError:
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--yield-to", type=Path)
    args = parser.parse_args()
    known = sorted(p.stem[5:] for p in SOURCE.glob("fuzz_*.c"))
    for name in args.targets:
        if name not in known:
            sys.exit(f"no target '{name}'; there are {' '.join(known)}")
    waiting = [(name, args.seconds) for name in args.targets or known]
    lock = open(args.yield_to, "a") if args.yield_to else None
    running, findings, frozen_at, end = [], 0, None, False

    def finish(*_):
        nonlocal end
        end = True
        waiting.clear()
        for run in running:
            run.end()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    while waiting or running:
        while waiting and len(running) < args.jobs and not frozen_at:
            running.append(Run(args.build.resolve(), *waiting.pop(0)))
        time.sleep(0.5)
        held = lock is not None and not end and is_held(lock)
        if held and not frozen_at:
            frozen_at = time.monotonic()
            for run in running:
                os.kill(run.process.pid, signal.SIGSTOP)
        elif frozen_at and not held:
            for run in running:
                os.kill(run.process.pid, signal.SIGCONT)
                run.stopped += time.monotonic() - frozen_at
            frozen_at = None
        for run in list(running):
            if run.computed() >= run.seconds:
                run.end()
            code = run.poll()
            if code is None:
                continue
            running.remove(run)
            add_up(args.build.resolve(), run, code)
            found, left = code not in (0, 72), run.seconds - run.cpu
            findings += found
            if left > 5 and not end and not (found and run.cpu < 10):  # what its own seeds end is not started again
                waiting.append((run.target, left))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
