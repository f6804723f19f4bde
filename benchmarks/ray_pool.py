"""The Adult job with a model that is a Python function, on Ray workers of this machine: windlass
beside the published design, shap's KernelExplainer in Ray actors. Also windlass on one node and on
two, and on threads of this process.

    PYTHONPATH=BUILD/python benchmarks/.envs/ray_serve_shap/bin/python benchmarks/ray_pool.py

https://github.com/alexcoca/DistributedKernelShap, its mode 'pool', written anew for Ray 2: actors
that hold an explainer, batches of 1, 5 and 10 rows by ray.util.ActorPool. Both sides have the same
function, background, groups, link and number of coalitions, and workers that are up: what is timed
is from rows to attributions. Sides take turns; errors are against the exact values. CPU seconds are
of all processes of this user's Ray. Writes results/DATE-ray-pool.json and .md.
"""

import argparse
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


def published(actors, rows, batch):
    pool = ray.util.ActorPool(actors)
    batches = [rows[i: i + batch] for i in range(0, len(rows), batch)]
    return np.concatenate(list(pool.map(lambda actor, part: actor.explain.remote(part), batches)))


def cpu_seconds(clusters):
    """Of this process, and of all that the nodes started."""
    seconds = sum(os.times()[:2])
    for cluster in clusters:
        for node in cluster.nodes:
            for pid in of_session(node.pid):
                try:
                    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                seconds += sum(map(int, fields[11:15])) / TICKS
    return seconds


def measure(repetitions, rows_ours, rows_theirs):
    predict, background, groups = make_predict(), table("background.parquet"), members()
    rows = table("adult.parquet")
    exact = windlass.Explainer(predict, background, groups=groups, link="logit",
                               method="exact")(rows[:rows_theirs]).values

    def explainer(engine, workers):
        return windlass.Explainer(predict, background, groups=groups, link="logit",
                                  method="kernel", nsamples=NSAMPLES, engine=engine,
                                  workers=workers)

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

        def once(name, work, count):
            cpu, begun = cpu_seconds([two]), time.perf_counter()
            values = work()
            wall = time.perf_counter() - begun
            error = np.asarray(values)[:rows_theirs].reshape(exact.shape) - exact
            samples.setdefault(name, []).append(
                {"wall_s_row": wall / count, "cpu_s_row": (cpu_seconds([two]) - cpu) / count,
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
        # The two sets of workers do not fit beside each other: peers first, then ours, A B A B.
        ours = {name: explainer(engine, workers) for name, engine, workers in (
            ("windlass, ray, 1 worker", two.engine, 1),)}
        local = explainer("local", 1)
        rounds({**{name: (lambda e=e: e(rows[:rows_ours]).values, rows_ours)
                   for name, e in ours.items()},
                "windlass, local, 1 worker": (lambda: local(rows[:rows_ours]).values, rows_ours)})
        ours.clear()
        pair = explainer(two.engine, 2)
        rounds({"windlass, ray, 2 workers on 2 nodes":
                (lambda: pair(rows[:rows_ours]).values, rows_ours)})
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
    ours = [run["wall_s_row"] for run in samples["windlass, ray, 2 workers on 2 nodes"]]
    lines.append("")
    for name, runs in samples.items():
        if name.startswith("published"):
            ratio = intervals.ratio_interval([run["wall_s_row"] for run in runs], ours)
            lines.append(f"- {name} over windlass, 2 workers: {intervals.written(*ratio)}")
    one = samples["windlass, ray, 1 worker"]
    for what, base in (("ray over local, 1 worker, wall", samples["windlass, local, 1 worker"]),):
        ratio = intervals.ratio_interval([run["wall_s_row"] for run in one],
                                         [run["wall_s_row"] for run in base])
        lines.append(f"- {what}: {intervals.written(*ratio)}")
    ratio = intervals.ratio_interval(
        [run["cpu_s_row"] for run in samples["windlass, ray, 2 workers on 2 nodes"]],
        [run["cpu_s_row"] for run in one])
    lines.append(f"- CPU seconds a row, 2 nodes over 1: {intervals.written(*ratio)}")
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
