"""Faults of a Ray cluster of two to four nodes: the local engine's bytes, or one clear error."""

import atexit
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "ray")]
os.environ["WINDLASS_PYTHON"] = sys.executable
from network import Network  # noqa: E402
from ray_cluster import ENVIRONMENT, Cluster, wait_for  # noqa: E402

os.environ.update(ENVIRONMENT)
from support import EXPLAIN_ADULT, WINDLASS, main, test, windlass  # noqa: E402

REPEAT = int(os.environ.get("REPEAT", "3"))
MEMORY = pathlib.Path("/sys/fs/cgroup/memory")
ITEMS = 24


class Job:
    """job.py on a host."""

    def __init__(self, folder, case="plain", host=0, workers=4):
        self.folder = folder
        self._process = subprocess.Popen(
            [*site.network.prefix(host), sys.executable, str(HERE / "job.py"),
             f"{site.cluster.engine}?grace=2&node={site.network.addresses[host]}", str(workers),
             str(folder), case],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def calls(self):
        """(item, process) of each call so far."""
        with contextlib.suppress(FileNotFoundError):
            return [tuple(map(int, line.split()))
                    for line in (self.folder / "calls").read_text().splitlines()]
        return []

    def processes(self):
        return {process for _, process in self.calls()}

    def wait_for_calls(self, count):
        wait_for(lambda: len(self.calls()) >= count or self._process.poll() is not None, 180,
                 f"{count} calls")
        assert self._process.poll() is None, self._process.communicate()

    def go(self):
        (self.folder / "go").touch()

    def kill(self):
        self._process.kill()
        self._process.communicate(timeout=60)

    def end(self):
        self.go()
        return self.ended()

    def ended(self, seconds=240):
        out, errors = self._process.communicate(timeout=seconds)
        assert out, (self._process.returncode, errors)
        print("#", out.strip()[:300], flush=True)
        assert not errors, errors
        return json.loads(out)

    def end_well(self):
        assert self.end() == {"result": [True] * ITEMS}


class Site:
    """Three nodes, and a host for one that joins. Started once: Ray takes its time."""

    CPUS = (1, 2, 1)

    def __init__(self):
        self.network = Network(len(self.CPUS) + 1)
        try:
            hosts = [(self.network.prefix(i), address)
                     for i, address in enumerate(self.network.addresses)]
            self.cluster = Cluster(self.CPUS, hosts=hosts)
        except BaseException:
            self.network.close()
            raise

    def close(self):
        self.cluster.close()
        self.network.close()


site = Site()
atexit.register(site.close)


@test
def a_worker_killed(folder):
    job = Job(folder)
    job.wait_for_calls(4)
    os.kill(random.choice(sorted(job.processes())), signal.SIGKILL)
    job.end_well()


@test
def workers_killed_at_random_moments(folder):
    windlass(*EXPLAIN_ADULT, "-b", 16, "--no-memo", "--out", folder / "local")
    for _ in range(REPEAT):
        point = random.choice(("engine.task.start", "engine.task.ran"))
        points = f"{point}@{random.randint(2, 40)}=kill"
        out = folder / "ray"
        done = subprocess.run(
            [*site.network.prefix(0), WINDLASS, *map(str, EXPLAIN_ADULT), "-b", "16",
             "--no-memo", "-w", "3", "--engine", site.cluster.engine, "--out", str(out)],
            env={**os.environ, "WINDLASS_WORKER_SYNC_POINTS": points},
            capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, (points, done)
        for name in ("attributions.parquet", "summary.json", "report.html"):
            assert (out / name).read_bytes() == (folder / "local" / name).read_bytes(), points


@test
def a_task_that_throws(folder):
    ended = Job(folder, "throws", workers=2).end()
    assert "ValueError: seven is bad" in ended["error"], ended


@test
def a_task_that_eats_its_memory(folder):
    group = MEMORY / f"windlass-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(1 << 30))
        job = Job(folder, "eats", workers=2)
        job.wait_for_calls(2)
        limited = set()

        def limit():  # its workers, and those that replace them
            for pid in set(site.cluster.workers()) - limited:
                (group / "tasks").write_text(str(pid))
                limited.add(pid)

        limit()
        job.go()
        wait_for(lambda: limit() or job._process.poll() is not None, 240, "the job to end")
        ended = job.end()
        assert ended["code"] == "unavailable" and "was lost 3 times" in ended["error"], ended
        assert "out of memory" in ended["error"], ended
    finally:
        wait_for(lambda: not (group / "tasks").read_text(), 60, "the group to be empty")
        group.rmdir()


@test
def the_driver_killed(folder):
    first = Job(folder, workers=2)
    first.wait_for_calls(2)
    first.go()
    first.wait_for_calls(12)
    first.kill()
    wait_for(lambda: not site.cluster.workers(), 120, "its workers to end")
    before = len(first.calls())
    Job(folder, workers=2).end_well()
    again = len(first.calls()) - before
    assert 0 < again < ITEMS - 4, again


@test
def a_slow_node(folder):
    site.network.slow(2, "4mbit")
    try:
        job = Job(folder)
        job.wait_for_calls(4)
        job.end_well()
    finally:
        site.network.fast(2)


def begin_a_gang(folder, attempts):
    """On all CPUs there are, so that each node has a member; then node 2 is cut off."""
    job = Job(folder, f"gang:{attempts}", workers=sum(Site.CPUS))
    job.wait_for_calls(sum(Site.CPUS))
    site.network.cut(2)
    return job


def mend_node_2():
    site.cluster.kill_node(2)  # Ray has given it up
    site.network.join(2)
    site.cluster.start_node(2, Site.CPUS[2])


@test
def a_node_cut_off_under_a_gang(folder):
    job = begin_a_gang(folder, attempts=1)
    try:
        ended = job.end()
        assert ended["code"] == "unavailable", ended
        # The task, the node, and the cause.
        assert f"of a gang of {sum(Site.CPUS)}: a worker of the gang was lost once" in ended["error"]
        assert site.network.addresses[2] in ended["error"], ended
        assert "node" in ended["error"].partition("was lost:")[2], ended
        wait_for(lambda: not site.cluster.workers(0) and not site.cluster.workers(1), 120,
                 "the other members to end")
    finally:
        mend_node_2()


@test
def a_gang_whose_node_is_cut_off_runs_again_elsewhere(folder):
    job = begin_a_gang(folder, attempts=2)
    try:
        site.cluster.add_node(2)
        assert job.end() == {"result": [True] * sum(Site.CPUS)}
        assert len(job.calls()) == 2 * sum(Site.CPUS), job.calls()
    finally:
        site.cluster.kill_node(3)
        site.cluster.nodes.pop()
        mend_node_2()


@test
def a_node_that_joins(folder):
    job = Job(folder, workers="2:6")
    wait_for(lambda: len(job.processes()) == 4, 120, "4 workers")
    site.cluster.add_node(2)
    wait_for(lambda: len(job.processes()) == 6, 120, "workers on the new node")
    job.end_well()


@test
def a_node_cut_off(folder):
    job = Job(folder, workers=6)
    job.wait_for_calls(6)
    site.network.cut(2)
    job.end_well()


def restart_the_head():
    # Without its state in Redis, Ray's nodes do not survive their head.
    for node in range(1, len(site.cluster.nodes)):
        site.cluster.kill_node(node)
    for node in (0, 1):
        site.cluster.start_node(node, 1)


@test
def the_head_lost_when_all_tasks_have_begun(folder):
    job = Job(folder, host=1, workers=2)
    job.wait_for_calls(2)
    site.cluster.kill_node(0)
    job.end_well()
    restart_the_head()


@test
def the_head_restarted(folder):
    job = Job(folder, host=1, workers=2)
    job.wait_for_calls(2)
    site.cluster.kill_node(0)
    ended = job.ended()
    assert ended["code"] == "unavailable", ended
    assert "run the same command again" in ended["error"], ended
    restart_the_head()
    Job(folder, host=1, workers=2).end_well()


main()
