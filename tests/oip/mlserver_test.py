"""Models behind a real MLServer on 127.0.0.1 (`make test-oip` sets it up): alive, slow, dying.

The model is scikit-learn's form of tests/cli/small/model.json, whose values are known.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import ROOT, main, test, windlass  # noqa: E402

SMALL = ROOT / "tests/cli/small"
BIN = pathlib.Path(os.environ["MLSERVER_BIN"])
CLEAN = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
INPUT = {"name": "x", "datatype": "FP64", "shape": [-1, 3]}
OUTPUTS = [{"name": "predict", "datatype": "INT64", "shape": [-1]},
           {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]}]
MODELS = {  # what each says of itself
    "told": ("mlserver_sklearn.SKLearnModel", {"inputs": [INPUT], "outputs": OUTPUTS}),
    "untold": ("mlserver_sklearn.SKLearnModel", {}),
    "odd": ("odd_runtime.OddModel", {"inputs": [INPUT], "outputs": OUTPUTS}),
}
ROWS = 3


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def mlserver(folder, **environment):
    """Gives (the server's address, its process)."""
    models = folder / "models"
    if not models.exists():
        for name, (runtime, metadata) in MODELS.items():
            (models / name).mkdir(parents=True)
            subprocess.run([BIN / "python", HERE / "make_model.py", models / name / "model.joblib"],
                           env=CLEAN, check=True)
            (models / name / "model-settings.json").write_text(json.dumps(
                {"name": name, "implementation": runtime, **metadata,
                 "parameters": {"uri": "./model.joblib", "version": "v1"}}))
        shutil.copy(HERE / "odd_runtime.py", models / "odd")
    ports = [free_port() for _ in range(3)]
    (models / "settings.json").write_text(json.dumps(
        {"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1],
         "metrics_port": ports[2], "parallel_workers": 0, "debug": False}))
    env = {**CLEAN, "ODD_COUNT": str(folder / "count"), **environment}
    with open(folder / "mlserver.log", "ab") as log:
        server = subprocess.Popen([BIN / "mlserver", "start", models], env=env, stdout=log,
                                  stderr=log)
    try:
        address = f"http://127.0.0.1:{ports[0]}/v2"
        deadline = time.monotonic() + 120
        while not answers(address + "/health/ready"):
            assert server.poll() is None and time.monotonic() < deadline, \
                (folder / "mlserver.log").read_text()[-2000:]
            time.sleep(0.1)
        yield address, server
    finally:
        server.kill()
        server.wait()


def explain(model, out, *more, **options):
    return windlass("explain", "--model", model, "--data", SMALL / "data.csv", "--background",
                    SMALL / "background.csv", "--method", "exact", "--quiet", "-b", "1", "-w", "1",
                    "--out", out, *more, **options)


def importance(out):
    """Of the last output: P(class 1)."""
    last = json.loads((out / "summary.json").read_text())["outputs"][-1]
    return [last["base_value"], *(g["mean_abs"] for g in last["importance"])]


def tasks(out):
    counts = json.loads((out / "run.json").read_text())["tasks"]
    return counts["executed"], counts["recalled"]


def refused(folder, model, code, *parts, within=60):
    begun = time.monotonic()
    got = explain(model, folder / "refused", check=False)
    took = time.monotonic() - begun
    lines = got.stderr.splitlines()
    assert got.returncode == code and len(lines) == 1, got
    assert all(part in lines[0] for part in parts), lines[0]
    assert took < within, f"{took:.1f} s: {lines[0]}"
    print(f"# {lines[0]}")


@test
def alive(folder):
    explain(f"{SMALL / 'model.json'}?opaque=1", folder / "local")
    wanted = importance(folder / "local")
    with mlserver(folder) as (address, _):
        with urllib.request.urlopen(address) as response:
            about = json.load(response)
        print(f"# {about['name']} {about['version']}, extensions {about['extensions']}")
        for options in ("told", "told?binary=0", "told/versions/v1", "told?batch=1&concurrency=8",
                        "untold?output=predict_proba",
                        "untold?output=predict_proba&datatype=FP32"):
            out = folder / "out"
            explain(f"oip:{address}/models/{options}", out, "--no-memo")
            for got, want in zip(importance(out), wanted, strict=True):
                assert abs(got - want) < (1e-6 if "FP32" in options else 1e-12), (options, got, want)
        explain(f"oip:{address}/models/told?output=predict", folder / "labels")
        # It lists no binary tensors, and cannot read them.
        refused(folder, f"oip:{address}/models/told?binary=1&retries=0", 1, "status 500")
        refused(folder, f"oip:{address}/models/toldd", 2, 'knows no model "toldd"', "told")
        refused(folder, f"oip:{address}/models/told?output=transform", 2, 'no output "transform"')
        refused(folder, f"oip:{address}/models/untold?output=transform&retries=0", 1, "status 500")


@test
def slow(folder):
    with mlserver(folder, ODD_DELAY="0.5") as (address, _):
        model = f"oip:{address}/models/odd"
        explain(model + "?timeout=30", folder / "out")
        refused(folder, model + "?timeout=0.1&retries=0", 1, "no answer within 0.1 s",
                "?timeout=SECONDS", within=20)


@test
def dying(folder):
    local = folder / "local"
    explain(f"{SMALL / 'model.json'}?opaque=1", local)
    # Two introductions, the background and the first row are one prediction each.
    with mlserver(folder, ODD_DIE_AT="5") as (address, server):
        refused(folder, f"oip:{address}/models/odd?retries=2", 1, "3 times in a row")
        assert server.wait(60) == -signal.SIGKILL
    with mlserver(folder) as (address, _):
        model = f"oip:{address}/models/odd"
        explain(model, folder / "out")
        assert tasks(folder / "out") == (ROWS - 1, 1), tasks(folder / "out")
        before = len((folder / "count").read_text().splitlines())
        explain(model, folder / "again")
        assert tasks(folder / "again") == (0, ROWS)
        assert len((folder / "count").read_text().splitlines()) == before + 2  # introductions
    for got, want in zip(importance(folder / "out"), importance(local), strict=True):
        assert abs(got - want) < 1e-12, (got, want)


main()
