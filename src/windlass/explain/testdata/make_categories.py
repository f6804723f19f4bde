"""Makes the models and tables of make_plan_test.cc. Needs lightgbm 4.7.0, xgboost 3.2.0, pyarrow.

    python make_categories.py

The models know the categories of "color", which are words, and of "size", which are numbers. The
tables have dictionaries in other orders, and "size" as Parquet keeps it: plain numbers.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

HERE = pathlib.Path(__file__).parent / "categories"
rng = np.random.default_rng(0)
ROWS = 400
COLORS, SIZES = ["red", "green", "blue", "never"], [10, 20, 40]
frame = pd.DataFrame({
    "weight": rng.normal(size=ROWS).round(2),
    "color": pd.Categorical(rng.choice(COLORS[:3], ROWS), COLORS),
    "size": pd.Categorical(rng.choice(SIZES, ROWS), SIZES)})
frame.loc[:5, "color"] = np.nan
label = (frame.color == "green").astype(int) * 2 + (frame["size"] == 40) + frame.weight / 4
light = lgb.train({"num_leaves": 6, "verbose": -1, "num_threads": 1, "min_data_per_group": 1,
                   "cat_smooth": 1, "deterministic": True}, lgb.Dataset(frame, label), 3)
light.save_model(HERE / "lightgbm.txt")
extreme = xgb.train({"max_depth": 3}, xgb.DMatrix(frame, label, enable_categorical=True), 3)
extreme.save_model(HERE / "xgboost.ubj")

expected = {}
for name, rows, order in (("background", frame[:8], ["blue", "red", "never", "green"]),
                          ("data", frame[8:20], ["green", "blue", "red"])):
    expected[name] = {
        "lightgbm": light.predict(rows).tolist(),
        "xgboost": extreme.predict(xgb.DMatrix(rows, enable_categorical=True)).tolist()}
    words = rows.assign(color=rows.color.cat.set_categories(order))
    words.assign(size=rows["size"].astype(int)).to_parquet(HERE / f"{name}.parquet", index=False)
    words.to_feather(HERE / f"{name}.feather", compression="uncompressed")  # numbers, encoded
    words.to_csv(HERE / f"{name}.csv", index=False)
    codes = rows.color.cat.codes.replace(-1, np.nan)
    rows.assign(color=codes, size=rows["size"].astype(int)).to_parquet(
        HERE / f"{name}_codes.parquet", index=False)
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
