"""Peer: shap 0.51.0's TreeExplainer, interventional or path dependent, values or interactions.

It gets the trees as a dict: given a Booster it would pass path dependent work on to XGBoost, which
is a peer of its own. The clock is of shap_values or shap_interaction_values.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402


def main():
    job = protocol.read_job()
    import numpy as np
    import shap

    import trees

    rows, background = (x.astype(np.float32) for x in trees.tables(job))
    model = trees.dictionary(job)
    with protocol.Clock() as setup:
        if job["mode"] == "path":
            explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        else:
            explainer = shap.TreeExplainer(model, background)
    with protocol.Clock() as clock:
        if job["interactions"]:
            values = explainer.shap_interaction_values(rows)
        else:
            values = explainer.shap_values(rows, check_additivity=False)
    trees.report(job, "shap051", setup, clock, np.asarray(values), [np, shap])


if __name__ == "__main__":
    main()
