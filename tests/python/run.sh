#!/bin/sh
# run.sh [OASSL_TOOL]: the Python package's tests, with the first Python that has httpx.  Exit code 77: there is none.
set -eu
cd "$(dirname "$0")/../../bindings/python"
[ $# -eq 0 ] || export OASSL_TOOL="$1"
for python in ${OASSL_PYTHON:-} python3 /usr/bin/python3; do
    "$python" -c 'import sys, httpx; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
    export PYTHONDONTWRITEBYTECODE=1 no_proxy=127.0.0.1
    exec "$python" -m unittest discover -s tests
done
echo "skipped: no Python 3.9 or later with httpx (Debian: python3-httpx)"
exit 77
