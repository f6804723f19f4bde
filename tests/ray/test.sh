#!/usr/bin/env bash
# The engine ray on a real Ray of this machine: test.sh BUILD, a build folder with the module
# _windlass. Its environment takes 500 MB under build/.
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")"
# The module works in the Python that it was built for.
PYTHON=$(sed -n 's/^Python_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[ -n "$PYTHON" ] || PYTHON=$(sed -n 's/^_Python_EXECUTABLE:INTERNAL=//p' "$build/CMakeCache.txt")
export PYTHON
bin=$(../../scripts/test_env.sh ray Ray)
export WINDLASS=$build/bin/windlass PYTHONPATH=$build/python PYTHONDONTWRITEBYTECODE=1
shift
[ $# -gt 0 ] || set -- ray_test.py rest_test.py rest_bucket_test.py serve_test.py local_cluster_test.py
if [[ " $* " == *" rest_bucket_test.py "* ]]; then
  MOTO_BIN=$(../../scripts/test_env.sh s3 moto)
  export MOTO_BIN
fi
status=0
for test; do "$bin/python" "$test" || status=1; done
exit $status
