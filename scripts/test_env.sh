#!/usr/bin/env bash
# Makes the environment of a test beside other packages where it is not there yet: test_env.sh NAME
# WHAT, a venv build/NAME-env of $PYTHON (python3) with the pinned, hashed wheels of
# tests/NAME/requirements.txt. Prints the folder of its programs.
set -euo pipefail
name=$1 what=$2
cd "$(dirname "$0")/.."
env=build/$name-env requirements=tests/$name/requirements.txt
python=${PYTHON:-python3}
wanted="$(sha256sum < "$requirements") $("$python" --version)"
if [ "$(cat "$env/.stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "test-$name: installing $what (wheels, by hash) into $env" >&2
  rm -rf "$env"
  "$python" -m venv "$env"
  "$env/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: \
    -r "$requirements" >&2
  echo "$wanted" > "$env/.stamp"
fi
readlink -f "$env/bin"
