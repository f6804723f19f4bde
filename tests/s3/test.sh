#!/usr/bin/env bash
# Reads tables from a real S3 server on 127.0.0.1: test.sh WINDLASS. Its environment takes 140 MB
# under build/.
set -euo pipefail
windlass=$(readlink -f "$1")
cd "$(dirname "$0")"
bin=$(../../scripts/test_env.sh s3 moto)
WINDLASS=$windlass MOTO_BIN=$bin PYTHONDONTWRITEBYTECODE=1 python3 s3_test.py
