#!/usr/bin/env python3
"""Which features scikit-learn's least-angle regression selects, as a reference for tests.

    pip install numpy scikit-learn; python make_selection.py

Writes selection.json beside this file: random KernelSHAP problems (pairs of coalitions with their
weights, values of the game), each with the features that shap's l1_reg would choose: it solves the
weighted problem, augmented by the constraint on the sum, with lars_path for num_features(k) and
with StandardScaler(with_mean=False) and LassoLarsIC for aic and bic. One path per kind is written
too, corner by corner.
"""

import json
import math
import pathlib

import numpy as np
from sklearn.linear_model import LassoLarsIC, lars_path
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def problem(rng, players, pairs):
    """Distinct coalitions, half of them complements of the others; a noisy sparse game."""
    masks = set(1 << p for p in range(players))
    everyone = (1 << players) - 1
    while len(masks) < pairs:
        mask = sum(1 << p for p in range(players) if rng.uniform() < 0.5)
        if mask not in (0, everyone) and everyone ^ mask not in masks:
            masks.add(mask)
    masks = sorted(masks)
    members = np.array([[(mask >> p) & 1 for p in range(players)] for mask in masks], float)
    sizes = members.sum(axis=1)
    weights = (players - 1) / (sizes * (players - sizes)) * rng.uniform(0.5, 1.5, len(masks))
    weights /= 2 * weights.sum()
    effects = rng.normal(size=players) * (rng.uniform(size=players) < 0.5)
    pair_effects = rng.normal(size=(players, players)) * 0.1

    def value(z):
        return z @ effects + np.einsum("ni,ij,nj->n", z, pair_effects, z)

    noise = rng.normal(size=(2, len(masks))) * 0.05
    inside, outside = value(members) + noise[0], value(1 - members) + noise[1]
    return masks, members, weights, inside, outside, float(value(np.ones((1, players)))[0])


def augmented(members, weights, inside, outside, total):
    z = np.vstack([members, 1 - members])
    w = np.concatenate([weights, weights])
    y = np.concatenate([inside, outside])
    sizes = z.sum(axis=1)
    root = np.sqrt(np.concatenate([w * (z.shape[1] - sizes), w * sizes]))
    return root[:, None] * np.vstack([z, z - 1]), root * np.concatenate([y, y - total])


def main():
    rng = np.random.default_rng(0)
    cases = []
    for players, pairs in [(3, 3), (5, 15), (8, 60), (12, 200), (12, 40), (20, 90), (70, 200)]:
        masks, members, weights, inside, outside, total = problem(rng, players, pairs)
        x, y = augmented(members, weights, inside, outside, total)
        case = {
            "players": players,
            "masks": [f"{mask:x}" for mask in masks],
            "weights": weights.tolist(), "inside": inside.tolist(), "outside": outside.tolist(),
            "total": total,
            "num_features": {str(k): sorted(int(i) for i in lars_path(x, y, max_iter=k)[1])
                             for k in sorted({1, 2, players // 2, players})},
        }
        for criterion in ["aic", "bic"]:
            model = make_pipeline(StandardScaler(with_mean=False), LassoLarsIC(criterion=criterion))
            case[criterion] = [int(i) for i in np.nonzero(model.fit(x, y)[1].coef_)[0]]
        if players <= 12:
            case["lasso_path"] = lars_path(x, y, method="lasso")[2].T.tolist()
            case["lar_path"] = lars_path(x, y, method="lar")[2].T.tolist()
        cases.append(case)
    path = pathlib.Path(__file__).with_name("selection.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
