#!/usr/bin/env bash
# Installs what the build needs on Debian 12 or Ubuntu 24.04: packages by apt, Arrow C++ and ONNX
# Runtime as pinned wheels unpacked into .deps/ (or $WINDLASS_DEPS). Does nothing when all is there.
# Where Go is installed it also fetches ONNX Runtime's C header, which is in no wheel, for the test
# that compares our declarations with it. Extras: `setup.sh browser` (the report's check in a
# browser), `fuzz` (the fuzz targets), `tidy` (clang-tidy), `bench` (the benchmarks).
set -euo pipefail
cd "$(dirname "$0")/.."
deps=${WINDLASS_DEPS:-$PWD/.deps}

packages=(g++ make cmake ninja-build ccache pkg-config python3 python3-dev python3-venv
  libboost-dev libcurl4-openssl-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libhwy-dev libsodium-dev libzip-dev
  libxxhash-dev libyaml-cpp-dev librandom123-dev libgtest-dev libgmock-dev)
for extra in "$@"; do
  case $extra in
    browser) packages+=(chromium chromium-driver) ;;
    fuzz) packages+=(clang-14 libclang-rt-14-dev) ;;
    tidy) packages+=(clang-tidy-14) ;;
    bench) packages+=(libbenchmark-dev valgrind) ;;
    *) echo "setup.sh: unknown extra '$extra'; known: browser fuzz tidy bench" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    # Ubuntu's chromium-driver is chromium-chromedriver.
    if [ "$package" = chromium-driver ] && command -v chromedriver >/dev/null; then continue; fi
    if [ "$package" = chromium ] && command -v chromium >/dev/null; then continue; fi
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]} (apt)"
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

stamp=$deps/wheels/.stamp
wanted=$(sha256sum scripts/requirements-build.txt | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "setup: installing pyarrow 26.0.1, onnxruntime 1.32.0 and nanobind 3.1.0 (wheels, by hash) into $deps/wheels"
  mkdir -p "$deps"
  rm -rf "$deps/wheels" "$deps/venv"
  python3 -m venv "$deps/venv"
  "$deps/venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --target "$deps/wheels" -r scripts/requirements-build.txt
  # only the libraries and headers are wanted; the rest is a third of the size
  rm -rf "$deps"/wheels/pyarrow/tests "$deps"/wheels/onnxruntime/transformers
  echo "$wanted" > "$stamp"
fi

header=$deps/onnxruntime-header
header_ok() { (cd "$header" 2>/dev/null && sha256sum --status --check - < "$1"); }
sums=$PWD/scripts/onnxruntime-header.sha256
if command -v go >/dev/null && ! header_ok "$sums"; then
  echo "setup: fetching ONNX Runtime's C header (Go module github.com/yalue/onnxruntime_go v1.27.0) into $header"
  rm -rf "$header"
  mkdir -p "$header"
  modules=$(mktemp -d)
  if (cd "$modules" && GOFLAGS=-modcacherw GOMODCACHE=$modules \
      go mod download github.com/yalue/onnxruntime_go@v1.27.0) &&
    cp "$modules"/github.com/yalue/onnxruntime_go@v1.27.0/onnxruntime_{c,ep_c}_api.h "$header" &&
    header_ok "$sums"; then :; else
    rm -rf "$header"
    echo "setup: could not get the header; its test will be skipped" >&2
  fi
  rm -rf "$modules"
fi
