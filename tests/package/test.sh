#!/usr/bin/env bash
# Builds wheels for the Pythons named (default: the python3 of the PATH), installs each into clean
# environments with different things beside it, and tries what users do first; then the tarball with
# an empty environment.
#   tests/package/test.sh [python3.10 python3.12 ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
pythons=("$@")
[ $# -gt 0 ] || pythons=(python3)
scripts/package.sh "${pythons[@]}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try() {  # try PYTHON NAME "PACKAGES" [VARIABLE=VALUE...]
  local python=$1 name=$2 packages=$3
  shift 3
  local env=$work/$name
  "$python" -m venv "$env"
  local tag
  tag=$("$python" -c 'import sys; print(f"cp{sys.version_info[0]}{min(sys.version_info[1], 12)}")')
  # By its file: another project may have the name on an index.
  # shellcheck disable=SC2086
  "$env/bin/pip" install -q --disable-pip-version-check --only-binary :all: \
    build/packages/windlass-*-"$tag"-*.whl $packages
  mkdir -p "$env/out"
  (cd "$work" && env -u PYTHONPATH "$@" "$env/bin/python" "$OLDPWD/tests/package/smoke.py" "$env/out")
  rm -rf "$env"
}

for python in "${pythons[@]}"; do
  name=$(basename "$python")
  try "$python" "$name-alone" ""
  try "$python" "$name-pyarrow" "pyarrow pandas onnxruntime" IMPORT_FIRST=hashlib,ssl,pyarrow,pandas WITH_ONNX=1
  try "$python" "$name-xgboost" "xgboost pyarrow<26" IMPORT_FIRST=xgboost IMPORT_AFTER=pyarrow.parquet
done

tar -C "$work" -xzf build/packages/windlass-*-linux-"$(uname -m)".tar.gz
command=$(echo "$work"/windlass-*/bin/windlass)
adult=$(echo "$work"/windlass-*/windlass/share/windlass/examples/adult)
env -i "$command" --version
env -i WINDLASS_HOME="$work/home" "$command" explain --model "$adult/model.json" \
  --data "$adult/background.parquet" --background "$adult/background.parquet" \
  --groups "$adult/groups.json" --link logit --out "$work/explained" --quiet
[ -s "$work/explained/report.html" ]
if ldd "$work"/windlass-*/windlass/lib/libwindlass.so | grep -E "not found|/usr/local"; then exit 1; fi
echo "ok tarball"
