#!/usr/bin/env bash
# Builds everything and runs every quick test: the release build with all suites, then the parts
# that must be clean under sanitizers. Skipped tests are counted and named at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh browser
logs=build/test-logs
mkdir -p "$logs"
started=$SECONDS

suite() {  # suite PRESET TARGETS LABEL
  local preset=$1 targets=$2 label=$3 begun=$SECONDS
  echo "== $preset: building"
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" > "$logs/$preset-configure.log" 2>&1 ||
    { cat "$logs/$preset-configure.log"; return 1; }
  # shellcheck disable=SC2086
  ninja --quiet -C "build/$preset" $targets
  echo "== $preset: built in $((SECONDS - begun)) s; testing"
  ctest --test-dir "build/$preset" --output-on-failure --output-log "$logs/$preset.log" \
    --no-tests=error ${label:+-L "$label"} -j "$(nproc)" -O "$logs/$preset.log" \
    -V > "$logs/$preset-verbose.log" 2>&1 && status=0 || status=$?
  if [ $status -ne 0 ]; then
    grep -E '^[0-9]+: .*(FAILED|Failure|ERROR:|runtime error|WARNING: ThreadSanitizer)|\*\*\*' \
      "$logs/$preset-verbose.log" | head -50
    tail -25 "$logs/$preset-verbose.log"
  else
    tail -12 "$logs/$preset-verbose.log" | grep -E 'tests passed|Total Test time'
  fi
  return $status
}

suite release "all windlass_tests" ""
suite asan-ubsan windlass_tests_sanitize sanitize
suite tsan windlass_tests_thread thread

passed=$(cat "$logs"/*-verbose.log | grep -cE '^[0-9]+: \[       OK \]|^[0-9]+: ok ' || true)
failed=$(cat "$logs"/*-verbose.log | grep -cE '^[0-9]+: \[  FAILED  \] .*\([0-9]+ ms\)|^[0-9]+: not ok ' || true)
skipped=$(cat "$logs"/*-verbose.log | grep -E '^[0-9]+: \[  SKIPPED \] .*\([0-9]+ ms\)|^[0-9]+: ok .*# SKIP' | sed 's/^[0-9]*: //' || true)
count=$(printf '%s' "$skipped" | grep -c . || true)
[ "$count" -eq 0 ] || printf 'skipped:\n%s\n' "$skipped"
echo "tests took $((SECONDS - started)) s"
echo "$passed passed, $failed failed, $count skipped"
