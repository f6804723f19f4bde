"""Services on Ray Serve, on a real Ray of this machine: the command's bytes, whatever happens."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "serve")]
os.environ["WINDLASS_PYTHON"] = sys.executable  # what runs this has Ray
from ray_cluster import ENVIRONMENT, wait_for  # noqa: E402

os.environ.update(ENVIRONMENT)
from support import ADULT, EXPLAIN_ADULT, main, test, windlass  # noqa: E402
from service import ADULT_ARGUMENTS, rows_of, serving, tensor  # noqa: E402

import pyarrow.parquet as pq  # noqa: E402

DATA = pq.read_table(ADULT / "adult.parquet")


def on_ray(*arguments, engine="ray:local", **options):
    return serving(*arguments, "--engine", engine, **options)


def replicas():
    """Processes of replicas, by their titles."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return {int(line.split()[0]) for line in listed.stdout.splitlines()
            if "ServeReplica:windlass-adult" in line}


def check_rows(service, wanted, groups, first, count):
    got = service.outputs("explain", tensor(rows_of(DATA, first, count)))
    values = got["attributions"]["data"]
    for r in range(count):
        for g, name in enumerate(groups):
            assert values[r * len(groups) + g] == wanted[name][first + r].as_py()


@test
def same_bytes_as_the_command(folder):
    windlass(*EXPLAIN_ADULT, "--out", folder / "out")
    wanted = pq.read_table(folder / "out/attributions.parquet")
    groups = list(json.loads((ADULT / "groups.json").read_text()))
    for engine in ("ray:local", "ray:local?proxy=1"):
        with on_ray(*ADULT_ARGUMENTS, "--replicas", "2", "--token", "env:SECRET", engine=engine,
                    env={"SECRET": "hush"}) as service:
            assert service.post("explain", tensor(rows_of(DATA, 0, 1)))[0] == 401
            service.headers = {"Authorization": "Bearer hush"}
            check_rows(service, wanted, groups, 0, 32)
            for r in range(32, 48):
                check_rows(service, wanted, groups, r, 1)
            assert service.ask("GET", "/v2/health/ready")[0] == 200
            assert service.post("infer", "rubbish")[0] == 400
            assert b"windlass_requests_total" in service.ask("GET", "/metrics")[2]


@test
def a_killed_replica_comes_back(_):
    row = tensor(rows_of(DATA, 0, 1))
    with on_ray(*ADULT_ARGUMENTS, "--replicas", "2") as service:
        before = replicas()
        assert len(before) == 2, before
        os.kill(min(before), signal.SIGKILL)

        def answers():
            try:
                return service.post("infer", row)[0] == 200
            except OSError:
                return False

        wait_for(lambda: len(replicas() - {min(before)}) == 2, 60, "another replica")
        wait_for(answers, 30, "an answer")


@test
def finishes_what_it_accepted(folder):
    slow = folder / "slow_model.py"
    slow.write_text("import time\n\n\ndef predict(rows):\n    if len(rows) == 1:\n        "
                    "open(__file__ + '.begun', 'w').close()\n        time.sleep(3)\n    "
                    "return rows[:, 0]\n")
    arguments = ["--model", "python:slow_model:predict", "--background",
                 ADULT / "background.parquet", "--method", "msr", "--name", "slow"]
    answers = []
    path = os.environ.get("PYTHONPATH", "") + os.pathsep + str(folder)
    with on_ray(*arguments, env={"PYTHONPATH": path}) as service:
        client = threading.Thread(
            target=lambda: answers.append(service.post("infer", tensor(rows_of(DATA, 0, 1)))))
        client.start()
        wait_for(pathlib.Path(str(slow) + ".begun").exists, 30, "the model to be asked")
        time.sleep(0.1)
        assert service.stop(signal.SIGINT) == 0
        client.join()
        assert answers[0][0] == 200, answers


@test
def says_what_is_wrong(_):
    def refused(*arguments, engine="ray:local"):
        got = windlass("serve", "explain", *arguments, "--engine", engine, check=False)
        assert got.returncode in (1, 2) and len(got.stderr.splitlines()) == 1, got
        return got.stderr

    assert "no background" in refused("--model", ADULT / "model.json")
    assert "proxy=2" in refused(*ADULT_ARGUMENTS, engine="ray:local?proxy=2")
    # Found on the replicas only, which have their own environment: an error all the same.
    assert "token" in refused(*ADULT_ARGUMENTS, "--token", "env:NOT_THERE")


main()
