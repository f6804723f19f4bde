"""The Adult job with a model that is a Python function, on Ray workers of this machine: windlass
beside the published design, shap's KernelExplainer in Ray actors.

    PYTHONPATH=BUILD/python benchmarks/.envs/ray_serve_shap/bin/python benchmarks/ray_pool.py

https://github.com/alexcoca/DistributedKernelShap, its mode 'pool', written anew for Ray 2: actors
that hold an explainer, batches of 1, 5 and 10 rows by ray.util.ActorPool. Both sides have the same
function, background, groups, link and number of coalitions, and workers that are up: what is timed
is from rows to attributions. Sides take turns; errors are against the exact values. CPU seconds are
of all processes of this user's Ray. Writes results/DATE-ray-pool.json and .md.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import sys
import tempfile
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests/ray")]
import intervals  # noqa: E402
import machine  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from ray_cluster import ENVIRONMENT, Cluster, of_session  # noqa: E402

os.environ.update({**ENVIRONMENT, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
import ray  # noqa: E402
import windlass  # noqa: E402

ADULT = HERE.parent / "examples/adult"
NSAMPLES = 2 * 12 + 2048  # shap's own choice for 12 groups
TICKS = os.sysconf("SC_CLK_TCK")


def table(name):
    read = pq.read_table(ADULT / name)
    return np.stack([read[column].to_numpy() for column in read.column_names], axis=1)


def make_predict():
    model = json.loads((ADULT / "model.json").read_text())
    coef, intercept = np.ravel(model["coef"]), np.ravel(model["intercept"])[0]

    def predict(x):
        return 1 / (1 + np.exp(-(np.asarray(x, dtype=float) @ coef + intercept)))

    return predict


def members():
    names = pq.read_schema(ADULT / "background.parquet").names
    groups = json.loads((ADULT / "groups.json").read_text())
    return {group: [names.index(c) if isinstance(c, str) else c for c in columns]
            for group, columns in groups.items()}


@ray.remote(num_cpus=1)
class Actor:
    def __init__(self, predict, background, groups):
        import shap
        from shap.utils._legacy import DenseData

        warnings.filterwarnings("ignore", module="shap")
        self._explainer = shap.KernelExplainer(
            predict, DenseData(background, list(groups), list(groups.values())), link="logit")

    def explain(self, rows):
        return self._explainer.shap_values(rows, nsamples=NSAMPLES, l1_reg=0, silent=True)


def explainer(engine, workers):
    return windlass.Explainer(make_predict(), table("background.parquet"), groups=members(),
                              link="logit", method="kernel", nsamples=NSAMPLES, engine=engine,
                              workers=workers)


def published(actors, rows, batch):
    pool = ray.util.ActorPool(actors)
    batches = [rows[i: i + batch] for i in range(0, len(rows), batch)]
    return np.concatenate(list(pool.map(lambda actor, part: actor.explain.remote(part), batches)))


def cpu_seconds(processes):
    """Of processes and of their children that have ended."""
    seconds = 0.0
    for pid in processes:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += sum(map(int, fields[11:15])) / TICKS
    return seconds


def processes_of(cluster):
    return [pid for node in cluster.nodes for pid in of_session(node.pid)]


def measure(repetitions, rows_ours, rows_theirs):
    predict, background, groups = make_predict(), table("background.parquet"), members()
    rows = table("adult.parquet")
    exact = windlass.Explainer(predict, background, groups=groups, link="logit",
                               method="exact")(rows[:rows_theirs]).values

    two = Cluster(cpus=(1, 1))
    try:
        ray.init(address=two.address, log_to_driver=False, logging_level="ERROR")
        actors = [Actor.remote(predict, background, groups) for _ in range(2)]
        published(actors, rows[:4], 1)
        ray.get([actor.__ray_ready__.remote() for actor in actors])
        peers = {f"published, 2 actors, batch {batch}":
                 (lambda batch=batch: published(actors, rows[:rows_theirs], batch), rows_theirs)
                 for batch in (1, 5, 10)}
        samples = {}

        def processes():
            return [os.getpid(), *processes_of(two)]

        def once(name, work, count):
            cpu, begun = cpu_seconds(processes()), time.perf_counter()
            values = work()
            wall = time.perf_counter() - begun
            error = np.asarray(values)[:rows_theirs].reshape(exact.shape) - exact
            samples.setdefault(name, []).append(
                {"wall_s_row": wall / count, "cpu_s_row": (cpu_seconds(processes()) - cpu) / count,
                 "rms_error": float(np.sqrt(np.mean(error ** 2)))})

        def rounds(sides):
            for _, (work, _) in sides.items():
                work()
            for _ in range(repetitions):
                for name, (work, count) in sides.items():
                    once(name, work, count)

        rounds(peers)
        for actor in actors:
            ray.kill(actor)
        # The two sets of workers do not fit beside each other: peers first, then ours.
        pair = explainer(two.engine, 2)
        rounds({"windlass, 2 workers": (lambda: pair(rows[:rows_ours]).values, rows_ours)})
        return samples
    finally:
        two.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--rows", type=int, default=1280, help="of windlass")
    parser.add_argument("--peer-rows", type=int, default=64)
    parser.add_argument("--name", default="ray-pool")
    options = parser.parse_args()
    os.environ["WINDLASS_HOME"] = tempfile.mkdtemp(prefix="windlass-benchmark-")
    facts = machine.describe(HERE.parent)
    samples = measure(options.repetitions, options.rows, options.peer_rows)
    lines = ["| side | wall s a row | CPU s a row | RMS error |", "| --- | --- | --- | --- |"]
    for name, runs in samples.items():
        cells = [intervals.written(*intervals.median_interval([run[key] for run in runs]))
                 for key in ("wall_s_row", "cpu_s_row", "rms_error")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    ours = [run["wall_s_row"] for run in samples["windlass, 2 workers"]]
    lines.append("")
    for name, runs in samples.items():
        if name.startswith("published"):
            ratio = intervals.ratio_interval([run["wall_s_row"] for run in runs], ours)
            lines.append(f"- {name} over windlass, 2 workers: {intervals.written(*ratio)}")
    text = "\n".join(lines)
    print(text)
    stem = HERE / "results" / f"{datetime.date.today()}-{options.name}"
    stem.with_suffix(".json").write_text(json.dumps(
        {"machine": facts, "windlass": windlass.__version__, "ray": ray.__version__,
         "nsamples": NSAMPLES, "rows": options.rows, "peer_rows": options.peer_rows,
         "samples": samples}, indent=1) + "\n")
    stem.with_suffix(".md").write_text(
        f"# Adult with a Python function as its model, on Ray workers\n\n{text}\n")


if __name__ == "__main__":
    main()
