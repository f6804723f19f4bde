"""What runs in a worker's process: one task at a time, its objects, its events."""

import collections
import os
import socket
import sys
import threading

import ray

from .. import _engines, _map, _windlass  # noqa: F401 (they register kinds of tasks)
from .._error import Error

# Results up to this go back with the reply; Ray would copy larger ones into its store anyway.
INLINE_BYTES = 64 * 1024
_FETCH_SECONDS = 300.0


def facts() -> dict:
    """Who this process is, and what must be the same on the driver and its workers."""
    return {
        "build": _windlass.build_hash(),
        "python": "{}.{}".format(*sys.version_info),
        "ray": ray.__version__,
        "host": socket.gethostname(),
        "address": ray.util.get_node_ip_address(),
        "pid": os.getpid(),
    }


class Worker:
    """Its methods are called by an actor's: run on one thread, the others beside it."""

    def __init__(self, sync_points=None):
        if sync_points is not None:  # of a test, for workers and not for their driver
            os.environ["WINDLASS_SYNC_POINTS"] = sync_points
        _windlass.arm_sync_points()
        self._runner = _windlass.TaskRunner()
        self._objects = {}  # by the session's number: references to what is in Ray's store
        self._events = collections.deque()  # (task, call, text), oldest first
        self._sent = 0  # of the task that runs: events that left by `events`
        self._changed = threading.Condition()

    def run(self, number, call, task, inputs, fresh, forgotten):
        """Runs task `number` of `inputs`, each its bytes or the number of an object that this call
        or an earlier one brought (`fresh`: {number: [reference]}).

        Gives (error, result, hash, size, wall seconds, CPU seconds, lost, sent, events): an encoded
        error or None; the result's bytes, or [reference] of a large one; why an input could not be
        fetched, or None; how many events went by `events`; the texts of those that did not.
        """
        for old in forgotten:
            self._objects.pop(old, None)
        for new, reference in fresh.items():
            self._objects[new] = reference[0]
        lost = None

        def fetch(index):
            nonlocal lost
            given = inputs[index]
            if type(given) is bytes:
                return given
            try:
                return ray.get(self._objects[given], timeout=_FETCH_SECONDS)
            except ray.exceptions.RayError as error:
                lost = f"input {index} could not be fetched: {type(error).__name__}: {error}"
                raise Error(lost, "unavailable") from None

        def send(text):
            with self._changed:
                self._events.append((number, call, text))
                self._changed.notify_all()

        error, result, digest, wall, cpu = self._runner.run(call, task, len(inputs), fetch, send)
        size = 0 if result is None else len(result)
        if size > INLINE_BYTES:
            result = [ray.put(result)]
        with self._changed:
            events = [text for _, _, text in self._events]
            self._events.clear()
            sent, self._sent = self._sent, 0
        return error, result, digest, size, wall, cpu, lost, sent, events

    def events(self, seconds):
        """The events since the last call as [(task, call, text)]; waits for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._events, timeout=seconds)
            events = list(self._events)
            self._events.clear()
            self._sent += len(events)
            return events

    def cancel(self, call):
        """Asks a task to stop, or not to begin."""
        self._runner.cancel(call)
