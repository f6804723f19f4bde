#!/usr/bin/env bash
# Explains models behind a real MLServer on 127.0.0.1: test.sh WINDLASS. Its environment takes
# 530 MB under build/.
set -euo pipefail
windlass=$(readlink -f "$1")
cd "$(dirname "$0")"
bin=$(../../scripts/test_env.sh oip MLServer)
WINDLASS=$windlass MLSERVER_BIN=$bin PYTHONDONTWRITEBYTECODE=1 python3 mlserver_test.py
