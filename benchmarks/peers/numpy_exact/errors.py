"""Errors of attributions against exact values, for several runs at once.

    python errors.py '{"files": {"windlass": [..], "shap051": [..]}, "rows": 2560}'

Files are attributions.parquet of `windlass explain` or the .npz that a peer saves. Exact values are
computed for the first `rows` rows of the shipped Adult job, or of `data`. Prints one
JSON line: for each name the RMS error of every file, the RMS over all files with a 95 % bootstrap
interval over rows, the largest error, and the same over the rows that all names have (`common`), so
that names with fewer rows can be compared.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import protocol  # noqa: E402

RESAMPLES = 4000


def read_attributions(path, groups):
    """Returns (index of the first row, attributions [rows, groups]); no row may be missing."""
    import numpy as np
    import pyarrow.parquet as pq

    if path.endswith(".npz"):
        with np.load(path) as file:
            return int(file["first_row"]), file["attributions"]
    table = pq.read_table(path)
    if len(set(table["output"].to_pylist())) != 1:
        sys.exit(f"{path}: expected the rows of one output")
    order = np.argsort(table["row"].to_numpy(), kind="stable")
    index = table["row"].to_numpy()[order]
    if not np.array_equal(index, np.arange(index[0], index[0] + len(index))):
        sys.exit(f"{path}: rows are missing or stand twice")
    return int(index[0]), np.stack([table[name].to_numpy() for name in groups], axis=1)[order]


def summary(squares):
    """squares: squared errors [files, rows, groups]."""
    import numpy as np

    by_row = squares.mean(axis=(0, 2))
    draws = np.random.Generator(np.random.Philox(key=0)).integers(
        len(by_row), size=(RESAMPLES, len(by_row)))
    means = np.sqrt(by_row[draws].mean(axis=1))
    return {"rows": len(by_row), "runs": len(squares),
            "rms_by_run": [float(v) for v in np.sqrt(squares.mean(axis=(1, 2)))],
            "rms": float(np.sqrt(by_row.mean())),
            "rms_interval": [float(v) for v in np.quantile(means, [0.025, 0.975])],
            "max": float(np.sqrt(squares.max()))}


def main():
    request = json.loads(sys.argv[1])
    job = protocol.DEFAULTS | {key: request[key] for key in ("data", "rows") if key in request}
    import numpy as np

    import factored

    rows, background, members, groups, coef, intercept = protocol.load(job)
    exact = factored.exact_attributions(rows, background, members, coef, intercept)
    squares, first_rows = {}, {}
    for name, files in request["files"].items():
        runs = [read_attributions(path, groups) for path in files]
        first, count = runs[0][0], len(runs[0][1])
        if any(run[0] != first or len(run[1]) != count for run in runs):
            sys.exit(f"{name}: its runs do not explain the same rows")
        if first >= len(exact):
            sys.exit(f"{name}: explains no row of the first {len(exact)}")
        truth = exact[first:first + count]
        squares[name] = np.stack([(run[1][:len(truth)] - truth) ** 2 for run in runs])
        first_rows[name] = first
    result = {name: summary(found) for name, found in squares.items()}
    start = max(first_rows.values())
    stop = min(first_rows[name] + found.shape[1] for name, found in squares.items())
    if start < stop:
        for name, found in squares.items():
            common = found[:, start - first_rows[name]:stop - first_rows[name]]
            result[name]["common"] = summary(common)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
