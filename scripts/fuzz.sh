#!/usr/bin/env bash
# Builds every fuzz target (clang, libFuzzer, address and undefined sanitizers) and runs each for
# SECONDS_EACH seconds (60), from seeds made of the repository's own files. A crash, a hang or a
# leak fails; its input is then in build/fuzz/crashes/. What was found to reach new code stays in
# build/fuzz/corpus/ for the next time. `fuzz.sh npy_fuzz ...` builds and runs only those named.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh fuzz
build=build/fuzz
seconds=${SECONDS_EACH:-60}
mkdir -p "$build/crashes"

cmake --preset fuzz > "$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
echo "fuzz: compiling into $build"
ninja --quiet -C "$build" ${*:-windlass_fuzzers}
known=$(cd src && find . -name '*_fuzz.cc' -exec basename {} .cc \; | sort)
targets=${*:-$known}

seed() {  # seed TARGET FILE...: copies files into a target's seeds
  local to=$build/seeds/$1 file
  shift
  mkdir -p "$to"
  for file in "$@"; do cp "$file" "$to/"; done
}
rm -rf "$build/seeds"
seed onnx_graph_fuzz src/windlass/model/testdata/*.onnx examples/adult/model.onnx
seed onnx_trees_fuzz src/windlass/model/testdata/onnx_trees/*.onnx
seed linear_fuzz examples/adult/model.json tests/cli/small/model.json
seed lightgbm_fuzz src/windlass/model/testdata/lightgbm/*.txt
seed xgboost_fuzz src/windlass/model/testdata/xgboost/*.{json,ubj}
seed groups_fuzz examples/adult/groups.json
seed values_fuzz deploy/cluster.yaml deploy/nodes.yaml
python3 - "$build/seeds" <<'PYTHON'
import json, pathlib, struct, sys

seeds = pathlib.Path(sys.argv[1])


def put(target, name, content):
    (seeds / target).mkdir(parents=True, exist_ok=True)
    (seeds / target / name).write_bytes(content if isinstance(content, bytes) else content.encode())


spec = {"kind": "explain", "version": 1, "model": "linear:model.json?opaque=1", "data": "rows.csv",
        "background": "background.parquet", "groups": "groups.json", "coalitions": "tree.json",
        "link": "logit"}
put("spec_fuzz", "plain", json.dumps(spec))
put("spec_fuzz", "all", json.dumps({
    **spec, "nsamples": 2048, "max_coalitions": 65536, "l1_reg": "num_features(3)", "seed": 1,
    "method": "kernel", "output": "margin", "class": 1, "on_error": "row", "clip": 1e-9,
    "summarize": "kmeans(10)", "background_weights": "w"}))
put("groups_fuzz", "names", '{"Age": ["Age"], "Sex": [1], "Country": ["Country=1", "Country=2"]}')
put("hierarchy_fuzz", "nested", '{"person": ["Age", "Sex", {"home": ["Country", "Race"]}], "b": ["Hours"]}')
put("linear_fuzz", "softmax", '{"windlass": "linear", "version": 1, "activation": "softmax", '
    '"coef": [[1, 2], [3e-5, -4]], "intercept": [0.5, -1], "outputs": ["no", "yes"]}')
# OIP: a byte with the rows that were asked for, one that says where the JSON ends, the answer.
tensor = '{"name": "p", "datatype": "FP64", "shape": [2, 1], '
put("oip_fuzz", "metadata", b"\2\0" + b'{"name": "m", "versions": ["1"], "platform": "p", "inputs": '
    b'[{"name": "x", "datatype": "INT32", "shape": [-1, 3]}], "outputs": []}')
put("oip_fuzz", "json", '\2\0{"outputs": [' + tensor + '"data": [[0.5], [null]]}]}')
put("oip_fuzz", "error", '\2\0{"error": "no", "extensions": ["binary_tensor_data"]}')
binary = '{"outputs": [' + tensor + '"parameters": {"binary_data_size": 16}}]}'
put("oip_fuzz", "binary", bytes([10, 16 * 255 // (len(binary) + 16) + 1]) + binary.encode()
    + struct.pack("<2d", 0.25, 0.5))
# A service's requests: a byte that says which columns there are, and as above.
asked = '{"id": "1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], '
put("serve_fuzz", "rows", '\0\0{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], '
    '"data": [[0.5, 1e-3, null]]}], "outputs": [{"name": "sum"}]}')
put("serve_fuzz", "columns", '\1\0{"inputs": [{"name": "c1", "datatype": "BYTES", "shape": [2, 1], '
    '"data": ["red", "blue"]}, {"name": "c0", "datatype": "INT64", "shape": [2], "data": [1, 2]}]}')
binary = asked + ('"parameters": {"binary_data_size": 16}}], "parameters": '
                  '{"binary_data_output": true}}')
put("serve_fuzz", "binary", bytes([128 + 1, 16 * 255 // (len(binary) + 16) + 1]) + binary.encode()
    + struct.pack("<4f", 0.25, 1, 0.5, 2))
for descr, width in (("<f8", 8), (">f4", 4), ("<f2", 2), ("|b1", 1), ("<i8", 8), ("|u1", 1)):
    for order in ("False", "True"):
        header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (3, 2), }}".ljust(117)
        put("npy_fuzz", f"{descr[1:]}-{descr[0] == '>'}-{order}", b"\x93NUMPY\x01\x00"
            + struct.pack("<H", 118) + header.encode() + b"\n" + bytes(range(6 * width)))
# Store: a byte that says which checksums the target makes right, then the parts of a segment.
for mode in range(8):
    put("store_fuzz", str(mode), bytes([mode]) + b"WINDSEG1\1\0\0\0" + bytes(20)
        + (struct.pack("<II", 64, 1) + bytes(8) + bytes(range(64))) * 2 + bytes(40))
PYTHON

failed=()
for target in $targets; do
  log=$build/$target.log
  mkdir -p "$build/corpus/$target" "$build/seeds/$target"
  if "$build/$(cd "$build" && find . -type f -name "$target" -perm -u+x -print -quit)" \
    -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$build/crashes/$target-" "$build/corpus/$target" "$build/seeds/$target" \
    > "$log" 2>&1; then
    echo "ok $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
  else
    echo "FAILED $target:"
    grep -E 'ERROR|runtime error|SUMMARY|Test unit written' "$log" || tail -5 "$log"
    failed+=("$target")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: ${failed[*]} failed; the inputs are in $build/crashes/, the logs in $build/"
  exit 1
fi
