"""Peer: exact Shapley values of a linear model by factored NumPy (see ../factored.py)."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "peers" / "data"


def golden_errors(rows_of_job, attributions, names):
    """Differences from the values that the tests keep, where the job has those rows."""
    import numpy as np
    import pyarrow.parquet as pq

    errors = {}
    table = pq.read_table(GOLDEN / "kernel_64.parquet")
    exact = np.stack([table[f"exact/{name}"].to_numpy() for name in names], axis=1)
    last = min(len(exact), rows_of_job.stop)
    if rows_of_job.start < last:
        errors["kernel_64"] = float(np.max(np.abs(
            attributions[:last - rows_of_job.start] - exact[rows_of_job.start:last])))
    for entry in json.loads((GOLDEN / "reference_rows.json").read_text())["rows"]:
        if entry["row"] in rows_of_job:
            found = attributions[entry["row"] - rows_of_job.start]
            errors[f"row {entry['row']}"] = float(np.max(np.abs(found - entry["attributions"])))
    return errors


def main():
    job = protocol.read_job()
    import numpy as np
    import pyarrow

    import factored

    rows, background, members, names, coef, intercept = protocol.load(job)
    with protocol.Clock() as clock:
        attributions = factored.exact_attributions(rows, background, members, coef, intercept)
    more = {}
    if job["data"] == protocol.DEFAULTS["data"]:
        where = range(job["first_row"], job["first_row"] + len(rows))
        more["golden_errors"] = golden_errors(where, attributions, names)
    # A sigmoid for every background row and coalition: the factoring saves exponentials only.
    evaluations = len(rows) * len(background) << len(members)
    protocol.report(job, "numpy_exact", clock, attributions, None, evaluations, [np, pyarrow],
                    **more)


if __name__ == "__main__":
    main()
