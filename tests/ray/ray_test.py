"""The engine ray on a real Ray of this machine: the local engine's bytes, or one clear error."""

import atexit
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "invariance")]
os.environ["WINDLASS_PYTHON"] = sys.executable  # what runs this has Ray
from ray_cluster import (  # noqa: E402
    ENVIRONMENT, NO_PLUGINS, Cluster, plugin_of, product_job, wait_for)

os.environ.update(ENVIRONMENT)
import windlass  # noqa: E402
from invariance import check_invariance, outputs  # noqa: E402
from support import EXPLAIN_ADULT, WINDLASS, main, test  # noqa: E402
from support import windlass as command  # noqa: E402

BLOCKS = 40  # 2,560 rows by 64
cluster = Cluster(cpus=(2, 2), environment=NO_PLUGINS)  # two nodes
atexit.register(cluster.close)


def run(out, *more, engine=None, workers=2, **options):
    return command(*EXPLAIN_ADULT, "-w", workers, "-b", 64, "--engine", engine or cluster.engine,
                   "--out", out, *more, **options)


def tasks(out):
    return json.loads((out / "run.json").read_text())["tasks"]


def no_worker_is_left():
    wait_for(lambda: not cluster.workers(), 60, f"workers to end: {cluster.workers()}")


def mapped(function, items, **options):
    options = {"engine": cluster.engine + "?grace=1", "workers": 2, "memo": False, **options}
    return windlass.map(function, items, **options)


def error_of(function, items, **options):
    try:
        mapped(function, items, **options)
    except windlass.Error as error:
        return error
    raise AssertionError("nothing was raised")


@test
def same_bytes_as_local(folder):
    check_invariance(folder, EXPLAIN_ADULT, workers=(1,), batches=(None,), chaos_batches=(),
                     more=[(1, 64, cluster.engine), (2, 37, cluster.engine),
                           ("1:4", 300, cluster.engine), (0, None, cluster.engine)])
    assert json.loads((folder / "way2/run.json").read_text())["workers"] == 2
    no_worker_is_left()


@test
def results_are_remembered(folder):
    run(folder / "a")
    run(folder / "b")
    assert tasks(folder / "a")["executed"] == BLOCKS, tasks(folder / "a")
    assert tasks(folder / "b")["recalled"] == BLOCKS, tasks(folder / "b")
    assert outputs(folder / "a") == outputs(folder / "b")


@test
def workers_killed_at_a_task(folder):
    command(*EXPLAIN_ADULT, "-b", 64, "--no-memo", "--out", folder / "local")
    run(folder / "ray", "--no-memo",
        env={"WINDLASS_WORKER_SYNC_POINTS": "engine.task.start@9=kill"})
    assert outputs(folder / "ray") == outputs(folder / "local")
    assert tasks(folder / "ray")["executed"] == BLOCKS


@test
def a_task_that_kills_every_worker(folder):
    failed = run(folder / "a", check=False,
                 env={"WINDLASS_WORKER_SYNC_POINTS": "engine.task.start=kill"})
    assert failed.returncode == 1, failed
    assert re.search(r"task \d+ \(explain.*\) was lost 3 times, last because worker \d+ \(pid \d+ "
                     r"on .*\) was lost: its process ended without a word", failed.stderr), failed
    assert not (folder / "a").exists()
    assert failed.stderr.count("\n") == 1 and not failed.stdout, failed


@test
def the_driver_killed_and_resumed(folder):
    killed = run(folder / "a", check=False,
                 env={"WINDLASS_SYNC_POINTS": "driver.remembered@17=kill"})
    assert killed.returncode == 1 and "killed by signal 9" in killed.stderr, killed
    no_worker_is_left()
    run(folder / "a", "--resume")
    assert (tasks(folder / "a")["recalled"], tasks(folder / "a")["executed"]) == (17, BLOCKS - 17)
    command(*EXPLAIN_ADULT, "-b", 64, "--no-memo", "--out", folder / "local")
    assert outputs(folder / "a") == outputs(folder / "local")


