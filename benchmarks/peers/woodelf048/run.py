"""Peer: woodelf_explainer 0.4.8, interventional or path dependent, on XGBoost's Booster.

The clock is of shap_values; reading the Booster into woodelf's own trees counts as loading. Tables
are doubles: with float32 it takes longer.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402


def main():
    job = protocol.read_job()
    import numpy as np
    import pandas as pd
    import woodelf
    import xgboost

    import trees

    if job["interactions"]:
        sys.exit("woodelf048: this runner gives first-order values")
    booster = xgboost.Booster(model_file=job["model"])
    rows, background = (pd.DataFrame(x, columns=booster.feature_names) for x in trees.tables(job))
    with protocol.Clock() as setup:
        if job["mode"] == "path":
            explainer = woodelf.WoodelfExplainer(booster,
                                                 feature_perturbation="tree_path_dependent")
        else:
            explainer = woodelf.WoodelfExplainer(booster, background)
    with protocol.Clock() as clock:
        values = explainer.shap_values(rows, verbose=False)
    trees.report(job, "woodelf048", setup, clock, np.asarray(values), [np, pd, woodelf, xgboost])


if __name__ == "__main__":
    main()
