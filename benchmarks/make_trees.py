#!/usr/bin/env python3
"""Makes the tables and the models of the tree benchmarks, the same ones every time.

    python make_trees.py FOLDER     (the environment xgboost320; about half a minute)

trees_100x6 and trees_500x8, as .ubj and .json: XGBoost on 20,000 rows of twelve normal columns, a
noisy label; with min_child_weight 5 they have 3,793 and 24,732 leaves. background.parquet: 100
rows; rows_1000000.parquet: a million, of which jobs explain the first ones (rows_1000.parquet and
rows_10000.parquet). All numbers are float32 values in double columns, so that no peer rounds them.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

COLUMNS = 12
TRAINING, BACKGROUND, ROWS = 20_000, 100, 1_000_000
SIZES = [1000, 10_000, ROWS]
ROW_GROUP = 65536
MODELS = {"trees_100x6": (100, 6), "trees_500x8": (500, 8)}  # rounds, depth


def normal(key, rows):
    generator = np.random.Generator(np.random.Philox(key=key))
    return generator.standard_normal((rows, COLUMNS)).astype(np.float32)


def label(x):
    """Above the median of a sum with interactions and noise, or not."""
    score = (x[:, 0] + 0.8 * x[:, 1] * x[:, 2] + 0.7 * np.sin(2 * x[:, 3]) + 0.5 * np.abs(x[:, 4])
             + 0.5 * x[:, 5] * (x[:, 6] > 0) + 0.3 * x[:, 7] - 0.15 * x[:, 8] ** 2
             + 0.2 * x[:, 9] * x[:, 10] + 0.1 * x[:, 11])
    score += np.random.Generator(np.random.Philox(key=2)).standard_normal(len(x))
    return (score > np.median(score)).astype(np.float32)


def write(path, x):
    table = pa.table({f"c{i:02}": x[:, i].astype(np.float64) for i in range(COLUMNS)})
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd", use_dictionary=False)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    training = normal(1, TRAINING)
    data = xgb.DMatrix(training, label(training),
                       feature_names=[f"c{i:02}" for i in range(COLUMNS)])
    made = {}
    for name, (rounds, depth) in MODELS.items():
        model = xgb.train({"objective": "binary:logistic", "max_depth": depth,
                           "min_child_weight": 5, "seed": 0, "nthread": 1}, data, rounds)
        for ending in ("ubj", "json"):
            model.save_model(folder / f"{name}.{ending}")
        dump = model.get_dump()
        made[name] = {"leaves": sum(tree.count("leaf=") for tree in dump),
                      "depth": max(line.count("\t") for tree in dump for line in tree.split("\n"))}
    rows = normal(3, ROWS)
    for size in SIZES:
        write(folder / f"rows_{size}.parquet", rows[:size])
    write(folder / "background.parquet", normal(4, BACKGROUND))
    (folder / "made.json").write_text(json.dumps(made) + "\n")  # last: all the rest is there
    print(json.dumps(made))


if __name__ == "__main__":
    main()
