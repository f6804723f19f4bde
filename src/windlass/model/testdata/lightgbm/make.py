"""Makes the models of lightgbm_test.cc and what LightGBM says of them. Needs lightgbm 4.7.0, pandas.

    python make.py

For NAME: NAME.txt as saved, and in expected.json x [rows][columns] (null: missing), margin
[rows][outputs], prediction [rows][outputs] and, path dependent, contributions
[rows][outputs][columns + 1] (pred_contrib; the last is the base value). LightGBM's raw score of a
random forest and its contributions are sums over trees; margin and contributions here are those
divided by the number of trees, as the prediction is. `sigmoid` is that of the objective: margin
and contributions are those of LightGBM times it.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
ROWS, SHOWN, COLUMNS = 600, 20, 6
rng = np.random.default_rng(0)
x = rng.normal(size=(ROWS, COLUMNS)).round(2)
x[rng.random(x.shape) < 0.1] = 0
whole = x.copy()
x[rng.random(x.shape) < 0.1] = np.nan
z = np.nan_to_num(x)
binary = (z[:, 0] * 2 + z[:, 1] * z[:, 2] + rng.normal(size=ROWS) > 0).astype(int)
expected = {}


def shown_rows(model, data):
    """The first rows, then some that meet thresholds exactly, or miss them by one bit."""
    rows = np.array(data, dtype=float)[:SHOWN + 6]
    splits = model.trees_to_dataframe().dropna(subset=["split_feature"])
    splits = splits[splits.decision_type == "<="]
    for i, (_, split) in enumerate(splits.head(18).iterrows()):
        column = model.feature_name().index(split.split_feature)
        at = float(split.threshold)
        rows[SHOWN + i // 3, column] = [at, np.nextafter(at, 9e99), np.nextafter(at, -9e99)][i % 3]
    return rows


def train(name, label, rounds=3, data=None, categorical="auto", group=None, scale=1.0, sigmoid=1.0,
          weight=None, **parameters):
    data = x if data is None else data
    parameters = {"num_leaves": 5, "verbose": -1, "seed": 1, "num_threads": 1,
                  "min_data_in_leaf": 10, "deterministic": True, "force_row_wise": True,
                  "sigmoid": sigmoid,
                  **parameters}
    codes = data
    if isinstance(data, pd.DataFrame):
        codes = data.apply(lambda c: c.cat.codes.replace(-1, np.nan) if c.dtype == "category"
                           else c).to_numpy()
    model = lgb.train(parameters, lgb.Dataset(data, label, group=group, weight=weight,
                                              categorical_feature=categorical), rounds)
    text = model.model_to_string()
    (HERE / f"{name}.txt").write_text(text)
    rows = shown_rows(model, codes)
    told = lgb.Booster(model_str=text)
    told.pandas_categorical = None
    outputs = told.num_model_per_iteration()
    part = lambda **how: np.asarray(told.predict(rows, **how)).reshape(len(rows), outputs, -1)
    expected[name] = {
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in rows],
        "sigmoid": sigmoid,
        "margin": (part(raw_score=True)[:, :, 0] * scale * sigmoid).tolist(),
        "prediction": part()[:, :, 0].tolist(),
        "contributions": (part(pred_contrib=True) * scale * sigmoid).tolist()}


train("binary", binary, objective="binary")
train("sigmoid", binary, objective="binary", sigmoid=2.5)
train("unbalanced", binary, objective="binary", is_unbalance=True,
      weight=rng.uniform(0.5, 2, ROWS))
three = np.digitize(z[:, 0] + z[:, 3], [-0.7, 0.7])
train("multi", three, objective="multiclass", num_class=3, rounds=2)
train("ova", three, objective="multiclassova", num_class=3, rounds=2)
train("regression", z[:, 0] * 100, objective="regression")
train("l1", z[:, 0] * 100, objective="regression_l1")
train("huber", z[:, 1], objective="huber")
train("fair", z[:, 1], objective="fair")
train("quantile", z[:, 1], objective="quantile", alpha=0.9)
train("mape", z[:, 1] + 9, objective="mape")
train("poisson", rng.poisson(np.exp(z[:, 0] * 0.3)), objective="poisson")
train("gamma", np.exp(z[:, 1]), objective="gamma")
train("tweedie", np.exp(z[:, 1]), objective="tweedie")
train("cross_entropy", 1 / (1 + np.exp(-z[:, 1])), objective="cross_entropy")
train("lambdarank", binary, objective="lambdarank", group=[20] * (ROWS // 20))
train("xendcg", binary, objective="rank_xendcg", group=[20] * (ROWS // 20))
train("forest", binary, rounds=4, objective="binary", boosting="rf", bagging_fraction=0.5,
      bagging_freq=1, scale=1 / 4)
train("dart", binary, rounds=6, objective="binary", boosting="dart", drop_rate=0.5)
train("none_missing", binary, objective="binary", data=whole)  # NaN was never seen
expected["none_missing"] = None  # below, with NaN in the rows shown
train("zero_missing", binary, objective="binary", zero_as_missing=True)
train("no_missing", binary, objective="binary", use_missing=False)
train("constant", binary, objective="binary", min_data_in_leaf=ROWS)
train("stumps", binary, objective="binary", num_leaves=2)

model = lgb.Booster(model_str=(HERE / "none_missing.txt").read_text())
rows = shown_rows(model, x)
expected["none_missing"] = {
    "x": [[None if np.isnan(v) else float(v) for v in row] for row in rows],
    "sigmoid": 1.0,
    "margin": model.predict(rows, raw_score=True).reshape(-1, 1).tolist(),
    "prediction": model.predict(rows).reshape(-1, 1).tolist(),
    "contributions": model.predict(rows, pred_contrib=True).reshape(len(rows), 1, -1).tolist()}

codes = x.copy()
codes[:, 4], codes[:, 5] = rng.integers(0, 70, ROWS), rng.integers(0, 5, ROWS)
codes[rng.random(ROWS) < 0.05, 4] = np.nan
codes[1, 4], codes[2, 4], codes[3, 5] = 5000, -3, 2.75  # never seen, negative, between
label = np.isin(codes[:, 4], [1, 5, 7, 66]) ^ (codes[:, 5] == 2) ^ (z[:, 0] > 1)
train("categorical", label, data=codes, categorical=[4, 5], objective="binary",
      min_data_per_group=1, cat_smooth=1)
train("onehot", label, data=codes, categorical=[4, 5], objective="binary", max_cat_to_onehot=99)
frame = pd.DataFrame(codes, columns=["age", "hours", "c", "d", "kind", "grade"])
seen = lambda c: np.where(np.isnan(codes[:, c]) | (codes[:, c] > 69), -1, codes[:, c]).astype(int)
frame["kind"] = pd.Categorical.from_codes(np.maximum(seen(4), -1), [f"k{i}" for i in range(70)])
frame["grade"] = pd.Categorical.from_codes(seen(5), ["ü", 'a "b"', "x=1", "y", "z"])
train("named", label, data=frame, objective="binary", min_data_per_group=1, cat_smooth=1)
frame["kind"] = pd.Categorical(frame["kind"], ordered=True)
train("ordered", label, data=frame, objective="binary", min_data_per_group=1, cat_smooth=1)
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
