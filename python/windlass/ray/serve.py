"""Services on Ray Serve: an application whose replicas have the C++ core in them.

Each replica listens at the service's port itself, beside those that run on the same machine, among
which the system deals connections; so no request passes through Python. With ?proxy=1 Ray Serve's
own HTTP proxies listen there instead, and bring each request to a replica.
"""

import asyncio
import json
import logging
import socket
import time

from .. import _windlass
from .._error import Error
from . import cluster as clusters
from .options import parse

_LOOK_SECONDS = 0.1
_HEALTH_SECONDS = 5.0


class Replica:
    """What Ray Serve starts, looks after and ends: see ServiceReplica in python/module/serve.cc."""

    def __init__(self, service, spec, prepared, listens):
        from windlass import _engines, _windlass  # noqa: F401

        self._core = _windlass.ServiceReplica(service, spec, prepared)
        self._url = self._core.listen(True) if listens else None

    def url(self):
        return self._url

    async def __call__(self, request):
        """A request that Ray Serve's proxy brought."""
        from starlette.responses import Response

        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        def done(status, headers, body):  # on a thread of the core
            loop.call_soon_threadsafe(lambda: answered.done() or answered.set_result(
                Response(body, status, dict(headers))))

        target = request.url.path + ("?" + request.url.query if request.url.query else "")
        self._core.answer(request.method, target, request.headers.items(), await request.body(),
                          done)
        return await answered

    def __del__(self):
        # Ray Serve calls it when a replica is to end, once its own requests are answered.
        core = getattr(self, "_core", None)
        if core is not None:
            core.shutdown()


def run(location, options, service, spec, prepared, serving, announce, stop):
    """What `windlass serve ... --engine ray` calls; returns when stop() says true."""
    options = dict(options)
    proxy = options.pop("proxy", "0")
    if proxy not in ("0", "1"):
        raise Error(f"engine ray, option proxy={proxy}: 0 or 1 was expected", "invalid input")
    parsed = parse(location, options)
    wanted = json.loads(spec)
    replicas = wanted["replicas"] or 1
    clusters.connect(parsed, replicas)
    try:
        from ray import serve
    except ImportError as error:
        raise Error(f"services on Ray need Ray Serve, which cannot be imported here: {error}; pip "
                    "install 'ray[serve]', the version of your cluster", "unsupported") from None
    if wanted["port"] == 0:
        wanted["port"] = _free_port(wanted["address"])
    # A replica is a process of its own: one thread that computes, unless it was given more CPUs.
    wanted["replicas"] = max(1, int(parsed.cpus))
    application = "windlass-" + wanted["name"]
    _start(serve, wanted, proxy == "1")
    deployment = serve.deployment(
        Replica, name=service, num_replicas=replicas,
        max_ongoing_requests=wanted["queue"] + wanted["max_batch_size"],
        graceful_shutdown_timeout_s=wanted["timeout"] + 10,
        ray_actor_options={"num_cpus": parsed.cpus, "resources": parsed.resources,
                           **({"memory": parsed.memory} if parsed.memory else {})})
    try:
        handle = serve.run(
            deployment.bind(service, json.dumps(wanted), prepared, proxy == "0"),
            name=application, route_prefix="/" if proxy == "1" else None)
    except RuntimeError as error:
        raise Error(f"Ray Serve could not start the service: {_why(serve, application, error)}",
                    "invalid input") from None
    _windlass.handle_signals()  # Ray has taken SIGTERM, to die of it
    serving(f"http://{wanted['address']}:{wanted['port']}" if proxy == "1"
            else handle.url.remote().result(timeout_s=parsed.start))
    try:
        _watch(serve, application, announce, stop)
    finally:
        announce("stopping: what was accepted is finished first")
        serve.delete(application)
        if parsed.address == "local":
            serve.shutdown()


def _watch(serve, application, announce, stop):
    told, looked = "RUNNING", time.monotonic()
    while not stop():
        time.sleep(_LOOK_SECONDS)
        if time.monotonic() - looked < _HEALTH_SECONDS:
            continue
        looked = time.monotonic()
        status = serve.status().applications.get(application)
        state = status.status.name if status else "gone"
        if state != told:
            announce(f"Ray Serve says that the service is {state.lower().replace('_', ' ')}")
            told = state
        if state in ("gone", "DEPLOY_FAILED", "DELETING"):
            raise Error("Ray Serve ended the service: somebody deleted the application, or it could "
                        "not be kept alive", "unavailable")


def _start(serve, wanted, proxy):
    """Ray Serve's own processes; its proxies only where they are wanted."""
    from ray.serve.config import HTTPOptions

    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it tells of each of its steps
    serve.start(
        proxy_location="EveryNode" if proxy else "Disabled",
        http_options=HTTPOptions(host=wanted["address"], port=wanted["port"],
                                 request_timeout_s=wanted["timeout"]),
        logging_config={"log_level": "WARNING", "enable_access_log": False})


def _why(serve, application, error):
    """What went wrong, from what Ray Serve says of the application."""
    try:
        status = serve.status().applications[application]
        said = [status.message, *(d.message for d in status.deployments.values())]
    except Exception:
        said = []
    text = max([*said, str(error)], key=len)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if "Error" in line]
    return " ".join((found or lines)[-1:])[:600]


def _free_port(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address if address != "localhost" else "127.0.0.1", 0))
        return probe.getsockname()[1]
