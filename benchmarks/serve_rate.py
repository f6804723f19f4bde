#!/usr/bin/env python3
"""Requests a second of services that predict and explain single rows of the Adult job.

    benchmarks/setup_peers.sh ray_serve_shap && scripts/test_env.sh oip MLServer
    WINDLASS_PYTHON=PYTHON_WITH_RAY PYTHONPATH=BUILD/python \
        PYTHON_WITH_PYARROW benchmarks/serve_rate.py

Sides: windlass here and on Ray (2 replicas each), the published design on Ray Serve (2 replicas of
shap's KernelExplainer, whose values are sampled), MLServer (a scikit-learn model; predictions only).
wrk (apt) sends single rows over 16 connections from this same machine. All sides stay up and are
loaded in turn (A B C A B C ...), so that what else runs hurts all; CPU seconds are those of all a
side's processes, which are told by their environment. Writes results/DATE-serve.json and .md.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import intervals
import machine

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
ADULT = ROOT / "examples" / "adult"
PEER = HERE / ".envs/ray_serve_shap/bin/python"
MLSERVER = ROOT / "build/oip-env/bin"
MARK = "WINDLASS_BENCHMARK_SIDE"
CONNECTIONS = 16
START_SECONDS = 180
TICKS = os.sysconf("SC_CLK_TCK")
LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
"""


class Side:
    def __init__(self, name, command, operations, ready, environment=None):
        self.name, self.command, self.operations, self.ready = name, command, operations, ready
        self.environment = environment or {}  # operations: from name to (address, body)
        self.process = None
        self.slow_explain = False

    def start(self, folder):
        log = folder / (self.name.replace(" ", "-") + ".log")
        env = {**os.environ, MARK: self.name, "WINDLASS_HOME": str(folder / "home"),
               "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
               "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **self.environment}
        with open(log, "wb") as out:
            self.process = subprocess.Popen([str(part) for part in self.command], env=env,
                                            stdout=out, stderr=out, cwd=folder)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready(log.read_text(errors="replace")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.name} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self):
        """Of all processes that have the side's mark, and of their children that have ended."""
        mark = f"{MARK}={self.name}".encode()
        seconds = 0.0
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    seconds += sum(map(int, fields[11:15])) / TICKS
        return seconds


def row_of(count=1):
    import pyarrow.parquet as pq

    table = pq.read_table(ADULT / "adult.parquet").slice(0, count)
    columns = [table[name].to_pylist() for name in table.column_names]
    return [[column[r] for column in columns] for r in range(count)]


def answers(url):
    def ready(_):
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False
    return ready


def make_mlserver(folder, ports):
    """A folder with the linear model as scikit-learn's."""
    models = folder / "models"
    (models / "adult").mkdir(parents=True)
    subprocess.run([MLSERVER / "python", "-c", (
        "import json, sys, joblib, numpy as np\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "m = json.load(open(sys.argv[1])); model = LogisticRegression()\n"
        "model.classes_ = np.array([0, 1]); model.coef_ = np.reshape(m['coef'], (1, -1))\n"
        "model.intercept_ = np.ravel(m['intercept']); model.n_features_in_ = 49\n"
        "joblib.dump(model, sys.argv[2])"), ADULT / "model.json", models / "adult/model.joblib"],
        check=True)
    (models / "adult/model-settings.json").write_text(json.dumps(
        {"name": "adult", "implementation": "mlserver_sklearn.SKLearnModel",
         "parameters": {"uri": "./model.joblib"}}))
    # parallel_workers 0 serves in one process, which is faster here than one worker beside it.
    (models / "settings.json").write_text(json.dumps(
        {"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1],
         "metrics_port": ports[2], "debug": False, "parallel_workers": 0}))
    return models


def make_sides(arguments, folder):
    rows = row_of()
    tensor = {"inputs": [{"name": "rows", "shape": [1, len(rows[0])], "datatype": "FP64",
                          "data": rows[0]}]}
    explain = ["serve", "explain", "--model", ADULT / "model.json", "--background",
               ADULT / "background.parquet", "--groups", ADULT / "groups.json", "--link", "logit",
               "--name", "adult", "--replicas", "2"]

    def windlass(name, port, *more):
        base = f"http://127.0.0.1:{port}/v2"
        return Side(name, [arguments.windlass, *explain, "--port", port, *more],
                    {o: (f"{base}/models/adult/{o}", tensor) for o in ("infer", "explain")},
                    answers(f"{base}/health/ready"))

    first = arguments.port
    array = {"array": rows}
    predict = {**tensor, "outputs": [{"name": "predict_proba"}]}
    mlserver = f"http://127.0.0.1:{first + 3}/v2"
    return [
        windlass("windlass", first),
        windlass("windlass on Ray", first + 1, "--engine", "ray:local"),
        Side("published design on Ray Serve", [PEER, HERE / "peers/ray_serve_shap/app.py",
                                              first + 2, 2],
             {o: (f"http://127.0.0.1:{first + 2}/{o}", array) for o in ("infer", "explain")},
             lambda log: "ready" in log.split(), {"PYTHONPATH": ""}),
        Side("MLServer", [MLSERVER / "mlserver", "start",
                          make_mlserver(folder, range(first + 3, first + 6))],
             {"infer": (f"{mlserver}/models/adult/infer", predict)},
             answers(f"{mlserver}/models/adult/ready"), {"PYTHONPATH": ""}),
    ]


