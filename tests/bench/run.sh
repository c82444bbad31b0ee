#!/bin/sh
# tests/bench/run.sh BUILD [options of bench.py]: every figure of docs/benchmarks.md in one run, written to BUILD/benchmarks.json.
# OASSL_PYTHON names a Python that has the packages of requirements.txt; without it they are installed into BUILD/bench-venv.
set -eu
build=$1
shift
here=$(dirname "$0")
python=${OASSL_PYTHON:-}
if [ -z "$python" ]; then
    python=$build/bench-venv/bin/python
    if [ ! -f "$build/bench-venv/complete" ]; then
        python3 -m venv "$build/bench-venv"
        echo "installing the peers of tests/bench/requirements.txt"
        # PyTorch without CUDA where its own index can be reached; PyPI's build, larger, serves as well
        "$python" -m pip install -q --retries 0 --timeout 10 --index-url https://download.pytorch.org/whl/cpu torch torchvision || true
        "$python" -m pip install -q -r "$here/requirements.txt"
        touch "$build/bench-venv/complete"
    fi
fi
exec "$python" "$here/bench.py" --build "$build" --python "$python" --out "$build/benchmarks.json" "$@"
