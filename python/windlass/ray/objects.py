"""What tasks of a session read and give: the bytes, or where they are in Ray's store."""

import time

from .._error import Error

# Objects beyond this go into Ray's store once and are fetched; smaller ones go with the call,
# unless several tasks read them and they are larger than what a reference costs.
_INLINE_BYTES = 64 * 1024
_SHARED_BYTES = 1024
_MOST_LOSSES = 3  # of one result
REMAKE_SECONDS = 300.0
_GET_SECONDS = 300.0
_GET_SLICE_SECONDS = 5.0


class _Object:
    """What tasks read: its bytes, or where it is in Ray's store."""

    __slots__ = ("data", "number", "reads", "reference", "size")

    def __init__(self, number, data):
        self.number, self.data, self.size = number, data, len(data)
        self.reads, self.reference = 0, None


class _Result:
    """What a task gave: its bytes, or where they are and the task that makes them again."""

    __slots__ = ("data", "error", "holder", "reference", "task")

    def __init__(self, task):
        self.task, self.error = task, None

    def came(self, data, holder):
        """data: bytes, or [reference] to those that a worker holds."""
        self.holder = holder
        self.data, self.reference = (None, data[0]) if isinstance(data, list) else (data, None)


class Objects:
    """Those of a session, by their hashes; `session` has lost ones made again."""

    def __init__(self, session, cluster):
        self._session, self._cluster = session, cluster
        self._objects = {}  # what was put, or read
        self._arrived = {}  # results by task, until the driver gets the completion
        self._results = {}  # from then on
        self._number = 0

    def put(self, digest, data):
        self._number += 1
        self._objects[digest] = made = _Object(self._number, data)
        return made

    def drop(self, digest):
        """Gives the number by which workers may have references to it, or None."""
        self._results.pop(digest, None)
        dropped = self._objects.pop(digest, None)
        return None if dropped is None or dropped.reference is None else dropped.number

    def get(self, digest):
        if digest in self._results:
            return self._bytes_of(self._results[digest])
        held = self._objects[digest]
        if held.data is not None:
            return held.data
        data = self.fetch(held.reference)
        if data is None:
            raise Error(f"object {digest.hex()} is no longer in Ray's store", "unavailable")
        return data

    def read(self, digest):
        """An object that one more task reads; it may be what another one gave."""
        found = self._objects.get(digest)
        if found is None:
            found = self.put(digest, self._bytes_of(self._results[digest]))
        found.reads += 1
        return found

    def to_send(self, given, worker, fresh):
        """What a worker gets of an object: its bytes, or the number under which it has a reference;
        one that it lacks goes into `fresh`."""
        if given.reference is None and (
            given.size > _INLINE_BYTES or (given.reads > 1 and given.size > _SHARED_BYTES)
        ):
            given.reference, given.data = self._cluster.put(given.data), None
        if given.reference is None:
            return given.data
        if given.number not in worker.known:
            worker.known.add(given.number)
            fresh[given.number] = [given.reference]
        return given.number

    def came(self, task, data, holder):
        """A task's result, see _Result.came."""
        result = self._arrived[task.id] = _Result(task if isinstance(data, list) else None)
        result.came(data, holder)

    def given(self, completion):
        """What next() gives to the driver now: its result is known by its hash from here on. Not
        earlier, as another task's equal result may be dropped meanwhile."""
        if completion[0] in self._arrived and len(completion) > 2:
            self._results[completion[2]] = self._arrived.pop(completion[0])
        return completion

    def rescue(self, holder):
        """Fetches the results that would be lost with a worker."""
        for result in (*self._arrived.values(), *self._results.values()):
            if result.holder == holder and result.data is None and result.reference is not None:
                result.data = self.fetch(result.reference)

    def fetch(self, reference):
        """What is in Ray's store; None when it cannot be had."""
        try:
            return self._cluster.get(reference, _GET_SECONDS)
        except TimeoutError:
            return None

    def _bytes_of(self, result):
        """Of a large result from where it is; where that is gone, the task runs again."""
        if result.data is None and result.error is None:
            for _ in range(_MOST_LOSSES):
                if result.reference is not None:
                    result.data = self.fetch_of(result.reference, result.holder)
                if result.data is not None or result.error is not None:
                    break
                self._session.run_again(result)
        if result.error is not None:
            raise result.error
        if result.data is None:
            raise Error(f"the result of task {result.task.id} ({result.task.kind}) was lost "
                        f"{_MOST_LOSSES} times", "unavailable")
        return result.data

    def fetch_of(self, reference, holder):
        """What a worker made; None when it is lost, or the worker is and it does not come soon all
        the same."""
        deadline = time.monotonic() + _GET_SECONDS
        while time.monotonic() < deadline:
            self._session.look()  # to know of lost workers
            lost = not self._session.has(holder)
            try:
                return self._cluster.get(reference, _GET_SLICE_SECONDS)
            except TimeoutError:
                if lost:
                    return None
        return None
