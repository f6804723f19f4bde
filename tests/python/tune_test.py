"""Challenges of tuning beside scikit-learn and XGBoost: the same folds, the same scores."""

import csv
import json
import os
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import xgboost  # noqa: E402
from sklearn.datasets import load_iris, load_wine  # noqa: E402
from sklearn.metrics import f1_score, make_scorer  # noqa: E402
from sklearn.model_selection import StratifiedKFold, cross_val_score  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402
from support import main, test, windlass  # noqa: E402

os.environ["WINDLASS_XGBOOST"] = xgboost.core.find_lib_path()[0]


def bench(folder, out, *arguments, check=True):
    return windlass("tune", "bench", "--tuners", "uniform", *arguments, "--out", folder / out,
                    "--quiet", check=check)


def matches(folder, out):
    with open(folder / out / "matches.csv", newline="") as file:
        return list(csv.DictReader(file))


def mixed_table(rows=90):
    """Words, numbers and a missing value; classes that are words."""
    random = np.random.default_rng(3)
    table = pd.DataFrame({
        "colour": random.choice(["red", "green", "blue", "Ünbunt"], rows),
        "size": random.integers(1, 6, rows).astype(float),
        "only": 1,
        "class": random.choice(["yes", "no"], rows)})
    table.loc[5, "size"] = np.nan
    return table


def score(table, target, values):
    x = table.drop(columns=target)
    y = pd.factorize(table[target], sort=True)[0]
    model = xgboost.XGBClassifier(**values, random_state=0, n_estimators=100, n_jobs=1)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=42)
    return cross_val_score(model, OneHotEncoder().fit_transform(x), y, cv=folds,
                           scoring=make_scorer(f1_score, average="macro"),
                           error_score="raise").mean()


@test
def scores_are_those_of_scikit_learn_with_xgboost(folder):
    tables = {"mixed": mixed_table()}
    for name, load in (("iris", load_iris), ("wine", load_wine)):
        data = load(as_frame=True)
        tables[name] = data.data.assign(**{"class": data.target})
    (folder / "data").mkdir()
    for name, table in tables.items():
        table.to_csv(folder / "data" / f"{name}.csv", index=False)
    bench(folder, "out", "--challenge-types", "xgboost", "--data", folder / "data",
          "--iterations", 4, "--seeds", 2)
    played = matches(folder, "out")
    assert len(played) == 6, played
    for match in played:
        table = tables[pathlib.Path(match["challenge"]).stem]
        wanted = score(table, "class", json.loads(match["best_values"]))
        assert abs(float(match["score"]) - wanted) < 1e-9, (match, wanted)
    # Wherever the tables lie, and by Parquet, they are the same.
    (folder / "moved").mkdir()
    for name, table in tables.items():
        table.to_parquet(folder / "moved" / f"{name}.parquet", index=False)
    bench(folder, "moved-out", "--challenge-types", "xgboost", "--data", folder / "moved",
          "--iterations", 4, "--seeds", 2)
    assert [m["score"] for m in matches(folder, "moved-out")] == [m["score"] for m in played]
    counts = json.loads((folder / "moved-out/run.json").read_text())["tasks"]
    assert counts["recalled"] == 6, counts


@test
def a_class_with_fewer_rows_than_folds(folder):
    table = mixed_table()
    table["class"] = ["rare"] * 3 + list(table["class"][3:])
    table.to_csv(folder / "rare.csv", index=False)
    bench(folder, "out", "--challenges", f"xgboost:{folder}/rare.csv", "--iterations", 2)
    [match] = matches(folder, "out")
    assert 0 < float(match["score"]) < 1 and not match["failure"], match


@test
def bad_tables_are_told(folder):
    table = mixed_table()
    for name, bad, *words in (
            ("target", table.rename(columns={"class": "clas"}), 'no column "class"', '"clas"'),
            ("one", table.assign(**{"class": "yes"}), "one class only"),
            ("missing", table.assign(**{"class": [None, *table["class"][1:]]}), "missing values"),
            ("alone", table[["class"]], "no column beside"),
            ("few", table.assign(**{"class": [i // 3 for i in range(len(table))]}),
             "the largest class has 3 rows")):
        bad.to_csv(folder / f"{name}.csv", index=False)
        told = bench(folder, "out", "--challenges", f"xgboost:{folder}/{name}.csv", check=False)
        assert told.returncode == 2 and told.stderr.count("\n") == 1, told
        assert f"{name}.csv" in told.stderr and all(w in told.stderr for w in words), told
        assert not (folder / "out").exists()
    told = bench(folder, "out", "--challenge-types", "xgboost", check=False)
    assert told.returncode == 2 and "need tables" in told.stderr, told
    told = bench(folder, "out", "--challenges", "xgboost", check=False)
    assert told.returncode == 2 and "it needs a table" in told.stderr, told


warnings.filterwarnings("ignore", category=UserWarning)  # of classes with few rows
main()
