"""Makes the models of xgboost_test.cc and what XGBoost says of them. Needs xgboost 3.2.0, pandas.

    python make.py
    python make.py old    # with xgboost 3.1.1: only what that keeps in another form
    python make.py early  # only models that stopped early, by the scikit-learn interface

For NAME: NAME.json and NAME.ubj as saved, and in expected.json x [rows][columns] (null: missing),
margin [rows][outputs], prediction [rows][outputs] and, path dependent, contributions
[rows][outputs][columns + 1] (pred_contribs; the last is the base value).
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost as xgb

HERE = pathlib.Path(__file__).parent
ROWS, SHOWN = 800, 30
rng = np.random.default_rng(0)
x = rng.normal(size=(ROWS, 6)).astype(np.float32).round(2)  # values meet thresholds
x[rng.random(x.shape) < 0.1] = np.nan
z = np.nan_to_num(x)
binary = (z[:, 0] * 2 + z[:, 1] * z[:, 2] + rng.normal(size=ROWS) > 0).astype(int)
expected = {}


def keep(name, model, data, shown):
    for ending in ("json", "ubj"):
        model.save_model(HERE / f"{name}.{ending}")
    part = data.slice(range(SHOWN))
    outputs = model.predict(part, output_margin=True).reshape(SHOWN, -1).shape[1]
    result = {
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in shown[:SHOWN]],
        "margin": model.predict(part, output_margin=True).reshape(SHOWN, -1).tolist(),
        "prediction": model.predict(part).reshape(SHOWN, -1).tolist()}
    if "vector" not in name:  # XGBoost has no contributions of trees with several outputs
        contributions = model.predict(part, pred_contribs=True, strict_shape=True)
        result["contributions"] = contributions.reshape(SHOWN, outputs, -1).tolist()
    expected[name] = result


def write_expected():
    path = HERE / "expected.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | expected) + "\n")


def train(name, label, rounds=4, data=None, shown=x, **parameters):
    data = data or xgb.DMatrix(x, label)
    keep(name, xgb.train({"max_depth": 3, "seed": 1, **parameters}, data, rounds), data, shown)


def stop_early(name, label, **parameters):
    """A model that has rounds beyond its best one; what XGBClassifier says of it."""
    model = xgb.XGBClassifier(seed=1, n_estimators=40, early_stopping_rounds=3,
                              **parameters)
    model.fit(x[:600, ], label[:600], eval_set=[(x[600:], label[600:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    for ending in ("json", "ubj"):
        model.save_model(HERE / f"{name}.{ending}")
    part, booster = x[:SHOWN], model.get_booster()
    chance = model.predict_proba(part)
    expected[name] = {
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in part],
        "margin": model.predict(part, output_margin=True).reshape(SHOWN, -1).tolist(),
        "prediction": (chance[:, 1:] if chance.shape[1] == 2 else chance).tolist(),
        "rounds": [model.best_iteration + 1, booster.num_boosted_rounds()],
        "all_margin": booster.predict(xgb.DMatrix(part), output_margin=True).reshape(
            SHOWN, -1).tolist()}


if sys.argv[1:] in ([], ["early"]):
    stop_early("early", binary, max_depth=2, learning_rate=0.9)
    stop_early("early_classes", np.digitize(z[:, 0] + z[:, 3], [-0.7, 0.7]), max_depth=2,
               learning_rate=1.5, num_parallel_tree=3, subsample=0.5)
    if sys.argv[1:]:
        write_expected()
        sys.exit()
targets = np.stack([z[:, 0], z[:, 1], z[:, 0] * z[:, 2]], 1)
vectors = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
if sys.argv[1:] == ["old"]:
    train("vector_old", targets, objective="reg:squarederror", **vectors)
    write_expected()
    sys.exit()
train("binary", binary, objective="binary:logistic")
train("logitraw", binary, objective="binary:logitraw", base_score=0.3)
train("multi", np.digitize(z[:, 0] + z[:, 3], [-0.7, 0.7]), objective="multi:softprob",
      num_class=3)
train("dart", binary, rounds=8, objective="binary:logistic", booster="dart", rate_drop=0.5)
train("poisson", rng.poisson(np.exp(z[:, 0] * 0.3)), objective="count:poisson")
train("tweedie", np.exp(z[:, 1]), objective="reg:tweedie")
train("regression", z[:, 0] * 100, objective="reg:squarederror")
train("cox", np.exp(z[:, 1]), objective="survival:cox")
train("forest", binary, rounds=2, objective="binary:logistic", num_parallel_tree=3, subsample=0.5)
train("targets", np.stack([z[:, 0], z[:, 1]], 1), objective="reg:squarederror")
train("stumps", binary, objective="binary:logistic", max_depth=1)
train("constant", binary, rounds=1, objective="binary:logistic", gamma=1e9)

codes = x.copy()
codes[:, 4], codes[:, 5] = rng.integers(0, 70, ROWS), rng.integers(0, 5, ROWS)
codes[rng.random(ROWS) < 0.05, 4] = np.nan
label = np.isin(codes[:, 4], [1, 5, 7, 66]) ^ (codes[:, 5] == 2) ^ (z[:, 0] > 1)
options = {"feature_types": ["q"] * 4 + ["c"] * 2, "enable_categorical": True,
           "feature_names": list("abcdef")}
for name, most in (("categorical", 4), ("onehot", 1000)):
    train(name, None, data=xgb.DMatrix(codes, label, **options), shown=codes,
          objective="binary:logistic", max_cat_to_onehot=most)
frame = pd.DataFrame(codes, columns=list("abcdef"))
frame["e"] = pd.Categorical.from_codes(
    np.nan_to_num(codes[:, 4], nan=-1).astype(int), [f"k{i}" for i in range(70)])
frame["f"] = pd.Categorical.from_codes(codes[:, 5].astype(int), list("vwxyz"))
train("named", None, data=xgb.DMatrix(frame, label, enable_categorical=True), shown=codes,
      objective="binary:logistic")
train("vector", targets, objective="reg:squarederror", **vectors)
train("vector_classes", np.digitize(z[:, 0] + z[:, 3], [-0.7, 0.7]), objective="multi:softprob",
      num_class=3, **vectors)
train("vector_labels", np.stack([binary, z[:, 3] > 0], 1).astype(int), rounds=2,
      objective="binary:logistic", num_parallel_tree=2, subsample=0.5, **vectors)
# The leaves are not those that the tree was grown with.
train("vector_medians", targets[:, :2], objective="reg:absoluteerror", **vectors)
write_expected()
