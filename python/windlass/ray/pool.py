"""The workers of a session: how many there are to be, which of them are there, which get tasks."""

import time

from .._error import Error
from .records import Worker

_MOST_FAILED_STARTS = 5  # in a row


class Pool:
    """least, most: how many workers must be there to begin, and how many are asked for; 0: as many
    as the cluster has room for, now and later. `post` takes the messages of workers, `rescue` the
    results that would be lost with one."""

    def __init__(self, cluster, post, options, least, most, rescue):
        self._cluster, self._post, self._options, self._rescue = cluster, post, options, rescue
        self._least, self.most = max(1, least), most
        self.by_handle = {}
        self.ready = []  # workers that are there
        self.takers = []  # those of them that get tasks: not of gangs, not retiring
        self.wanted = most if most else cluster.capacity()
        self.begun = False  # whether enough of them have been there
        # Whether there is more to do than gangs, which have workers of their own. None is started
        # to be ended at once: Ray has been seen to lose its CPU then.
        self._started = False
        self._in_gangs = 0
        self._deadline = 0.0
        self._failed_starts = 0
        self._number = 0

    def start(self):
        if not self._started:
            self._started = True
            self._deadline = time.monotonic() + self._options.start
            self.balance()

    def slots(self):
        # Before the workers are there, as many tasks as they will take are to be ready for them.
        # A gang leaves none: but it will.
        return max(1 if self.begun else self._least, len(self.takers))

    def want(self, workers):
        if workers != self.wanted:
            self.wanted = workers
            self.balance()

    def make_room(self, in_gangs):
        """For gangs, whose members are so many now."""
        self._in_gangs = in_gangs
        if not in_gangs:
            self._deadline = time.monotonic() + self._options.start  # workers start anew
        self.balance()

    def balance(self):
        """Asks for workers that are missing; takes back those that wait for room that is gone, or
        that a gang takes."""
        wanted = max(0, self.wanted - self._in_gangs) if self._started else 0
        staying = [w for w in self.by_handle.values() if w.gang is None and not w.retiring]
        surplus = len(staying) - wanted
        for worker in [w for w in self.by_handle.values() if w.retiring][: max(0, -surplus)]:
            worker.retiring = False
            self.takers.append(worker)
            surplus += 1
        for _ in range(-surplus):
            self.add(self._cluster.start_worker(self._post))
        for worker in [w for w in staying if w.facts is None][: max(0, surplus)]:
            self.remove(worker)
            surplus -= 1
        if surplus > 0 and self._in_gangs:
            for worker in sorted(self.takers, key=lambda one: len(one.tasks))[:surplus]:
                worker.retiring = True
                self.takers.remove(worker)
                self.retire(worker)

    def add(self, handle):
        self._number += 1
        worker = self.by_handle[handle] = Worker(self._number)
        worker.handle = handle
        return worker

    def came(self, worker, facts):
        """A worker is there, and says of itself what it is."""
        self._failed_starts = 0
        worker.facts = facts
        worker.spoke = time.monotonic()
        self.ready.append(worker)
        if worker.gang is None:
            self.takers.append(worker)
            self.begun = self.begun or len(self.takers) >= self._least

    def did_not_start(self, worker, why):
        """Gives the error that this is after too many in a row."""
        self.remove(worker)
        self._failed_starts += 1
        if self._failed_starts < _MOST_FAILED_STARTS:
            return None
        return Error(f"{self._failed_starts} workers in a row could not be started: {why}",
                     "unavailable")

    def awaits_any(self):
        """Whether a worker has yet to come."""
        return any(worker.facts is None and worker.gang is None
                   for worker in self.by_handle.values())

    def late(self, now):
        """The error that it is where workers have not come in time to begin; None."""
        if not self._started or self.begun or self._in_gangs or now <= self._deadline:
            return None
        return Error(
            f"only {len(self.takers)} of {self._least} workers could be started within "
            f"{self._options.start:g} s, each with {self._options.cpus:g} CPUs; the cluster "
            f"has {self._cluster.describe()}. Ask for fewer (-w {max(1, len(self.takers))}), "
            "for MIN:MAX, or wait longer (?start=SECONDS)", "deadline exceeded")

    def remove(self, worker):
        """Ends a worker, whatever it does."""
        if self.by_handle.pop(worker.handle, None) is None:
            return
        for group in (self.ready, self.takers):
            if worker in group:
                group.remove(worker)
        self._cluster.kill(worker.handle)

    def retire(self, worker):
        """Ends a worker that is to make room, once it has nothing to do. Large results would be
        lost with it, so they are fetched first."""
        if worker.tasks or worker.held:
            return
        self._rescue(worker.handle)
        self.remove(worker)

    def close(self):
        for handle in self.by_handle:
            self._cluster.kill(handle)
        self.by_handle, self.ready, self.takers = {}, [], []
