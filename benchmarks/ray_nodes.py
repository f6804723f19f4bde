"""What more workers and more nodes cost: CPU seconds a row of the Adult job with a model that is a
Python function, on one Ray node and on two, beside threads of one process.

    PYTHONPATH=BUILD/python benchmarks/.envs/ray_serve_shap/bin/python benchmarks/ray_nodes.py

Two clusters of this machine's cores, one of a node and one of two, and a process for each side,
which holds an explainer whose workers are up. Sides take turns. CPU seconds are of a side's process
and its whole cluster. Writes results/DATE-ray-nodes.json and .md.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

import intervals
import machine
import ray_pool
from ray_cluster import Cluster

ONE, ONE_PAIR, TWO = "1 node, 1 worker", "1 node, 2 workers", "2 nodes, 2 workers"
THREAD, THREADS = "no Ray, 1 thread", "no Ray, 2 threads"


def serve(engine, workers, count):
    """A side's process: explains once for each line that it reads."""
    explainer = ray_pool.explainer(engine, int(workers))
    rows = ray_pool.table("adult.parquet")[:int(count)]
    explainer(rows)
    print("ready", flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        explainer(rows)
        print(time.perf_counter() - begun, flush=True)


class Side:
    def __init__(self, engine, workers, rows, cluster=None):
        self._cluster, self._rows = cluster, rows
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--side", engine, str(workers), str(rows)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise SystemExit(f"the side {engine} did not start")

    def once(self):
        before = self._cpu_seconds()
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        wall = float(self._process.stdout.readline())
        return {"wall_s_row": wall / self._rows,
                "cpu_s_row": (self._cpu_seconds() - before) / self._rows}

    def _cpu_seconds(self):
        others = ray_pool.processes_of(self._cluster) if self._cluster else []
        return ray_pool.cpu_seconds([self._process.pid, *others])

    def close(self):
        self._process.stdin.close()
        self._process.wait(60)


def measure(repetitions, rows):
    one, two, sides = Cluster(cpus=(3,)), None, {}
    try:
        two = Cluster(cpus=(1, 1))
        for name, engine, workers, cluster in (
                (ONE, one.engine, 1, one), (ONE_PAIR, one.engine, 2, one), (TWO, two.engine, 2, two),
                (THREAD, "local", 1, None), (THREADS, "local", 2, None)):
            sides[name] = Side(engine, workers, rows, cluster)
        samples = {name: [] for name in sides}
        for _ in range(repetitions):
            for name, side in sides.items():
                samples[name].append(side.once())
        return samples
    finally:
        for side in sides.values():
            side.close()
        one.close()
        if two:
            two.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--rows", type=int, default=2560)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        serve(*options.side)
        return
    os.environ["WINDLASS_HOME"] = tempfile.mkdtemp(prefix="windlass-benchmark-")
    facts = machine.describe(ray_pool.HERE.parent)
    samples = measure(options.repetitions, options.rows)

    def column(name, key):
        return [run[key] for run in samples[name]]

    lines = ["| side | wall ms a row | CPU ms a row |", "| --- | --- | --- |"]
    for name in samples:
        cells = [intervals.written(*intervals.median_interval(
            [1e3 * value for value in column(name, key)])) for key in ("wall_s_row", "cpu_s_row")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    for over, under in ((TWO, ONE_PAIR), (TWO, ONE), (ONE_PAIR, ONE), (THREADS, THREAD),
                        (ONE, THREAD)):
        for key, what in (("cpu_s_row", "CPU"), ("wall_s_row", "wall")):
            ratio = intervals.ratio_interval(column(over, key), column(under, key))
            lines.append(f"- {what} a row, {over} over {under}: {intervals.written(*ratio)}")
    text = "\n".join(lines)
    print(text)
    stem = ray_pool.HERE / "results" / f"{datetime.date.today()}-ray-nodes"
    stem.with_suffix(".json").write_text(json.dumps(
        {"machine": facts, "rows": options.rows, "samples": samples}, indent=1) + "\n")
    stem.with_suffix(".md").write_text(
        f"# One Ray node and two, {options.repetitions} interleaved repetitions of {options.rows} "
        f"rows\n\n{text}\n")


if __name__ == "__main__":
    main()
