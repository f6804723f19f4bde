"""Peer: fasttreeshap 0.1.6, algorithm v2, path dependent.

It cannot read what XGBoost 3 writes, so it gets the trees as a dict. The clock is of shap_values,
in which v2 makes its tables.
"""

import pathlib
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402


def main():
    job = protocol.read_job()
    warnings.filterwarnings("ignore")
    import fasttreeshap
    import numpy as np

    import trees

    if job["interactions"] or job["mode"] != "path":
        sys.exit("fasttreeshap016: this runner gives path dependent first-order values")
    rows = trees.tables(job)[0].astype(np.float32)
    model = trees.dictionary(job)
    with protocol.Clock() as setup:
        explainer = fasttreeshap.TreeExplainer(model, algorithm="v2", n_jobs=job["threads"])
    with protocol.Clock() as clock:
        values = explainer.shap_values(rows, check_additivity=False)
    trees.report(job, "fasttreeshap016", setup, clock, values, [np, fasttreeshap])


if __name__ == "__main__":
    main()
