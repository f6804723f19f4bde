"""What runs in a worker's process: one task at a time, its objects, its events."""

import collections
import os
import socket
import sys
import threading
import time

import ray

from .. import _engines, _map, _windlass  # noqa: F401 (they register kinds of tasks)
from .._error import Error
from . import plugins

# Results up to this go back with the reply; Ray would copy larger ones into its store anyway.
INLINE_BYTES = 64 * 1024
_FETCH_SECONDS = 300.0
# Of a call of several tasks: beyond these it gives back those that it has not begun.
_CALL_SECONDS = 0.01


def _address() -> str:
    """At which the cluster knows this node; a machine may have several."""
    try:
        return ray._private.worker.global_worker.node.node_ip_address
    except AttributeError:
        return ray.util.get_node_ip_address()


def facts() -> dict:
    """Who this process is, and what must be the same on the driver and its workers."""
    return {
        "build": _windlass.build_hash(),
        "python": "{}.{}".format(*sys.version_info),
        "ray": ray.__version__,
        "host": socket.gethostname(),
        "address": _address(),
        "pid": os.getpid(),
    }


class Worker:
    """Its methods are called by an actor's: run on one thread, the others beside it."""

    def __init__(self, sync_points=None, given=()):
        if sync_points is not None:  # of a test, for workers and not for their driver
            os.environ["WINDLASS_SYNC_POINTS"] = sync_points
        _windlass.arm_sync_points()
        for name, digest, reference in given:  # plug-ins
            plugins.load(name, digest, ray.get(reference, timeout=_FETCH_SECONDS))
        self._runner = _windlass.TaskRunner()
        self._objects = {}  # by the session's number: references to what is in Ray's store
        self._events = collections.deque()  # (task, call, text), oldest first
        self._sent = 0  # of the task that runs: events that left by `events`
        self._changed = threading.Condition()
        self._call = 0  # the one that runs
        self._gathered = collections.deque()  # of its gang's exchanges, the messages of all

    def run(self, tasks, fresh, forgotten, place=None):
        """Runs tasks one after the other, each (number, call, task, inputs); an input is its bytes
        or the number of an object that this call or an earlier one brought (`fresh`: {number:
        [reference]}). `place`: (rank, size, address) in its gang, of the only one.

        Gives for each of the first tasks, one at least, (error, result, hash, size, wall seconds,
        CPU seconds, lost, sent, events): an encoded error or None; the result's bytes, or
        [reference] of a large one; why an input could not be fetched, or None; how many events went
        by `events`; the texts of those that did not. The others have not begun.
        """
        for old in forgotten:
            self._objects.pop(old, None)
        for new, reference in fresh.items():
            self._objects[new] = reference[0]
        end = time.monotonic() + _CALL_SECONDS
        replies, carried = [], 0
        for task in tasks:
            replies.append(self._run(*task, place))
            carried += replies[-1][3]
            if carried > INLINE_BYTES or time.monotonic() > end:
                break
        return replies

    def _run(self, number, call, task, inputs, place):
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

        with self._changed:
            self._call = call
            self._gathered.clear()
        member = None if place is None else (*place, send, self._next_gathered)
        error, result, digest, wall, cpu = self._runner.run(
            call, task, len(inputs), fetch, send, member)
        size = 0 if result is None else len(result)
        if size > INLINE_BYTES:
            result = [ray.put(result)]
        with self._changed:
            events = [text for _, _, text in self._events if type(text) is str]
            self._events.clear()
            sent, self._sent = self._sent, 0
        return error, result, digest, size, wall, cpu, lost, sent, events

    def events(self, seconds):
        """The events since the last call as [(task, call, text)]; waits for the first. Bytes
        instead of a text are a message to the task's gang."""
        with self._changed:
            self._changed.wait_for(lambda: self._events, timeout=seconds)
            events = list(self._events)
            self._events.clear()
            self._sent += len(events)
            return events

    def cancel(self, call):
        """Asks a task to stop, or not to begin."""
        self._runner.cancel(call)

    def gathered(self, call, messages):
        """The next exchange of the gang is complete: the messages of all, by rank."""
        with self._changed:
            if call == self._call:
                self._gathered.append(messages)
                self._changed.notify_all()

    def _next_gathered(self, seconds):
        """Messages of all; None when they are not there in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._gathered, timeout=seconds)
            return self._gathered.popleft() if self._gathered else None
