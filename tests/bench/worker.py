"""A peer in a process of its own: no two frameworks share threads, memory or an OpenMP runtime.

The driver reads one line of JSON when the worker is ready, then sends numbers; for each number n the worker makes n timed calls
(after one that is not timed, unless calls take seconds) and answers with their seconds.  Whatever the frameworks print goes to standard error.
"""
import json
import os
import sys
import time

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def peak_memory():
    """Largest resident size of this process so far, bytes."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024


def serve(call, warm=True, **info):
    _answers.write(json.dumps(info) + "\n")
    for line in sys.stdin:
        if warm:
            call()
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        _answers.write(json.dumps({"seconds": seconds, "peak_bytes": peak_memory()}) + "\n")


def answer(value):
    _answers.write(json.dumps(value) + "\n")