@test
def an_interrupt_from_the_terminal(folder):
    process = subprocess.Popen(
        [WINDLASS, *map(str, EXPLAIN_ADULT[:-1]), "-w", "2", "-b", "1", "--engine", cluster.engine,
         "--out", folder / "a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True)
    assert "%" in process.stderr.readline(), "progress was expected"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the command and its child
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "interrupted" in errors, (process.returncode, errors)
    assert not (folder / "a").exists()
    no_worker_is_left()


@test
def an_interrupt_of_the_command_alone(folder):
    process = subprocess.Popen(
        [WINDLASS, *map(str, EXPLAIN_ADULT[:-1]), "-w", "2", "-b", "1", "--engine", cluster.engine,
         "--out", folder / "a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "%" in process.stderr.readline(), "progress was expected"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "interrupted" in errors, (process.returncode, errors)


@test
def json_has_nothing_of_rays_in_it(folder):
    printed = run(folder / "a", "--json",
                  env={"WINDLASS_WORKER_SYNC_POINTS": "engine.task.start@15=kill"})
    assert json.loads(printed.stdout)["result"]["rows"] == 2560
    assert not printed.stderr, printed.stderr


@test
def a_map(_):
    assert mapped(lambda x: x * x, range(20)) == [x * x for x in range(20)]
    large = mapped(lambda x: bytes([x]) * 1_000_000, range(6))  # beyond what goes inline
    assert large == [bytes([x]) * 1_000_000 for x in range(6)]
    no_worker_is_left()


@test
def a_call_that_raises(_):
    def bad(x):
        if x == 5:
            raise ValueError("five is bad")
        return x

    error = error_of(bad, range(20))
    assert "ValueError: five is bad" in str(error), error


@test
def a_call_that_overruns(_):
    def hangs(x):
        if x == 1:
            import threading
            threading.Event().wait()
        return x

    error = error_of(hangs, range(4), time_limit=1.0)
    assert error.code == "deadline exceeded" and "ran longer than its limit of 1 s" in str(error)
    assert re.search(r"task 2 \(python.call\) on worker \d+ \(pid \d+ on ", str(error)), error


@test
def a_worker_killed_by_its_id(folder):
    pids = mapped(lambda x: __import__("os").getpid(), range(8))
    assert len(set(pids)) == 2, pids
    marker = str(folder / "killed")

    def kills_once(x):
        import os
        if x == 3 and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), 9)
        return x

    assert mapped(kills_once, range(12)) == list(range(12))


@test
def what_ray_says_stands_in_the_jobs_log(folder):
    done = run(folder / "a", "--no-memo", "--json",
               env={"WINDLASS_WORKER_SYNC_POINTS": "engine.task.ran@9=kill"})
    job = json.loads(done.stdout)["job"]  # nothing of Ray's stands in between
    said = [line for line in command("job", "logs", job).stdout.splitlines() if " Ray: " in line]
    assert any("died" in line for line in said), said


@test
def a_plugin_comes_to_the_workers(folder):
    arguments = [*product_job(folder), "--no-memo"]
    command(*arguments, "--out", folder / "local")
    there = ["--engine", cluster.engine, "-w", "2", "-b", "20"]
    without = command(*arguments, *there, "--out", folder / "a", check=False)
    assert without.returncode == 2 and "is not installed" in without.stderr, without
    command("--plugin", plugin_of(folder), *arguments, *there, "--out", folder / "a",
            env=NO_PLUGINS)
    assert outputs(folder / "a") == outputs(folder / "local")
    no_worker_is_left()


def members_and_their_workers(member):
    import os

    seen = member.exchange(b"%d %d" % (member.rank, os.getpid()))
    again = member.exchange(member.address.encode())
    return member.rank, member.size, seen, again


@test
def a_gang_has_a_process_each_and_one_rendezvous(_):
    for size in (1, 2, 4):  # 4: on both nodes
        found = windlass.gang(members_and_their_workers, size, engine=cluster.engine + "?start=90")
        assert [one[:2] for one in found] == [(rank, size) for rank in range(size)], found
        assert len({tuple(one[2]) for one in found}) == 1 and len(set(found[0][2])) == size, found
        assert len(set(found[0][3])) == 1, found  # of this machine
    no_worker_is_left()


@test
def a_gang_that_loses_a_member_runs_again_as_one(folder):
    mark = str(folder / "killed")

    def member(place):
        import os
        import signal

        pids = place.exchange(b"%d" % os.getpid())
        if place.rank == 1 and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return pids, place.exchange(b"done")

    found = windlass.gang(member, 2, engine=cluster.engine, attempts=2)
    assert len({str(one) for one in found}) == 1 and len(set(found[0][0])) == 2, found
    os.remove(mark)
    try:
        windlass.gang(member, 2, engine=cluster.engine)
    except windlass.Error as error:
        assert error.code == "unavailable" and "a worker of the gang was lost once" in str(error)
    else:
        raise AssertionError("the loss was not told")


@test
def a_gang_larger_than_its_workers_is_refused(_):
    try:
        windlass.gang(members_and_their_workers, 3, engine=cluster.engine, workers=2)
    except windlass.Error as error:
        assert error.code == "invalid input" and "-w 3" in str(error), error
    else:
        raise AssertionError("it ran")


@test
def what_a_cluster_lacks_is_said(_):
    error = error_of(abs, [1], engine=cluster.engine + "?cpus=64&start=3", workers=1)
    assert error.code == "deadline exceeded" and "only 0 of 1 workers" in str(error), error
    assert "4 CPUs" in str(error), error


@test
def addresses_that_are_none(folder):
    refused = run(folder / "a", engine="ray://127.0.0.1:10001", check=False)
    assert refused.returncode == 2 and "Ray Client" in refused.stderr, refused
    nobody = run(folder / "a", engine="ray:127.0.0.1:1", check=False)
    assert nobody.returncode == 1 and "no Ray cluster answers at 127.0.0.1:1" in nobody.stderr


@test
def a_python_without_windlass_is_named(folder):
    lacking = run(folder / "a", check=False, env={"PYTHONPATH": ""})
    assert lacking.returncode == 2, lacking
    assert "does not import windlass" in lacking.stderr and "install the wheel" in lacking.stderr, lacking
    missing = run(folder / "a", check=False, env={"WINDLASS_PYTHON": "/nowhere/python"})
    assert missing.returncode == 2 and "/nowhere/python" in missing.stderr, missing


@test
def bench_sweeps_over_ray(folder):
    command("bench", "explain", *map(str, EXPLAIN_ADULT[1:]), "--engine", cluster.engine, "-w", "1",
            "-b", "640", "--nruns", 1, "--warm-up", 0, "--out", folder / "results")
    assert list((folder / "results").glob("*.json"))


@test
def a_node_that_joins_gets_workers_and_a_lost_head_ends_the_job(folder):
    """Last: the cluster is gone after it."""
    go, pids = folder / "go", folder / "pids"

    def waits(x):
        import os
        import pathlib
        import time
        with open(pids, "a") as file:
            file.write(f"{os.getpid()}\n")
        while not pathlib.Path(go).exists():
            time.sleep(0.05)
        return x

    import threading
    outcome = []

    def work():
        try:
            outcome.append(mapped(waits, range(100), workers="2:6"))
        except windlass.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_for(lambda: pids.exists() and len(set(pids.read_text().split())) == 4, 120, "4 workers")
    cluster.add_node(2)
    wait_for(lambda: len(set(pids.read_text().split())) == 6, 120, "workers on the new node")
    cluster.kill_node(0)
    thread.join(timeout=120)
    assert outcome and isinstance(outcome[0], windlass.Error), outcome
    assert outcome[0].code == "unavailable" and "run the same command again" in str(outcome[0])


main()
