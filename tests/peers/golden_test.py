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


@test
def owen_values_as_shaps_partition_explainer(folder):
    owen = DATA / "owen"
    windlass("explain", "--model", owen / "model.json", "--data", owen / "rows.csv", "--background",
             owen / "background.csv", "--coalitions", owen / "tree.json", "--out", folder / "out")
    assert json.loads((folder / "out/summary.json").read_text())["method"] == "exact"
    got = pq.read_table(folder / "out/attributions.parquet").to_pydict()
    golden = json.loads((owen / "shap.json").read_text())
    assert len(golden) == 11
    worst = max(abs(a - b) for name in golden
                for a, b in zip(got[name], golden[name], strict=True))
    assert worst < 1e-12, worst


TREES = DATA / "trees"


def explain_trees(folder, name, *more):
    windlass("explain", "--model", f"xgboost:{TREES / name}.ubj",
             "--data", TREES / f"{name}_rows.parquet", "--output", "margin", *more,
             "--out", folder / name)
    assert json.loads((folder / name / "summary.json").read_text())["method"] == "tree"
    return pq.read_table(folder / name / "attributions.parquet").to_pydict()


def check_columns(got, golden, ignored=()):
    for column, values in golden.items():
        if column in ignored:
            continue
        worst = max(abs(a - b) for a, b in zip(got[column], values, strict=True))
        assert worst < 1e-5, (column, worst)


@test
def trees_path_dependent_as_pred_contribs(folder):
    for name in ("adult", "wdbc", "categorical"):
        got = explain_trees(folder, name, "--tree-mode", "path")
        golden = pq.read_table(TREES / f"{name}_contribs.parquet").to_pydict()
        check_columns(got, golden, ignored=("base value",))
        assert max(abs(a - b) for a, b in zip(got["base_value"], golden["base value"])) < 1e-5


@test
def trees_interventional_as_shap(folder):
    for name in ("adult", "wdbc"):
        got = explain_trees(folder, name, "--background", TREES / f"{name}_background.parquet")
        check_columns(got, pq.read_table(TREES / f"{name}_interventional.parquet").to_pydict())


@test
def trees_interventional_with_categories_as_enumeration(folder):
    background = ["--background", TREES / "categorical_background.parquet"]
    got = explain_trees(folder, "categorical", *background)
    opaque = f"xgboost:{TREES / 'categorical.ubj'}"
    windlass("explain", "--model", opaque, "--data", TREES / "categorical_rows.parquet",
             "--output", "margin", *background, "--method", "exact", "--out", folder / "exact")
    exact = pq.read_table(folder / "exact/attributions.parquet").to_pydict()
    for column in ("word", "code", "x", "y"):
        assert max(abs(a - b) for a, b in zip(got[column], exact[column])) < 1e-12, column


@test
def trees_interactions_as_pred_interactions(folder):
    for name in ("adult", "wdbc", "categorical"):
        explain_trees(folder, name, "--tree-mode", "path", "--interactions", 2)
        got = pq.read_table(folder / name / "interactions.parquet").to_pydict()
        # Half of a pair stands on each side of XGBoost's matrix.
        golden = pq.read_table(TREES / f"{name}_interactions.parquet").to_pydict()
        wanted = {}
        for column, values in golden.items():
            a, b = column.split("*")
            wanted[a if a == b else column] = values if a == b else [2 * v for v in values]
        check_columns(got, wanted)
        numbers = [c for c in got if c not in ("row", "output", "base_value", "prediction")]
        for c in set(numbers) - set(wanted):
            assert max(map(abs, got[c])) < 1e-6, c
        for r, prediction in enumerate(got["prediction"]):
            total = got["base_value"][r] + sum(got[c][r] for c in numbers)
            assert abs(total - prediction) < 1e-11, r


main()
