#!/usr/bin/env python3
"""Fills the built sweep page with made-up data, for the page's own tests and for working on it.

Usage: make_sweep.py CASE OUT.html      (see CASES below)

Writes the data format a second time, independently of src/windlass/bench/results.cc.
"""

import json
import pathlib
import random
import statistics
import sys

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "web" / "dist" / "sweep.html"
HOSTILE = "</script><script>alert(1)</script>"


def page(document):
    text = json.dumps(document, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    before, after = TEMPLATE.read_text(encoding="utf-8").split("__WINDLASS_DATA__")
    return before + text + after


def build(workers, batches, runs, *, cores=8, keep=None, scale=1.0, name="rows.parquet", seed=1):
    """Amdahl's law with noise and a cost a task. keep: how many runs were done when stopped."""
    rng = random.Random(seed)
    samples = []
    for run in range(1, runs + 1):
        for count in workers:
            for batch in batches:
                compute = scale * (0.01 + (0.4 + 0.5 / batch) / min(count, cores))
                compute *= rng.uniform(0.97, 1.12)
                samples.append({
                    "workers": count, "batch": batch, "run": run, "rows": 2560,
                    "tasks": -(-2560 // batch), "method": "linear",
                    "wall_s": compute + 0.08 * scale, "cpu_s": compute * count + 0.08 * scale,
                    "compute_wall_s": compute, "compute_cpu_s": compute * count,
                    "job": f"job-{len(samples)}", "started_ms": 1_767_323_045_000})
    samples = samples[:keep]
    summary = []
    for batch in batches:
        alone = [s["wall_s"] for s in samples if (s["workers"], s["batch"]) == (1, batch)]
        for count in workers:
            own = [s for s in samples if (s["workers"], s["batch"]) == (count, batch)]
            if not own:
                continue
            def spread(key):
                values = [s[key] for s in own]
                return {"median": statistics.median(values), "min": min(values),
                        "max": max(values)}
            median = spread("wall_s")["median"]
            summary.append({
                "workers": count, "batch": batch, "runs": len(own), "wall_s": spread("wall_s"),
                "compute_wall_s": spread("compute_wall_s"),
                "median_cpu_s": spread("cpu_s")["median"], "rows_per_s": 2560 / median,
                "speed_up": statistics.median(alone) / median if alone else None})
    return {
        "windlass_sweep": 1, "kind": "explain", "started": "2026-01-02T03:04:05Z",
        "stopped": None if keep is None else "interrupted",
        "spec": {"kind": "explain", "model": "linear:model.json", "data": name, "link": "logit"},
        "method": "linear", "reason": "the model is linear", "engine": "local", "memo": False,
        "workers": list(workers), "batches": list(batches), "nruns": runs,
        "machine": {"host": "host", "cpu": "A Processor @ 3.00GHz", "cores": cores,
                    "system": "Linux 6.1 x86_64", "load_before": 0.2},
        "versions": {"windlass": "0.1.0", "build": "0123456789abcdef", "model_library": ""},
        "warm_up": [], "samples": samples, "summary": summary}


def both_modes(engine="cluster demo"):
    """As on a cluster: each number of workers, and on it jobs and a service."""
    document = build((1, 2, 4), (1, 10), 3, cores=2)
    other = build((1, 2, 4), (1, 10), 3, cores=2, scale=1.7, seed=2)
    for part in ("samples", "summary"):
        document[part] = [{**one, "mode": mode} for mode, source in (("pool", document), ("serve", other))
                          for one in source[part]]
    return {**document, "mode": "both", "batching": "ray", "engine": engine}


CASES = {
    "published": lambda: build((1, 2, 4, 8), (1, 5, 10), 5),
    "many": lambda: build(range(1, 33), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048), 3,
                          cores=16),
    "largest-only": lambda: build((4,), (1, 5, 10), 3),
    "one-run": lambda: build((2,), (5,), 1),
    "stopped": lambda: build((1, 2, 4), (1, 10), 3, keep=7),
    "without-one": lambda: build((2, 3), (1, 10), 3, cores=2),
    "slow": lambda: build((1, 2), (1,), 2, scale=5000),
    "fast": lambda: build((1, 2), (1,), 2, scale=1e-4),
    "both": both_modes,
    "hostile": lambda: build((1, 2), (1,), 2, name=HOSTILE),
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(f"usage: make_sweep.py {{{','.join(CASES)}}} OUT.html")
    pathlib.Path(sys.argv[2]).write_text(page(CASES[sys.argv[1]]()), encoding="utf-8")
