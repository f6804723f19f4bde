"""All that Windlass asks of Ray: a connection, workers, calls, objects. No policy, see session.py.

What happens later is told by calling `post(message)` from threads of Ray's or of this module:
    ("ready", handle, facts or exception)
    ("done", handle, call, replies or exception)
    ("events", handle, events or exception)
    ("capacity", workers that the cluster has room for)
    ("head lost", why)
"""

import atexit
import os
import queue
import re
import socket
import sys
import threading
import time

from .. import _windlass
from .._error import Error
from . import plugins

_RAYS = "Ray: "  # cluster/ray_run.cc does not show such lines while it follows a job
_LOOK_SECONDS = 2.0
_CAPACITY_SECONDS = 3.0
# Ray aborts the process when it has missed the head for a minute; a head that keeps its state in
# Redis may be back before.
_HEAD_PATIENCE = 20.0
_CLOSE_SECONDS = 10.0
_PUT_ADVICE = "give Ray's object store more room (ray start --object-store-memory)"


def connect(options, least):
    """A Cluster as `options` say; `least` workers must fit into one that is started here.

    Raises Error: nothing answers, another version, not a machine of the cluster.
    """
    # Ray reads these when it is imported. What it starts here must not phone home, and gets time
    # to start on a busy machine.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    patience = int(max(60, options.start))
    os.environ.setdefault("RAY_raylet_start_wait_time_s", str(patience))
    os.environ.setdefault("RAY_agent_register_timeout_ms", str(patience * 1000))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change
    try:
        import ray
    except ImportError as error:
        raise Error(
            f"--engine ray needs the Python package ray, which cannot be imported here: {error}; "
            "pip install 'ray==2.60.0', or the version of your cluster",
            "unsupported",
        ) from None
    if not ray.is_initialized():
        _init(ray, options, least)
    return Cluster(ray, options)


