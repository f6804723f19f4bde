#!/usr/bin/env bash
# Reads tables from a real S3 server on 127.0.0.1: test.sh WINDLASS. Makes moto's environment (a
# venv of pinned, hashed wheels, 140 MB) under build/ where it is not there yet.
set -euo pipefail
windlass=$(readlink -f "$1")
cd "$(dirname "$0")"
env=../../build/s3-env
wanted=$(sha256sum requirements.txt | cut -d' ' -f1)
if [ "$(cat $env/.stamp 2>/dev/null)" != "$wanted" ]; then
  echo "test-s3: installing moto (wheels, by hash) into build/s3-env"
  rm -rf $env
  "${PYTHON:-python3}" -m venv $env
  $env/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: \
    -r requirements.txt
  echo "$wanted" > $env/.stamp
fi
WINDLASS=$windlass MOTO_BIN=$(readlink -f ../../build/s3-env)/bin \
  PYTHONDONTWRITEBYTECODE=1 python3 s3_test.py
