#!/usr/bin/env bash
# Makes the environment of a test behind a real server where it is not there yet: test_env.sh NAME
# WHAT, a venv build/NAME-env of the pinned, hashed wheels of tests/NAME/requirements.txt. Prints the
# folder of its programs.
set -euo pipefail
name=$1 what=$2
cd "$(dirname "$0")/.."
env=build/$name-env requirements=tests/$name/requirements.txt
wanted=$(sha256sum "$requirements" | cut -d' ' -f1)
if [ "$(cat "$env/.stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "test-$name: installing $what (wheels, by hash) into $env" >&2
  rm -rf "$env"
  "${PYTHON:-python3}" -m venv "$env"
  "$env/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: \
    -r "$requirements" >&2
  echo "$wanted" > "$env/.stamp"
fi
readlink -f "$env/bin"
