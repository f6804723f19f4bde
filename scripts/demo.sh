#!/usr/bin/env bash
# Explains the published Adult job with the shipped data and model, and says what was found.
set -euo pipefail
cd "$(dirname "$0")/.."
windlass=$1
adult=examples/adult
"$windlass" explain --model linear:$adult/model.json --data $adult/adult.parquet \
  --background $adult/background.parquet --groups $adult/groups.json --link logit \
  --out build/demo
echo
echo "Open build/demo/report.html in a browser."
