"""The Adult job against exact values: by full enumeration, and in extended precision."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pyarrow.parquet as pq  # noqa: E402
from support import ADULT, ROOT, explain_adult, main, test, windlass  # noqa: E402

DATA = ROOT / "tests/peers/data"


def explain(folder, *more, **changes):
    windlass(*explain_adult(**changes), *more, "--out", folder / "out")
    return pq.read_table(folder / "out/attributions.parquet").to_pydict()


def check_exact(got, tolerance):
    golden = pq.read_table(DATA / "kernel_64.parquet").to_pydict()
    groups = [name.removeprefix("exact/") for name in golden if name.startswith("exact/")]
    assert len(groups) == 12
    worst = max(abs(got[g][r] - golden[f"exact/{g}"][r]) for g in groups for r in range(64))
    assert worst < tolerance, worst
    return worst


def check_extended(got, tolerance):
    reference = json.loads((DATA / "reference_rows.json").read_text())
    assert {row["row"] for row in reference["rows"]} >= {88, 91}
    for row in reference["rows"]:
        for group, value in zip(reference["groups"], row["attributions"], strict=True):
            assert abs(got[group][row["row"]] - float(value)) < tolerance, (row["row"], group)


@test
def linear(folder):
    got = explain(folder)
    assert json.loads((folder / "out/summary.json").read_text())["method"] == "linear"
    check_exact(got, 1e-9)
    check_extended(got, 1e-9)


@test
def double_onnx(folder):
    got = explain(folder, model=ADULT / "model.onnx")
    assert json.loads((folder / "out/summary.json").read_text())["method"] == "linear"
    check_exact(got, 1e-9)
    check_extended(got, 1e-9)


@test
def exact_of_an_opaque_model(folder):
    rows = folder / "rows.parquet"
    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, 64), rows)
    got = explain(folder, "--method", "exact", data=rows,
                  model=f"onnx:{ADULT / 'model.onnx'}?opaque=1")
    check_exact(got, 1e-9)


@test
def kernel_with_every_coalition_is_exact(folder):
    rows = folder / "rows.parquet"
    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, 64), rows)
    got = explain(folder, "--method", "kernel", "--nsamples", "4094", data=rows,
                  model=f"onnx:{ADULT / 'model.onnx'}?opaque=1")
    check_exact(got, 1e-9)


main()
