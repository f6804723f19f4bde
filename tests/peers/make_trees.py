"""Makes data/trees: models that XGBoost 3.2.0 trained, rows, and what XGBoost and shap 0.51.0 say.

    python make_trees.py WDBC.csv     (needs xgboost, shap, pandas, pyarrow)

NAME.ubj, NAME_rows.parquet, NAME_background.parquet and, by row, in margin:
NAME_contribs.parquet (pred_contribs, path dependent; the column "base value" last),
NAME_interactions.parquet (pred_interactions, path dependent: columns "A*B" of A before B, "A*A" for
what is left to A; twice a pair is in it as in XGBoost, halved on each side), and where shap can
(no categories) NAME_interventional.parquet (TreeExplainer against the background).

adult: the prepared columns of examples/adult, the label from its linear model; wdbc: Breast Cancer
Wisconsin (Diagnostic), UCI, CC BY 4.0; categorical: made here, a dictionary of words and one of
70 codes, missing values.
"""

import pathlib
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shap
import xgboost as xgb

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "data/trees"
ROWS, BACKGROUND = 40, 25


def write(name, kind, table):
    pq.write_table(table, OUT / f"{name}_{kind}.parquet", compression="zstd")


def doubles(columns, values):
    return pa.table({c: pa.array(np.asarray(values)[:, i], pa.float64())
                     for i, c in enumerate(columns)})


def keep(name, frame, label, rounds, depth, with_shap=True):
    data = xgb.DMatrix(frame, label, enable_categorical=True)
    model = xgb.train({"objective": "binary:logistic", "max_depth": depth, "seed": 1}, data, rounds)
    model.save_model(OUT / f"{name}.ubj")
    rows, background = frame.iloc[:ROWS], frame.iloc[ROWS:ROWS + BACKGROUND]
    write(name, "rows", pa.Table.from_pandas(rows, preserve_index=False))
    write(name, "background", pa.Table.from_pandas(background, preserve_index=False))
    part = data.slice(range(ROWS))
    columns = list(frame.columns)
    write(name, "contribs",
          doubles([*columns, "base value"], model.predict(part, pred_contribs=True)))
    both = model.predict(part, pred_interactions=True)
    pairs = [(i, j) for i in range(len(columns)) for j in range(i, len(columns))
             if np.abs(both[:, i, j]).max() > 0]
    write(name, "interactions", doubles([f"{columns[i]}*{columns[j]}" for i, j in pairs],
                                        np.stack([both[:, i, j] for i, j in pairs], 1)))
    if with_shap:
        explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
        write(name, "interventional", doubles(columns, explainer.shap_values(rows)))


def main():
    OUT.mkdir(exist_ok=True)
    adult = pq.read_table(HERE.parent.parent / "examples/adult/adult.parquet").to_pandas()
    rng = np.random.default_rng(0)
    z = adult.to_numpy()
    score = z @ rng.normal(size=z.shape[1]) + z[:, 0] * z[:, 1]
    keep("adult", adult.astype(float), (score > np.median(score)).astype(int), 20, 4)
    wdbc = pd.read_csv(sys.argv[1])
    label = (wdbc.pop("class") > 0).astype(int)
    keep("wdbc", wdbc.astype(float), label, 20, 5)
    n = 600
    frame = pd.DataFrame({
        "word": pd.Categorical.from_codes(rng.integers(0, 7, n), list("gfedcba")),
        "code": pd.Categorical.from_codes(rng.integers(0, 70, n), [f"k{i:02}" for i in range(70)]),
        "x": rng.normal(size=n).round(2), "y": rng.normal(size=n).round(2)})
    frame.loc[rng.random(n) < 0.1, "x"] = np.nan
    label = (frame.word.isin(["a", "d"]).astype(int) + (frame.code.cat.codes % 5 == 2)
             + (frame.x.fillna(0) * frame.y > 0)) > 1
    keep("categorical", frame, label.astype(int), 15, 5, with_shap=False)


main()
