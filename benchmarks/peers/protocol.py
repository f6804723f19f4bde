"""What every peer shares: one JSON job in, one JSON line out.

    python peers/NAME/run.py '{"rows": 8, "seed": 0}'

Keys of a job, all optional: `data`, `background`, `groups`, `model` (paths; the shipped Adult job),
`rows` and `first_row` (which rows to explain), `seed`, `threads` (1), `explain_class`, `save` (an
.npz file for the attributions), `reference` (true: compare with exact values, outside the clock).
Of trees (peers/trees.py): `mode` ("interventional" or "path"), `interactions` (true: of pairs).

The line has `peer`, `rows`, `wall_s` and `cpu_s` from loaded model and tables to attributions in
memory, `evaluations` (rows that the model predicted), `versions`, `libraries` (as threadpoolctl
sees them: which kernel the linear algebra uses) and, with `reference`, the error against exact.
"""

import json
import os
import pathlib
import platform
import sys
import time

THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                    "NUMBA_NUM_THREADS"]
ADULT = pathlib.Path(__file__).resolve().parents[2] / "examples" / "adult"
DEFAULTS = {
    "data": str(ADULT / "adult.parquet"),
    "background": str(ADULT / "background.parquet"),
    "groups": str(ADULT / "groups.json"),
    "model": str(ADULT / "model.json"),
    "rows": 8,
    "first_row": 0,
    "seed": 0,
    "threads": 1,
    "explain_class": 0,
    "save": None,
    "reference": True,
    "mode": "interventional",
    "interactions": False,
}


def read_job():
    """The job of the command line. Sets the thread counts, so call it before importing numpy."""
    job = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    unknown = set(job) - set(DEFAULTS)
    if unknown:
        sys.exit(f"unknown key {sorted(unknown)[0]!r}; known: {', '.join(DEFAULTS)}")
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(job.get("threads", 1))
    return DEFAULTS | job


def read_table(path, columns=None, start=0, count=None):
    """`count` rows from `start`, as doubles [rows, columns]; without `columns` all of them."""
    import numpy as np
    import pyarrow.parquet as pq

    found, skipped = [], 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=columns):
            rows = np.stack([column.to_numpy() for column in batch.columns] if columns is None
                            else [batch.column(name).to_numpy() for name in columns], axis=1)
            skip = min(max(start - skipped, 0), len(rows))
            skipped += len(rows)
            found.append(rows[skip:])
            if count is not None and sum(map(len, found)) >= count:
                break
    return np.ascontiguousarray(np.concatenate(found)[:count])


def load(job):
    """Returns (rows, background, member columns of each group, group names, coef, intercept)."""
    import numpy as np

    model = json.loads(pathlib.Path(job["model"]).read_text())
    if model.get("windlass") != "linear" or model["activation"] != "sigmoid":
        sys.exit(f"{job['model']}: peers take a linear model with one sigmoid output")
    groups = json.loads(pathlib.Path(job["groups"]).read_text())
    columns = model["columns"]
    members = [[columns.index(name) for name in names] for names in groups.values()]
    rows = read_table(job["data"], columns, job["first_row"], job["rows"])
    background = read_table(job["background"], columns)
    return (rows, background, members, list(groups), np.array(model["coef"]),
            float(model["intercept"]))


class Clock:
    """Wall and CPU seconds of a `with` block."""

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = time.process_time() - self._cpu


def report(job, peer, clock, attributions, exact, evaluations, modules, **more):
    """Prints the line. attributions, exact: [rows, groups]; exact may be None."""
    import numpy as np
    import threadpoolctl

    line = {"peer": peer, "rows": len(attributions), "first_row": job["first_row"],
            "seed": job["seed"], "threads": job["threads"], "wall_s": clock.wall_s,
            "cpu_s": clock.cpu_s, "evaluations": evaluations,
            "versions": {"python": platform.python_version()}
            | {module.__name__: module.__version__ for module in modules},
            "libraries": [{key: library.get(key) for key in
                           ("internal_api", "version", "architecture", "num_threads")}
                          for library in threadpoolctl.threadpool_info()]}
    if exact is not None:
        error = attributions - exact
        line["rms_error_vs_exact"] = float(np.sqrt(np.mean(error ** 2)))
        line["max_error_vs_exact"] = float(np.max(np.abs(error)))
    if job["save"]:
        np.savez(job["save"], attributions=attributions, first_row=job["first_row"])
    print(json.dumps(line | more))
