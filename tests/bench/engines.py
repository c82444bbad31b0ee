"""What is timed, ours and theirs, and how: in turn, so that whatever else the machine does falls on all alike."""
import json
import os
import statistics
import subprocess
import tempfile
import time


class Failure(Exception):
    """An engine that cannot run here; the text says why."""


def run_program(command):
    """Runs one of our programs; its standard output, its wall-clock life and its peak memory."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as e:
            raise Failure(str(e))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            lines = err.read().decode(errors="replace").strip().splitlines() or ["exit code %d" % process.returncode]
            raise Failure(lines[-1])
        return out.read().decode(), seconds, usage.ru_maxrss * 1024


class Ours:
    """A process a round: command(n) times n calls and prints JSON with "seconds"."""

    def __init__(self, command):
        self.command, self.info, self.peak = command, {"name": "oassl"}, 0

    def run(self, n):
        text, _, peak = run_program([str(a) for a in self.command(n)])
        self.peak = max(self.peak, peak)
        self.info.update(json.loads(text))
        return self.info.pop("seconds")

    def close(self):
        pass


class Peer:
    """A worker.py process for all rounds."""

    def __init__(self, python, arguments, log):
        command = [python, "-W", "ignore"] + [str(a) for a in arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)
        self.log, self.peak = log, 0
        self.info = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.close()
            self.log.seek(0)
            lines = self.log.read().strip().splitlines() or ["it ended without a word"]
            raise Failure(lines[-1][:200])
        return json.loads(line)

    def run(self, n):
        self.process.stdin.write("%d\n" % n)
        answer = self.read()
        self.peak = answer["peak_bytes"]
        return answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def summary(values):
    v = sorted(values)
    low, _, high = statistics.quantiles(v, n=4) if len(v) > 1 else (v[0], 0, v[0])
    return {"median": statistics.median(v), "quartile_low": low, "quartile_high": high, "min": v[0], "max": v[-1], "n": len(v)}


def interleave(makers, rounds, repeats, budget=100):
    """makers: {key: function that makes an engine}.  -> {key: summary of seconds, info, peak, or {"missing": why}}
    Rounds stop after `budget` seconds, but not before the second: a busy machine must not keep a run for ever."""
    engines, seconds, results = {}, {}, {}
    for key, make in makers.items():
        try:
            engines[key], seconds[key] = make(), []
        except Failure as e:
            results[key] = {"missing": str(e)}
    start = time.perf_counter()
    for done in range(rounds):
        if done >= 2 and time.perf_counter() - start > budget:
            break
        for key, engine in list(engines.items()):
            try:
                seconds[key] += engine.run(repeats)
            except Failure as e:
                results[key] = {"missing": str(e)}
                del engines[key]
    for key, engine in engines.items():
        results[key] = dict(summary(seconds[key]), peak_bytes=engine.peak, **engine.info)
        engine.close()
    return results
