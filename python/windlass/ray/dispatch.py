"""Which worker of a session gets which task, and when. (How many workers there are: pool.py.)"""

import collections
import time

from .gang import Gang
from .records import Pace

# Calls of a worker: one that runs, and two that it has already when that one ends.
_DEPTH = 3
_FRESH_SECONDS = 30.0  # how long a task's last try waits for a worker that has run nothing
_LONG_SECONDS = 0.1  # a task that has run as long may keep those behind it from idle workers


class Dispatch:
    """The tasks that no worker has; `send` gives a worker some of them in one call, `take_back`
    asks it not to begin one."""

    def __init__(self, pool, gangs, send, take_back):
        self._pool, self._gangs = pool, gangs
        self._send, self._take_back = send, take_back
        self._waiting = collections.deque()
        self._last_tries = []  # those of them that may be lost no more
        self._paces = collections.defaultdict(Pace)  # by kind
        self.together = 1  # tasks in a call, of the kind that ended last

    def add(self, task):
        """A new one. Small ones wait for others to go with, as long as the driver has more to do
        and every worker has something to do."""
        self._waiting.append(task)
        if (task.alone or self._paces[task.kind].together == 1
                or any(not worker.calls for worker in self._pool.takers)):
            self.go_on()

    def add_gang(self, gang):
        self._waiting.append(gang)
        self.go_on()

    def add_first(self, task):
        """A task or gang that is to run again."""
        self._waiting.appendleft(task)

    def add_last_try(self, task):
        """A task that was lost so often that the next loss is its end."""
        task.patience = time.monotonic() + _FRESH_SECONDS
        self._last_tries.append(task)

    def remove(self, task):
        """Says whether the task or gang was among those that wait."""
        for waiting in (self._waiting, self._last_tries):
            if task in waiting:
                waiting.remove(task)
                return True
        return False

    def ended(self, task, wall, size):
        """After a run of so many seconds, of a task that with its result carried so much."""
        pace = self._paces[task.kind]
        pace.note(wall, size)
        self.together = pace.together

    def go_on(self):
        """Gives workers what they have room for."""
        if self._last_tries and self._pool.begun:
            self._try_last()
        waiting, takers = self._waiting, self._pool.takers
        while waiting:
            task = waiting[0]
            if type(task) is Gang:
                if not self._gangs.fits(task, self._pool.wanted):
                    return
                self._gangs.start(waiting.popleft())
                continue
            if not self._pool.begun or not takers:
                return
            worker = takers[0]
            if len(takers) > 1:
                worker = min(takers, key=lambda one: (one.full, one.calls))
            # A task that may run only once waits where it is known not to have begun.
            if worker.full or worker.calls >= (_DEPTH if task.pure else 1):
                return
            self._send(worker, self._next_batch())
        self._share()

    def _try_last(self):
        """What was lost with other workers goes to one that has run nothing, so that what its
        worker did before cannot be what ends it; to any, where none comes."""
        now = time.monotonic()
        for task in list(self._last_tries):
            takers = self._pool.takers
            fresh = [worker for worker in takers if not worker.used]
            if not fresh and (not takers or self._pool.awaits_any() and now < task.patience):
                return
            self._last_tries.remove(task)
            worker = min(fresh or takers, key=lambda one: one.calls)
            worker.full = True  # what comes after it could end the process before its answer is out
            self._send(worker, [task])

    def _next_batch(self):
        """Takes what goes in one call: the first that waits, and those of its kind that follow."""
        waiting = self._waiting
        batch = [first] = [waiting.popleft()]
        if first.alone:
            return batch
        idle = sum(not worker.calls for worker in self._pool.takers)
        most = min(self._paces[first.kind].together, -(-(len(waiting) + 1) // max(1, idle)))
        while (len(batch) < most and waiting and type(waiting[0]) is not Gang
               and waiting[0].kind == first.kind and not waiting[0].alone):
            batch.append(waiting.popleft())
        return batch

    def _share(self):
        """Gives workers that have nothing to do what others have not begun: a worker that came
        later, or tasks behind a long one."""
        idle = [worker for worker in self._pool.takers if not worker.tasks]
        now = time.monotonic() if idle else 0.0
        for worker in idle:
            giver = max(self._pool.ready, key=lambda one: len(one.tasks))
            if len(giver.tasks) < 2 or now - giver.since < _LONG_SECONDS:
                return
            if not giver.tasks[-1].pure:
                return
            task = giver.tasks.pop()
            self._take_back(giver, task)
            task.runs -= 1
            self._send(worker, [task])
