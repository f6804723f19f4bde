"""Results of the job of tests/cli/small, for the tests of models that explain it."""

import json

import pyarrow.parquet as pq


def values(out):
    table = pq.read_table(out / "attributions.parquet")
    return [table.column(name).to_pylist() for name in ("prediction", "age", "hours", "sex")]


def tasks(out):
    counts = json.loads((out / "run.json").read_text())["tasks"]
    return counts["executed"], counts["recalled"]
