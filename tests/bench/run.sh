#!/bin/sh
# tests/bench/run.sh BUILD: our own timings, then ratios to PyTorch when OASSL_PYTHON (or python3) has torch and torchvision.
set -eu
build=$1
python=${OASSL_PYTHON:-python3}
"$build/bin/oassl" bench --batch 1
"$build/bin/oassl" bench --batch 16 --repeats 5
if "$python" -c 'import torch, torchvision' 2>/dev/null; then
    exec "$python" "$(dirname "$0")/compare.py" --oassl "$build/bin/oassl"
fi
echo "no PyTorch in $python: pip install torch torchvision, or set OASSL_PYTHON, for the comparison"