def load(side, operation, seconds, folder):
    """One sample: wrk for so many seconds."""
    address, body = side.operations[operation]
    script = folder / "request.lua"
    script.write_text(LUA.format(body="[==[" + json.dumps(body) + "]==]"))
    before = side.cpu_seconds()
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s",
         script, address], capture_output=True, text=True, check=True)
    cpu = side.cpu_seconds() - before
    text = done.stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*[1-9]", text)
    if failed:
        raise SystemExit(f"{side.name}, {operation}: {failed[0]}")
    units = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}
    percentile = {p: float(v) * units[u] for p, v, u in
                  re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m) *\n", text)}
    requests = int(re.search(r"(\d+) requests in", text)[1])
    if requests == 0:
        raise SystemExit(f"{side.name}, {operation}: no answer within {seconds} s")
    return {"requests": requests,
            "requests_per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p50_s": percentile["50"], "p99_s": percentile["99"],
            "cpu_s_per_request": cpu / max(1, requests)}


def seconds_of(arguments, side, operation):
    """Sampled explanations take so long that few would come in the time of the others."""
    return arguments.seconds * (4 if operation == "explain" and side.slow_explain else 1)


def written(values, scale=1.0):
    middle, interval = intervals.median_interval([scale * v for v in values])
    return intervals.written(middle, interval)


def render(result):
    lines = [f"# Serving single rows of the Adult job, {result['date']}", "",
             f"{result['repetitions']} interleaved repetitions of {result['seconds']} s, wrk over "
             f"{CONNECTIONS} connections on the same machine: medians [95 % intervals].", ""]
    for operation in ("infer", "explain"):
        sides = result["samples"][operation]
        ours = [s["requests_per_s"] for s in sides["windlass"]]
        lines += [f"## /{operation}", "",
                  "| side | requests/s | p50, ms | p99, ms | CPU, us a request | windlass is |",
                  "| --- | --- | --- | --- | --- | --- |"]
        for name, samples in sides.items():
            of = lambda key: [s[key] for s in samples]  # noqa: E731, B023
            ratio = intervals.written(*intervals.ratio_interval(ours, of("requests_per_s")))
            lines.append(f"| {name} | {written(of('requests_per_s'))} | {written(of('p50_s'), 1e3)}"
                         f" | {written(of('p99_s'), 1e3)} | "
                         f"{written(of('cpu_s_per_request'), 1e6)} | {ratio}x |")
        lines.append("")
    lines += ["The published design's attributions are sampled (2,072 coalitions); ours are exact.",
              "", "Waiting for a core before the first repetition: "
              f"{result['waiting']:.1f} processes (load average of the last minute).", "",
              *(f"- {key}: {value}" for key, value in result["machine"].items())]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windlass", type=pathlib.Path,
                        default=ROOT / "build/release/bin/windlass")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--port", type=int, default=18100)
    parser.add_argument("--only", nargs="*", help="names of sides")
    arguments = parser.parse_args()
    date = datetime.date.today().isoformat()
    result = {"date": date, "repetitions": arguments.repetitions, "seconds": arguments.seconds,
              "waiting": os.getloadavg()[0], "machine": machine.describe(ROOT),
              "samples": {"infer": {}, "explain": {}}}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sides = make_sides(arguments, folder)
        sides[2].slow_explain = True
        if arguments.only:
            sides = [side for side in sides if side.name in arguments.only]
        started = []
        try:
            for side in sides:
                started.append(side)
                side.start(folder)
            for operation, samples in result["samples"].items():
                for side in sides:
                    if operation in side.operations:
                        load(side, operation, seconds_of(arguments, side, operation), folder)
                for repetition in range(arguments.repetitions):
                    for side in sides:
                        if operation not in side.operations:
                            continue
                        seconds = seconds_of(arguments, side, operation)
                        sample = load(side, operation, seconds, folder)
                        samples.setdefault(side.name, []).append(sample)
                        print(f"{operation} {repetition + 1}/{arguments.repetitions} {side.name}: "
                              f"{sample['requests_per_s']:.0f}/s, p99 {1e3 * sample['p99_s']:.1f} "
                              f"ms, {1e6 * sample['cpu_s_per_request']:.1f} us of CPU", flush=True)
        finally:
            for side in reversed(started):
                side.stop()
    out = HERE / "results" / f"{date}-serve"
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    out.with_suffix(".md").write_text(render(result))
    print(out.with_suffix(".md"))


if __name__ == "__main__":
    main()