def _init(ray, options, least):
    # Ray prints every death of a worker, and what it has no room for, on standard output, whatever
    # log_to_driver says; there it would stand in the middle of what --json prints.
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = _log
    common = {"log_to_driver": False, "logging_level": "ERROR", "namespace": options.namespace}
    if options.node:
        common["_node_ip_address"] = options.node
    here = {"address": "local", "include_dashboard": False, **common}
    if options.address in ("auto", "local"):
        # As many workers as were asked for fit, as threads of the local engine would.
        here["num_cpus"] = max(os.cpu_count() or 1, int(-(-least * options.cpus // 1)))
    if options.address == "local":
        _within(options.start, ray.init, here, "to start Ray on this machine")
    elif options.address == "auto":
        try:
            _within(options.start, ray.init, {"address": "auto", **common}, "to find a cluster")
        except ConnectionError:  # there is none
            _within(options.start, ray.init, here, "to start Ray on this machine")
    else:
        fault = _reach(options.address)
        if fault:
            raise Error(
                f"no Ray cluster answers at {options.address}: {fault}. Is its head running "
                "(ray status), and is this the port of ray start --port (6379 by default)?",
                "unavailable",
            )
        _within(options.start, ray.init, {"address": options.address, **common},
                f"to connect to {options.address}")


def _log(data, ignore_prefix=False):
    """What Ray has to say: into the job's log."""
    for message in data.get("lines", ()):
        for line in filter(None, map(str.rstrip, str(message).splitlines())):
            _windlass.log(_RAYS + line)
            # Of a job that was submitted to Ray the log is what its driver writes.
            if "--submitted" in sys.argv:
                print(_RAYS + line, file=sys.stderr, flush=True)


def _within(seconds, function, arguments, what):
    """Calls on a thread of its own: Ray waits without asking us, and on the main thread it would
    replace the handler of SIGTERM."""
    outcome = queue.SimpleQueue()

    def call():
        try:
            function(**arguments)
            outcome.put(None)
        except BaseException as error:  # it may even exit
            outcome.put(error)
            return
        # What Ray has started is killed when the thread that started it ends (PR_SET_PDEATHSIG).
        threading.Event().wait()

    threading.Thread(target=call, name="windlass-ray-init", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise Error(f"Ray took longer than {seconds:g} s {what}; ?start=SECONDS waits longer",
                    "deadline exceeded") from None
    if error is None:
        return
    text = " ".join(str(error).split())
    if "Version mismatch" in text:
        raise Error(f"Ray or Python differ between this process and the cluster: {text}; install "
                    "what the cluster has, or start the cluster with what is here", "unsupported")
    if "node_ip_address.json" in text or "not found in the cluster" in text.lower():
        raise Error(
            f"this machine is none of the cluster's ({arguments['address']}): a job's driver needs "
            "Ray running beside it. Join it (ray start --address=...) or submit the command as a "
            f"Ray job. Ray said: {text[:300]}", "unavailable")
    if isinstance(error, ConnectionError):
        if arguments["address"] == "auto":
            raise error
        token = ("" if "RAY_AUTH_MODE" in os.environ else
                 "; where the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN "
                 "(or have ~/.ray/auth_token)")
        raise Error(f"no Ray cluster answers at {arguments['address']}: {text[:300]}{token}",
                    "unavailable")
    raise Error(f"Ray failed {what}: {type(error).__name__}: {text[:600]}", "unavailable")


def _reach(address) -> str:
    """Why nothing listens there, or nothing."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _actor_class(ray):
    # A class inside a function travels by value, so that it can say what its node lacks.
    class WindlassWorker:
        def __init__(self, sync_points, plugins):
            self._fault = None
            try:
                from windlass.ray.worker import Worker

                self._worker = Worker(sync_points, plugins)
            except Exception as error:
                self._fault = f"{type(error).__name__}: {error}"

        @ray.method(concurrency_group="control")
        def hello(self):
            import platform
            import socket
            import sys

            if self._fault:
                return {"fault": self._fault, "host": socket.gethostname(),
                        "address": "", "interpreter": sys.executable,
                        "python": platform.python_version()}
            from windlass.ray.worker import facts

            return facts()

        @ray.method(concurrency_group="control")
        def cancel(self, number):
            self._worker.cancel(number)

        @ray.method(concurrency_group="control")
        def gathered(self, call, messages):
            self._worker.gathered(call, messages)

        @ray.method(concurrency_group="events")
        def events(self, seconds):
            return self._worker.events(seconds)

        def run(self, *arguments):
            return self._worker.run(*arguments)

    return ray.remote(concurrency_groups={"control": 1, "events": 1})(WindlassWorker)


class _Handle:
    """A worker's process, and its methods made once: making one costs as much as a call."""

    def __init__(self, actor):
        self.actor = actor
        self.run = actor.run
        self.cancel = actor.cancel
        self.gathered = actor.gathered
        self.events = actor.events


class Cluster:
    def __init__(self, ray, options):
        self._ray = ray
        self._options = options
        self._kind = _actor_class(ray)
        self._each = {"num_cpus": options.cpus, "memory": options.memory, "max_restarts": 0,
                      "resources": dict(options.resources) or None, "max_task_retries": 0}
        self._actors = self._kind.options(**self._each, scheduling_strategy="SPREAD")
        self._plugins = [(name, digest, ray.put(data)) for name, digest, data in plugins.mine()]
        self._closed = threading.Event()
        self._lost = False
        # Ends workers beside the driver: without a head such a call waits until Ray gives up.
        self._endings = queue.SimpleQueue()
        self._ender = self._start_thread("ender", self._end)

    def watch(self, post, follow_capacity):
        """Begins to look after the head, and after how many workers there is room for."""
        self._start_thread("head", self._watch_head, post)
        if follow_capacity:
            self._start_thread("capacity", self._watch_capacity, post)

    def _start_thread(self, name, body, *arguments):
        thread = threading.Thread(target=body, args=arguments, name=f"windlass-ray-{name}",
                                  daemon=True)
        thread.start()
        return thread

    def _watch_head(self, post):
        address = self._ray.get_runtime_context().gcs_address
        seen = time.monotonic()
        while not self._closed.wait(_LOOK_SECONDS):
            fault = _reach(address)
            now = time.monotonic()
            if not fault:
                seen = now
            elif now - seen > _HEAD_PATIENCE:
                self._lost = True
                post(("head lost", f"the head of the Ray cluster ({address}) has not answered for "
                                   f"{now - seen:.0f} s: {fault}"))
                return

    def _watch_capacity(self, post):
        while not self._closed.wait(_CAPACITY_SECONDS):
            try:
                post(("capacity", self.capacity()))
            except Exception:  # without a head there is no answer, which is the other one's to say
                continue

    def capacity(self) -> int:
        """How many workers fit into all nodes together, busy or not; at least 1."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0) // self._options.cpus))

    def describe(self) -> str:
        """What the cluster has and what is free, in words."""
        try:
            total, free = self._ray.cluster_resources(), self._ray.available_resources()
            nodes = sum(node["Alive"] for node in self._ray.nodes())
        except Exception as error:
            return f"the cluster does not say what it has: {error}"
        said = f"{nodes} nodes with {total.get('CPU', 0):g} CPUs, {free.get('CPU', 0):g} free"
        for name in self._options.resources:
            said += f"; {total.get(name, 0):g} {name}, {free.get(name, 0):g} free"
        return said

    def start_worker(self, post):
        return self._started(post, self._actors)

    def _started(self, post, actors):
        handle = _Handle(actors.remote(os.environ.get("WINDLASS_WORKER_SYNC_POINTS"),
                                       self._plugins))
        self._call(post, "ready", handle, handle.actor.hello.remote())
        return handle

    def start_gang(self, post, size):
        """A placement group, and workers that begin when it has room for all of them."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        options = self._options
        bundle = {"CPU": options.cpus, **options.resources}
        if options.memory:
            bundle["memory"] = options.memory
        group = self._ray.util.placement_group([bundle] * size, strategy="PACK")
        return group, [
            self._started(post, self._kind.options(
                **self._each, scheduling_strategy=PlacementGroupSchedulingStrategy(
                    group, placement_group_bundle_index=rank)))
            for rank in range(size)]

    def end_gang(self, group):
        """Gives a placement group's room back; its workers end, if they have not."""
        self._endings.put(lambda: self._ray.util.remove_placement_group(group))

    def gathered(self, handle, call, messages):
        handle.gathered.remote(call, messages)

    def run(self, post, handle, call, arguments):
        reference = handle.run.remote(*arguments)
        # The reference goes with the message: it is let go on the driver's thread.
        reference._on_completed(lambda replies: post(("done", handle, call, replies, reference)))

    def events(self, post, handle, seconds):
        self._call(post, "events", handle, handle.events.remote(seconds))

    @staticmethod
    def _call(post, what, handle, reference):
        reference._on_completed(lambda reply: post((what, handle, reply, reference)))

    def cancel(self, handle, number):
        handle.cancel.remote(number)

    def kill(self, handle):
        self._endings.put(lambda: self._ray.kill(handle.actor, no_restart=True))

    def _end(self):
        while (ending := self._endings.get()) is not None:
            if self._lost:
                continue
            try:
                ending()
            except Exception:  # it has ended, or nobody can be told: Ray ends it with the driver
                pass

    def put(self, data: bytes):
        try:
            return self._ray.put(data)
        except Exception as error:
            raise Error(f"an object of {len(data)} bytes cannot be put into Ray's object store: "
                        f"{_short(error)}; {_PUT_ADVICE}", "input/output") from None

    def get(self, reference, seconds) -> bytes | None:
        """None when the object is gone with the process or node that held it. Raises TimeoutError:
        of a node that was cut off Ray itself knows only after minutes."""
        try:
            return self._ray.get(reference, timeout=seconds)
        except self._ray.exceptions.GetTimeoutError:
            raise TimeoutError from None
        except self._ray.exceptions.RayError:
            return None

    def died(self, reply) -> bool:
        """Whether an exception means that the worker is gone, or cannot be told from gone."""
        return not isinstance(reply, self._ray.exceptions.RayTaskError)

    def close(self):
        """After every kill() and end_gang(): waits for them, not for ever."""
        self._closed.set()
        self._endings.put(None)
        self._ender.join(timeout=_CLOSE_SECONDS)
        if self._lost or self._ender.is_alive():
            # It would wait for the head too, and then abort this process. Without it answers may
            # still come when Python is gone, which Ray does not survive.
            atexit.unregister(self._ray.shutdown)
            _windlass.exit_at_once()


def _short(error, length=240) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= length else text[:length] + " ..."


def cause_of_death(error) -> str:
    """Why a worker was lost, from what Ray says: the cause in our words, then Ray's, shortened."""
    text = " ".join(str(error).split())
    detail = re.search(r"Worker exit detail: (.*)", text)
    said = detail[1] if detail else text.partition("before finishing this task.")[2] or text
    said = _short(said.partition(" Some common causes ")[0].partition(" There are some ")[0])
    lower = text.lower()
    if "out_of_memory" in lower or "low on memory" in lower or "outofmemory" in lower:
        return f"out of memory: Ray's memory monitor killed it ({said})"
    if re.search(r"node (has |was )?(died|dead|marked dead|terminated)|node_died", lower):
        return f"its node was lost ({said})"
    if "worker exit type: intended" in lower or "exit code" in lower:
        return f"its process exited ({said})"
    if "connection error" in lower or "end of file" in lower or "worker process has died" in lower:
        return ("its process ended without a word, by a signal (SIGKILL where the kernel or a "
                f"container ran out of memory), a crash or an exit ({said})")
    if "unavailable" in lower:
        return f"it could not be reached ({said})"
    return said or type(error).__name__
