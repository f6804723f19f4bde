#!/usr/bin/env bash
# Makes the peers' environments: a venv each under benchmarks/.envs, with pinned, hashed wheels.
#   setup_peers.sh [PEER ...]      without arguments: all of them
# Does nothing for a peer whose environment is there. The pins were resolved for CPython 3.11;
# PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-$(command -v python3.11 || command -v python3)}
if [ $# -eq 0 ]; then
  set -- $(cd peers && ls -d */ | grep -v __pycache__ | tr -d /)
fi
for peer in "$@"; do
  requirements=peers/$peer/requirements.txt
  if [ ! -f "$requirements" ]; then
    echo "setup_peers.sh: no peer '$peer'; known: $(cd peers && ls -d */ | tr -d / | xargs)" >&2
    exit 2
  fi
  wanted=$(cat "$requirements" $(ls "peers/$peer/sdist.txt" 2>/dev/null) | sha256sum | cut -d' ' -f1)
  if [ "$(cat ".envs/$peer/.stamp" 2>/dev/null)" = "$wanted" ]; then
    continue
  fi
  echo "setup_peers: installing $requirements into benchmarks/.envs/$peer with $("$python" -V)"
  rm -rf ".envs/$peer"
  mkdir -p .envs
  "$python" -m venv ".envs/$peer"
  ".envs/$peer/bin/pip" install -q --disable-pip-version-check --require-hashes \
    --only-binary :all: -r "$requirements"
  if [ -f "peers/$peer/sdist.txt" ]; then  # what has no wheels: built with what was just installed
    ".envs/$peer/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps \
      --no-build-isolation --no-binary :all: -r "peers/$peer/sdist.txt"
  fi
  echo "$wanted" > ".envs/$peer/.stamp"
done
