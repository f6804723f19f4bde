#!/usr/bin/env bash
# Tables and the store on a real S3 server on 127.0.0.1: test.sh BUILD, a build folder. Its
# environment takes 140 MB under build/.
set -euo pipefail
build=$(readlink -f "$1")
cd "$(dirname "$0")"
ninja --quiet -C "$build" store_test
bin=$(../../scripts/test_env.sh s3 moto)
WINDLASS=$build/bin/windlass STORE_TEST=$build/src/windlass/store/store_test MOTO_BIN=$bin \
  PYTHONDONTWRITEBYTECODE=1 python3 s3_test.py
