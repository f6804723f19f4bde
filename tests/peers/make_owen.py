"""Makes data/owen: Owen values of a binary hierarchy by shap 0.51.0's PartitionExplainer.

    python make_owen.py     (needs shap)

model.json: a linear model under a sigmoid; rows.csv, background.csv; tree.json: a random binary
hierarchy of the columns; shap.json: by row, what PartitionExplainer says when it may evaluate every
coalition of the hierarchy (max_evals beyond their number), in probability.
"""

import json
import pathlib

import numpy as np
import shap

OUT = pathlib.Path(__file__).resolve().parent / "data/owen"
COLUMNS, BACKGROUND, ROWS = 11, 7, 6


def random_tree(random):
    """A linkage matrix as scipy's, and the same as a document for --coalitions."""
    clusters = [(i, 1, f"c{i}") for i in range(COLUMNS)]
    linkage = []
    while len(clusters) > 1:
        i, j = sorted(random.choice(len(clusters), 2, replace=False))
        (a, a_size, a_tree), (b, b_size, b_tree) = clusters[i], clusters[j]
        node = COLUMNS + len(linkage)
        linkage.append([a, b, len(linkage) + 1.0, a_size + b_size])
        rest = [cluster for k, cluster in enumerate(clusters) if k not in (i, j)]
        clusters = [*rest, (node, a_size + b_size, {f"n{node}": [a_tree, b_tree]})]
    return np.array(linkage), clusters[0][2]


def main():
    random = np.random.default_rng(5)
    background = random.normal(size=(BACKGROUND, COLUMNS)).round(4)
    rows = random.normal(size=(ROWS, COLUMNS)).round(4)
    background[0, 3] = rows[0, 3]
    background[:, 5] = rows[1, 5]  # column 5 does not vary for row 1
    coef, intercept = random.normal(size=COLUMNS).round(3), 0.3
    linkage, tree = random_tree(random)
    names = [f"c{i}" for i in range(COLUMNS)]

    def predict(x):
        return 1 / (1 + np.exp(-(x @ coef + intercept)))

    explainer = shap.PartitionExplainer(predict,
                                        shap.maskers.Partition(background, clustering=linkage))
    values = explainer(rows, max_evals=100_000, silent=True).values
    OUT.mkdir(parents=True, exist_ok=True)
    for name, table in (("rows", rows), ("background", background)):
        np.savetxt(OUT / f"{name}.csv", table, "%.4f", ",", header=",".join(names), comments="")
    for name, document in (
            ("model", {"windlass": "linear", "version": 1, "activation": "sigmoid",
                       "columns": names, "outputs": ["yes"], "coef": coef.tolist(),
                       "intercept": intercept}),
            ("tree", tree),
            ("shap", dict(zip(names, values.T.tolist())))):
        (OUT / f"{name}.json").write_text(json.dumps(document) + "\n")


main()
