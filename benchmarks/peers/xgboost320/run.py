"""Peer: XGBoost 3.2.0's own pred_contribs and pred_interactions, path dependent.

The clock is of predict; the DMatrix is the loaded table.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402


def main():
    job = protocol.read_job()
    import numpy as np
    import xgboost

    import trees

    if job["mode"] != "path":
        sys.exit("xgboost320: XGBoost gives path dependent values only")
    rows = trees.tables(job)[0].astype(np.float32)
    with protocol.Clock() as setup:
        booster = xgboost.Booster({"nthread": job["threads"]}, model_file=job["model"])
        data = xgboost.DMatrix(rows, feature_names=booster.feature_names, nthread=job["threads"])
    with protocol.Clock() as clock:
        if job["interactions"]:
            values = booster.predict(data, pred_interactions=True)[:, :-1, :-1]
        else:
            values = booster.predict(data, pred_contribs=True)[:, :-1]
    trees.report(job, "xgboost320", setup, clock, values, [np, xgboost])


if __name__ == "__main__":
    main()
