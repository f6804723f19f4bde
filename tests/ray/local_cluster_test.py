"""`windlass cluster start --local` and its verbs, with a real Ray on this machine."""

import atexit
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "invariance")]
os.environ["WINDLASS_PYTHON"] = sys.executable  # what runs this has Ray
from ray_cluster import ENVIRONMENT, command_line, wait_for  # noqa: E402

os.environ.update(ENVIRONMENT)
from invariance import outputs  # noqa: E402
from support import EXPLAIN_ADULT, WINDLASS, main, test  # noqa: E402
from support import windlass as command  # noqa: E402

# One cluster for all tests, in a home of its own: nodes take their time.
HOME = tempfile.TemporaryDirectory(prefix="wl-clusters-")
ENV = {"WINDLASS_HOME": HOME.name, "KUBECONFIG": "/nonexistent"}
atexit.register(lambda: subprocess.run(
    [WINDLASS, "cluster", "stop", "demo", "--local", "--quiet"], env={**os.environ, **ENV},
    capture_output=True, check=False))


def cluster(*arguments, **options):
    return command("cluster", *arguments, env={**ENV, **options.pop("env", {})}, **options)


def inspect(name="demo"):
    return json.loads(cluster("inspect", name, "--json").stdout)


def processes():
    """Ids of all processes that belong to a node of this home's clusters."""
    marks = [node["mark"].encode() for record in pathlib.Path(HOME.name).glob("clusters/*.json")
             for node in json.loads(record.read_text())["nodes"]]
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if any(b"WINDLASS_CLUSTER_NODE=" + mark in environment for mark in marks):
            found.append(int(folder.name))
    return found


@test
def start(_):
    started = cluster("start", "demo", "--local", "--head-cpu", 1, "--head-memory", "1Gi")
    assert "starts demo-head" in started.stderr, started
    found = inspect()
    assert found["ready"] and found["local"] and found["state"] == "ready", found
    head, = found["pods"]
    assert (head["name"], head["node_type"], head["phase"]) == ("demo-head", "head", "Running")
    assert "ray" in command_line(head["pid"]), head
    assert f"--engine ray:{found['address']}" in started.stdout, started
    assert str(head["pid"]) in started.stdout, started


@test
def start_again(_):
    before = inspect()
    assert "starts" not in cluster("start", "demo", "--local", "--head-cpu", 1).stderr
    assert inspect()["pods"] == before["pods"]
    other = cluster("start", "demo", "--local", "--head-cpu", 2, check=False)
    assert other.returncode == 2 and "--head-cpu is 1 there, not 2" in other.stderr, other
    clash = cluster("start", "demo", check=False)
    assert clash.returncode == 2 and "runs on this machine" in clash.stderr, clash


@test
def what_has_no_use_here(_):
    wrong = cluster("start", "x", "--local", "--image", "ray:1", "--toleration", "k", check=False)
    assert wrong.returncode == 2 and "--image, --toleration: of clusters on K" in wrong.stderr, wrong
    wrong = cluster("stop", "demo", "--operator", check=False)
    assert wrong.returncode == 2 and "--operator" in wrong.stderr, wrong
    wrong = cluster("start", "x", "--port", 8000, check=False)
    assert wrong.returncode == 2 and "--port: of clusters on this machine" in wrong.stderr, wrong


@test
def the_list_without_kubectl(folder):
    listed = cluster("list", env={"PATH": str(folder)})
    assert "demo  (this machine)  ready" in listed.stdout, listed
    assert listed.stderr.count("\n") == 1 and "kubectl" in listed.stderr, listed
    alone = cluster("list", "--local", "--json", env={"PATH": str(folder)})
    assert [one["name"] for one in json.loads(alone.stdout)] == ["demo"] and not alone.stderr


@test
def the_dashboard(_):
    shown = cluster("dashboard", "demo", check=False)
    if inspect()["endpoint"]:
        assert "on this machine already" in shown.stdout, shown
    else:  # Ray without its extra packages
        assert shown.returncode == 2 and 'pip install "ray[default]==' in shown.stderr, shown


@test
def jobs_find_it_and_give_the_same_bytes(folder):
    command(*EXPLAIN_ADULT, "--no-memo", "--out", folder / "local")
    address = inspect()["address"]
    job = [*EXPLAIN_ADULT, "-w", 1, "-b", 640, "--no-memo"]
    command(*job, "--engine", f"ray:{address}", "--out", folder / "address")
    command(*job, "--engine", "ray", "--out", folder / "auto", env={"RAY_ADDRESS": ""})
    assert outputs(folder / "local") == outputs(folder / "address") == outputs(folder / "auto")


@test
def scale_up_kill_and_scale_down(_):
    cluster("scale", "demo", "--workers", 1)
    found = inspect()
    assert [pod["name"] for pod in found["pods"]] == ["demo-head", "demo-worker-1"], found
    assert found["ready"] and found["workers"]["ready"] == 1, found
    os.kill(found["pods"][1]["pid"], signal.SIGKILL)
    dead = wait_for(lambda: (now := inspect())["state"] == "degraded" and now, 30, "it to be seen")
    assert dead["pods"][1]["phase"] == "Failed" and not dead["ready"], dead
    assert "is gone" in dead["pods"][1]["waits_for"], dead
    cluster("start", "demo", "--local")
    again = inspect()
    assert again["ready"] and again["pods"][1]["restarts"] == 1, again
    cluster("scale", "demo", "--workers", 0)
    assert [pod["name"] for pod in inspect()["pods"]] == ["demo-head"]


@test
def stop_leaves_nothing(_):
    pids = processes()
    temp = json.loads((pathlib.Path(HOME.name) / "clusters/demo.json").read_text())["temp"]
    assert len(pids) > 2 and pathlib.Path(temp).exists(), pids
    assert "no process of it is left" in cluster("stop", "demo").stdout
    left = [pid for pid in pids if command_line(pid)]
    assert not left, [command_line(pid) for pid in left]
    assert not pathlib.Path(temp).exists()
    assert not list(pathlib.Path(HOME.name).glob("clusters/*"))
    gone = cluster("stop", "demo", "--local", check=False)
    assert gone.returncode == 2 and 'no cluster "demo" on this machine' in gone.stderr, gone


main()
