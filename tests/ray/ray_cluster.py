"""A Ray cluster of this machine for tests: nodes as processes of their own, ended by their ids."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(sys.executable).parent
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# On a busy machine a node gives up when its agent needs more than 15 s, which no setting changes.
START_SECONDS, START_ATTEMPTS = 60, 6
# Ray takes a token from the home folder where there is one, and makes one where there is none.
ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
               "RAY_raylet_start_wait_time_s": str(START_SECONDS),
               "RAY_agent_register_timeout_ms": str(START_SECONDS * 1000),
               "RAY_enable_metrics_collection": "0"}


# Of a cluster whose nodes have none of Windlass's plug-ins: what they need has to come to them.
WINDLASS = os.environ.get("WINDLASS", ROOT / "build/release/bin/windlass")
PLUGINS = pathlib.Path(WINDLASS).resolve().parent.parent / "lib/plugins"
NO_PLUGINS = {"WINDLASS_PLUGINS": "/nowhere",
              "WINDLASS_ONNXRUNTIME": str(PLUGINS / "libonnxruntime.so.1")}


def plugin_of(folder):
    """The plug-in for ONNX graphs, as a user's own."""
    return shutil.copy(PLUGINS / "windlass_onnx.so", folder / "runtime.so")


def product_job(folder):
    """A job whose model, a graph that multiplies its inputs, only that plug-in computes."""
    rows = folder / "rows.csv"
    rows.write_text("a,b,c\n" + "".join(f"{i},{i * i % 17},{i % 3}\n" for i in range(200)))
    return ["explain", "--model", ROOT / "src/windlass/model/testdata/product_of_inputs.onnx",
            "--data", rows, "--background", rows, "--class", "0", "--quiet"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, seconds, what):
    """Looks again and again; AssertionError after `seconds`. Gives what the condition gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def of_session(leader):
    """Ids of the processes in a session, which `start_new_session` began."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.getsid(int(entry.name)) == leader:
                found.append(int(entry.name))
    return found


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return ""


class Cluster:
    """A node for each of `cpus`, the first of them the head.

    hosts: for each node the words before its commands and its address; without it all nodes are
    on this machine's loopback. dashboard: with Ray's dashboard, and so its Jobs API, at `url`.
    """

    def __init__(self, cpus=(2, 2), hosts=None, environment=None, dashboard=False):
        self._hosts = hosts
        self._dashboard = free_port() if dashboard else None
        self._folder = tempfile.TemporaryDirectory(prefix="wl-ray-")  # socket paths are short
        self._environment = {**os.environ, **ENVIRONMENT, **(environment or {})}
        self.port = 6379 if hosts else free_port()
        self.nodes = []
        try:
            for cpu in cpus:
                self.add_node(cpu)
        except BaseException:
            self.close()
            raise

    @property
    def address(self):
        return f"{self._hosts[0][1] if self._hosts else '127.0.0.1'}:{self.port}"

    @property
    def engine(self):
        return f"ray:{self.address}"

    @property
    def url(self):
        return f"http://127.0.0.1:{self._dashboard}"

    @property
    def folder(self):
        return self._folder.name

    def add_node(self, cpus):
        """Starts a node and waits until it is there."""
        self.nodes.append(None)
        return self.start_node(len(self.nodes) - 1, cpus)

    def start_node(self, number, cpus):
        for _ in range(START_ATTEMPTS):
            node = self._start(number, cpus)
            wait_for(lambda: node.poll() is not None or "Ray runtime started" in self.log(number),
                     3 * START_SECONDS, f"node {number} of a Ray cluster")
            if node.poll() is None:
                return node
            self.kill_node(number)
        raise AssertionError(self.log(number))

    def _start(self, number, cpus):
        prefix, address = self._hosts[number] if self._hosts else ([], "127.0.0.1")
        board = ([f"--dashboard-port={self._dashboard}", "--include-dashboard=true"]
                 if self._dashboard else ["--include-dashboard=false"])
        where = (["--head", f"--port={self.port}", f"--temp-dir={self._folder.name}", *board]
                 if number == 0 else [f"--address={self.address}"])
        # Nodes of one machine must not choose the same ones.
        ports = [f"--{name}-port={free_port()}" for name in
                 ("dashboard-agent-grpc", "dashboard-agent-listen", "metrics-export",
                  "runtime-env-agent")]
        log = open(pathlib.Path(self._folder.name) / f"node{number}.log", "wb")
        node = self.nodes[number] = subprocess.Popen(
            [*prefix, BIN / "ray", "start", *where, *ports, f"--node-ip-address={address}",
             f"--num-cpus={cpus}", "--object-store-memory=100000000", "--disable-usage-stats",
             "--block"],
            env=self._environment, stdout=log, stderr=log, start_new_session=True)
        log.close()
        return node

    def log(self, number):
        return (pathlib.Path(self._folder.name) / f"node{number}.log").read_text()

    def workers(self, number=None):
        """Ids of the processes that are workers of Windlass, on one node or on all."""
        nodes = self.nodes if number is None else [self.nodes[number]]
        return [pid for node in nodes for pid in of_session(node.pid)
                if "ray::WindlassWorker" in command_line(pid)]

    def kill_node(self, number):
        """All processes of a node at once: ray start --block and what it started."""
        node = self.nodes[number]
        for pid in of_session(node.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait(timeout=60)

    def close(self):
        for number in reversed(range(len(self.nodes))):
            with contextlib.suppress(Exception):
                self.kill_node(number)
        self._folder.cleanup()
