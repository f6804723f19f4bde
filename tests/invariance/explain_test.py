"""Explain gives the same bytes for every worker count, batch size, engine and repetition."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pyarrow.parquet as pq  # noqa: E402
from invariance import check_invariance  # noqa: E402
from support import ADULT, EXPLAIN_ADULT, ROOT, explain_adult, main, test  # noqa: E402


def few_rows(folder, rows):
    path = folder / "few.parquet"
    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, rows), path)
    return explain_adult(data=path)


@test
def linear_adult(folder):
    check_invariance(folder, EXPLAIN_ADULT)


@test
def linear_one_row_a_task(folder):
    check_invariance(folder, few_rows(folder, 40), batches=(1, 7), chaos_batches=(1,))


@test
def exact_opaque(folder):
    arguments = few_rows(folder, 23)
    arguments[arguments.index("--model") + 1] = f"onnx:{ADULT / 'model.onnx'}?opaque=1"
    check_invariance(folder, [*arguments, "--method", "exact"], batches=(None, 5),
                     chaos_batches=(None,))


@test
def kernel_opaque(folder):
    arguments = few_rows(folder, 23)
    arguments[arguments.index("--model") + 1] = f"onnx:{ADULT / 'model.onnx'}?opaque=1"
    check_invariance(folder, [*arguments, "--method", "kernel", "--nsamples", "500"],
                     batches=(None, 5), chaos_batches=(None,))


@test
def other_estimators_opaque(folder):
    arguments = few_rows(folder, 23)
    arguments[arguments.index("--model") + 1] = f"onnx:{ADULT / 'model.onnx'}?opaque=1"
    for method in ("permutation", "leverage", "msr"):
        out = folder / method
        out.mkdir()
        check_invariance(out, [*arguments, "--method", method, "--nsamples", "300"],
                         batches=(5,), chaos_batches=(None,))


@test
def rows_that_stop_early(folder):
    # Some rows reach the tolerance at 250 coalitions, some at 500, some not at 1,000.
    check_invariance(folder, [*few_rows(folder, 23), "--method", "msr", "--nsamples", "1000",
                              "--tolerance", "0.005", "--cohorts", "Age"],
                     batches=(None, 5), chaos_batches=(None,))
    summary = json.loads((folder / "way0/summary.json").read_text())
    assert summary["tolerance"]["coalitions_saved"] > 0, summary["tolerance"]
    assert 0 < summary["tolerance"]["rows_not_reached"] < 23, summary["tolerance"]
    assert summary["coalitions"] + summary["tolerance"]["coalitions_saved"] <= 23 * 1000


@test
def owen_values(folder):
    tree = folder / "tree.json"
    tree.write_text(json.dumps({"person": ["Age", "Sex", {"home": ["Country", "Race"]}],
                                "work": ["Workclass", "Occupation", "Hours per week"]}))
    for method in ("exact", "permutation"):
        out = folder / method
        out.mkdir()
        check_invariance(out, [*few_rows(folder, 23), "--coalitions", tree, "--method", method,
                               "--nsamples", "300"], batches=(None, 5), chaos_batches=(None,))


@test
def a_program(folder):
    model = f"command:python3 {ROOT / 'tests/models/logistic_program.py'}"
    small = ROOT / "tests/cli/small"
    check_invariance(folder, ["explain", "--model", model, "--data", small / "data.csv",
                              "--background", small / "background.csv", "--quiet"],
                     workers=(-1, 3), batches=(None, 1), chaos_batches=(1,))


@test
def sampled_interactions(folder):
    check_invariance(folder, [*few_rows(folder, 23), "--method", "msr", "--nsamples", "600",
                              "--interactions", "2"], batches=(None, 5), chaos_batches=(5,))
    names = pq.read_schema(folder / "way0/interactions.parquet").names
    assert "Age*Workclass.low" in names, names


@test
def kernel_selecting_features(folder):
    check_invariance(folder, [*few_rows(folder, 23), "--method", "kernel", "--nsamples", "300",
                              "--l1-reg", "num_features(4)"], batches=(5,), chaos_batches=(None,))


@test
def trees(folder):
    data = ROOT / "tests/peers/data/trees"
    for more in (["--background", data / "wdbc_background.parquet"], ["--tree-mode", "path"]):
        check_invariance(folder, ["explain", "--model", f"xgboost:{data / 'wdbc.ubj'}",
                                  "--data", data / "wdbc_rows.parquet", "--output", "margin",
                                  "--interactions", "2", *more],
                         batches=(None, 1, 7), chaos_batches=(7,))


@test
def owen_values_of_trees(folder):
    data = ROOT / "tests/peers/data/trees"
    columns = pq.read_schema(data / "wdbc_rows.parquet").names
    tree = folder / "tree.json"
    tree.write_text(json.dumps({"a": columns[:12], "b": [*columns[12:15], {"c": columns[15:22]}]}))
    check_invariance(folder, ["explain", "--model", f"xgboost:{data / 'wdbc.ubj'}",
                              "--data", data / "wdbc_rows.parquet", "--output", "margin",
                              "--background", data / "wdbc_background.parquet",
                              "--coalitions", tree], batches=(None, 7), chaos_batches=(7,))


main()
