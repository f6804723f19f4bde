#!/usr/bin/env bash
# Explains models behind a real MLServer on 127.0.0.1: test.sh WINDLASS. Makes its environment (a venv
# of pinned, hashed wheels, 530 MB) under build/ where it is not there yet.
set -euo pipefail
windlass=$(readlink -f "$1")
cd "$(dirname "$0")"
env=../../build/oip-env
wanted=$(sha256sum requirements.txt | cut -d' ' -f1)
if [ "$(cat $env/.stamp 2>/dev/null)" != "$wanted" ]; then
  echo "test-oip: installing MLServer (wheels, by hash) into build/oip-env"
  rm -rf $env
  "${PYTHON:-python3}" -m venv $env
  $env/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: \
    -r requirements.txt
  echo "$wanted" > $env/.stamp
fi
WINDLASS=$windlass MLSERVER_BIN=$(readlink -f $env)/bin \
  PYTHONDONTWRITEBYTECODE=1 python3 mlserver_test.py
