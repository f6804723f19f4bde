"""A session of the engine `ray`: which worker runs which task, and what happens when one is lost.

Driven by PythonSession in python/module/session.cc, on one thread (`cancel` excepted). Nothing here
calls Ray itself: cluster.py does, and a test's stand-in.
"""

import collections
import queue
import sys
import time

from .. import _windlass
from .._error import Error
from . import cluster as clusters
from .gang import Gang, Gangs
from .objects import REMAKE_SECONDS, Objects
from .options import parse
from .records import Pace, Task, Worker

# Calls of a worker: one that runs, and two that it has already when that one ends.
_DEPTH = 3
_MOST_LOSSES = 3  # of one task: it may be what kills its workers
_FRESH_SECONDS = 30.0  # how long a task's last try waits for a worker that has run nothing
_MOST_FAILED_STARTS = 5  # in a row
_TEND_SECONDS = 0.25
_EVENTS_SECONDS = 30.0  # how long a worker may keep a question for events
_SILENCE_SECONDS = 120.0  # beyond that, without any answer: it hangs
_LONG_SECONDS = 0.1  # a task that has run as long may keep those behind it from idle workers
_RETRYABLE = 8  # windlass::ErrorCode::kUnavailable, the first byte of an encoded error


def start(location, options, least, most):
    """What `windlass --engine ray` calls; least, most: of workers, see windlass::WorkerCount."""
    parsed = parse(location, options)
    least = 1 if least < 0 else least  # one after the other
    most = max(1, most) if least else 0
    cluster = clusters.connect(parsed, max(1, least))
    return Session(cluster, parsed, least, most, _own_facts())


def _own_facts():
    import ray

    return {"build": _windlass.build_hash(), "ray": ray.__version__,
            "python": "{}.{}".format(*sys.version_info)}


class Session:
    """least, most: how many workers must be there to begin, and how many are asked for; 0: as many
    as the cluster has room for, now and later."""

    MOST_LOSSES, RETRYABLE = _MOST_LOSSES, _RETRYABLE

    def __init__(self, cluster, options, least, most, own):
        self._cluster, self._options, self._own = cluster, options, own
        self._least, self._most = max(1, least), most
        self._inbox = queue.SimpleQueue()
        self._post = self._inbox.put
        self._objects = Objects(self, cluster)
        self._waiting = collections.deque()  # tasks that no worker has
        self._last_tries = []  # those of them that may be lost no more
        self._tasks = {}  # by id, until they complete
        self._paces = collections.defaultdict(Pace)  # by kind
        self._together = 1  # tasks in a call, of the kind that ended last
        self._asked = set()  # ids that Cancel named; the only thing that two threads touch
        self._workers = {}  # by handle
        self._ready = []  # workers that are there
        self._takers = []  # those of them that get tasks: not of gangs, not retiring
        self._gangs = Gangs(self, cluster, options.start)
        self._out = collections.deque()  # what next() gives
        self._begun = False
        self._broken = None
        self._number = 0
        self._failed_starts = 0
        self._tended = 0.0
        self._deadline = 0.0
        self._wanted = most if most else cluster.capacity()
        # Whether there is more to do than gangs, which have workers of their own. None is started
        # to be ended at once: Ray has been seen to lose its CPU then.
        self._pooled = False
        cluster.watch(self._post, follow_capacity=not most)

    # What PythonSession calls.

    def put(self, digest, data):
        self._objects.put(digest, data)

    def drop(self, digest):
        number = self._objects.drop(digest)
        if number is not None:
            for worker in self._workers.values():
                if number in worker.known:
                    worker.known.discard(number)
                    worker.forgotten.append(number)

    def get(self, digest):
        return self._objects.get(digest)

    def submit(self, number, data, inputs, kind, pure, attempts, limit):
        task = self._made(number, data, inputs, kind, pure, attempts, limit)
        self._waiting.append(task)
        if not self._pooled:
            self._start_pool()
        # Small ones wait for others to go with, as long as the driver has more to do and every
        # worker has something to do.
        if (task.alone or self._paces[kind].together == 1
                or any(not worker.calls for worker in self._takers)):
            self._dispatch()

    def submit_gang(self, members, attempts):
        """members: for each task what submit() is given; attempts: of all of them together."""
        self._waiting.append(Gang([self._made(*member) for member in members], attempts))
        self._dispatch()

    def most_at_once(self):
        """How many tasks may ever run at the same time: of a cluster that may grow, any number."""
        return self._most or 2**31 - 1

    def _made(self, number, data, inputs, kind, pure, attempts, limit):
        objects = [self._objects.read(digest) for digest in inputs]
        task = self._tasks[number] = Task(number, data, objects, kind, pure, attempts, limit)
        return task

    def next(self, seconds):
        """None, (id, event) or (id, error, hash, size, attempts, wall seconds, CPU seconds)."""
        deadline = time.monotonic() + seconds
        while True:
            if self._out:
                return self._objects.given(self._out.popleft())
            if self._broken is not None:
                raise self._broken
            left = deadline - time.monotonic()
            self._step(max(0.0, left))
            if left <= 0 and not self._out:
                return None

    def cancel(self, number):
        if number not in self._asked:  # the driver's watcher asks again and again
            self._asked.add(number)
            self._post(("cancel", number))

    def slots(self):
        # Before the workers are there, as many tasks as they will take are to be ready for them.
        if not self._pooled:  # whoever asks will have tasks
            self._start_pool()
        # A gang leaves none: but it will.
        return max(1 if self._begun else self._least, len(self._takers))

    def together(self):
        """How many tasks a worker gets at a time: so many more are to be in flight."""
        return self._together

    def close(self):
        for handle in self._workers:
            self._cluster.kill(handle)
        for gang in self._gangs.running:
            self._cluster.end_gang(gang.group)
        self._cluster.close()
        self._workers, self._ready, self._takers = {}, [], []

    # Messages.

    def _step(self, seconds):
        """Waits for a message, a short while at most, and takes all that are there."""
        if (self._waiting or self._last_tries) and self._broken is None:
            self._dispatch()
        try:
            message = self._inbox.get(timeout=min(seconds, _TEND_SECONDS))
            while True:
                _TAKE[message[0]](self, *message[1:])
                message = self._inbox.get_nowait()
        except queue.Empty:
            pass
        if self._broken is None:
            now = time.monotonic()
            if now - self._tended >= _TEND_SECONDS:
                self._tended = now
                self._tend(now)
            self._dispatch()

    def _take_ready(self, handle, facts, _):
        worker = self._workers.get(handle)
        if worker is None:
            return
        if isinstance(facts, Exception):
            self._failed_start(worker, facts)
            return
        fault = self._mismatch(facts)
        if fault:
            self._break(fault)
            return
        self._failed_starts = 0
        worker.facts = facts
        worker.spoke = time.monotonic()
        self._ready.append(worker)
        self._cluster.events(self._post, handle, _EVENTS_SECONDS)
        if worker.gang is not None:
            self._gangs.ready(worker.gang)
            return
        self._takers.append(worker)
        if len(self._takers) >= self._least:
            self._begun = True

    def _mismatch(self, facts):
        where = f"{facts['host']} ({facts['address']})" if facts["address"] else facts["host"]
        if "fault" in facts:
            return Error(
                f"the node {where} cannot run tasks: its Python {facts['python']} "
                f"({facts['interpreter']}) does not import windlass: {facts['fault']}; install "
                "the same windlass there as here", "unsupported")
        for key, what in (("build", "build"), ("python", "Python"), ("ray", "Ray")):
            if facts[key] != self._own[key]:
                return Error(
                    f"{what} {facts[key]} on the node {where}, but {what} {self._own[key]} here: "
                    "install the same windlass, Python and Ray on all of them", "unsupported")
        return None

    def _failed_start(self, worker, error):
        self.remove(worker)
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            self._break(Error(f"{self._failed_starts} workers in a row could not be started: "
                              f"{clusters.cause_of_death(error)}", "unavailable"))
        elif worker.gang is not None:
            self._gangs.lost(worker.gang, worker.rank, clusters.cause_of_death(error))
        else:
            self._balance()

    def _take_done(self, handle, sent, replies, _):
        worker = self._workers.get(handle)
        if worker is None:  # given up before
            return
        worker.spoke = worker.since = time.monotonic()
        worker.calls -= 1
        worker.full = worker.full and worker.calls > 0
        # Without those that were given to another worker.
        tasks = [task if task.call == number else None for task, number in sent]
        if isinstance(replies, Exception):
            if self._cluster.died(replies):
                self._lose(worker, clusters.cause_of_death(replies))
                return
            fault = _windlass.encode_error(  # of our own code in the worker
                "internal", f"{worker.name()} failed: {replies}")
            for task in filter(None, tasks):
                worker.tasks.remove(task)
                if task.gang is not None:
                    self._gangs.fail(task.gang, task, fault)
                else:
                    self._end(task, (task.id, fault, None, 0, task.runs, 0.0, 0.0))
            return
        for task, reply in zip(tasks, replies, strict=False):
            if task is None:
                continue
            worker.tasks.remove(task)
            if task.events < reply[7]:
                worker.held.append((task, reply))
            else:
                self._complete(worker, task, reply)
        for task in filter(None, reversed(tasks[len(replies):])):  # which it did not begin
            worker.tasks.remove(task)
            task.runs -= 1
            self._requeue(task)

    def _complete(self, worker, task, reply):
        error, data, digest, size, wall, cpu, lost, _, events = reply
        if task.again is None:
            self._out.extend((task.id, event) for event in events)
        if task.gang is not None:
            if lost is not None:
                self._gangs.lost(task.gang, task.rank, f"{worker.name()}: {lost}")
            else:
                self._gangs.ended(task, reply, error)
            return
        if lost is not None and task.asked_to_stop is None:
            self._again(task, f"{worker.name()}: {lost}")
            return
        if error is not None:
            if error[0] == _RETRYABLE and task.runs < task.attempts and not task.asked_to_stop:
                self._waiting.appendleft(task)
                return
            self._end(task, (task.id, error, None, 0, task.runs, wall, cpu))
            return
        if task.again is not None:
            task.again.came(data, worker.handle)
            task.again = None
            del self._tasks[task.id]
            return
        self._objects.came(task, data, worker.handle)
        pace = self._paces[task.kind]
        pace.note(wall, size + len(task.data) + sum(
            given.size for given in task.inputs if given.reference is None))
        self._together = pace.together
        self._end(task, (task.id, None, digest, size, task.runs, wall, cpu))

    def _take_events(self, handle, events, _):
        worker = self._workers.get(handle)
        if worker is None or isinstance(events, Exception):  # its tasks' replies say so too
            return
        worker.spoke = time.monotonic()
        for number, call, text in events:
            task = self._tasks.get(number)
            if task is not None and task.call == call:
                task.events += 1
                if type(text) is bytes:
                    self._gangs.message(task, text)
                elif task.again is None:
                    self._out.append((number, text))
        held, worker.held = worker.held, []
        for task, reply in held:
            if task.events < reply[7]:
                worker.held.append((task, reply))
            else:
                self._complete(worker, task, reply)
        self._cluster.events(self._post, handle, _EVENTS_SECONDS)

    def _take_cancel(self, number):
        task = self._tasks.get(number)
        if task is None or task.asked_to_stop is not None:
            self._asked.discard(number)
            return
        task.asked_to_stop = time.monotonic()
        if task.gang is not None:
            if task.gang in self._waiting:
                self._waiting.remove(task.gang)
            self._gangs.cancel(task.gang)
            return
        for waiting in (self._waiting, self._last_tries):
            if task in waiting:
                waiting.remove(task)
                self._fail(task, "cancelled", "the task was cancelled before it ran")
                return
        for worker in self._workers.values():
            if task in worker.tasks:
                self._cluster.cancel(worker.handle, task.call)

    def _take_capacity(self, workers):
        if workers != self._wanted:
            self._wanted = workers
            self._balance()

    def _take_head_lost(self, why):
        self._break(Error(
            f"{why}. The job cannot go on without it: once the cluster is up, run the same command "
            "again; finished tasks are remembered", "unavailable"))

    # Workers.

    def _start_pool(self):
        self._pooled = True
        self._deadline = time.monotonic() + self._options.start
        self._balance()

    def _balance(self):
        """Asks for workers that are missing; takes back those that wait for room that is gone, or
        that a gang takes."""
        wanted = max(0, self._wanted - self._gangs.workers()) if self._pooled else 0
        staying = [w for w in self._workers.values() if w.gang is None and not w.retiring]
        surplus = len(staying) - wanted
        for worker in [w for w in self._workers.values() if w.retiring][: max(0, -surplus)]:
            worker.retiring = False
            self._takers.append(worker)
            surplus += 1
        for _ in range(-surplus):
            self._add(self._cluster.start_worker(self._post))
        for worker in [w for w in staying if w.facts is None][: max(0, surplus)]:
            self.remove(worker)
            surplus -= 1
        if surplus > 0 and self._gangs.running:
            for worker in sorted(self._takers, key=lambda one: len(one.tasks))[:surplus]:
                worker.retiring = True
                self._takers.remove(worker)
                self._retire(worker)

    def _add(self, handle):
        self._number += 1
        worker = self._workers[handle] = Worker(self._number)
        worker.handle = handle
        return worker

    def remove(self, worker):
        """Ends a worker, whatever it does."""
        if self._workers.pop(worker.handle, None) is None:
            return
        for group in (self._ready, self._takers):
            if worker in group:
                group.remove(worker)
        self._cluster.kill(worker.handle)

    def _retire(self, worker):
        """Ends a worker that is to make room, once it has nothing to do. Large results would be
        lost with it, so they are fetched first."""
        if worker.tasks or worker.held:
            return
        self._objects.rescue(worker.handle)
        self.remove(worker)

    # What gang.py calls besides `remove`.

    def make_room(self):
        if not self._gangs.running:
            self._deadline = time.monotonic() + self._options.start  # workers start anew
        self._balance()

    def add_member(self, handle, gang, rank):
        worker = self._add(handle)
        worker.gang, worker.rank = gang, rank
        return worker

    def wait_first(self, gang):
        self._waiting.appendleft(gang)

    def fetch_of(self, reference, holder):
        return self._objects.fetch_of(reference, holder)

    def succeed(self, task, reply, data, attempts):
        _, _, digest, size, wall, cpu, *_ = reply
        self._objects.came(task, data, None)
        self._end(task, (task.id, None, digest, size, attempts, wall, cpu))

    def complete(self, task, error):
        self._end(task, (task.id, error, None, 0, task.gang.runs, 0.0, 0.0))

    def _lose(self, worker, cause):
        """A worker is gone: the task that it ran counts a loss, those behind it only go back."""
        self.remove(worker)  # it may only be out of reach
        if worker.gang is not None:
            gang, task = worker.gang, worker.gang.tasks[worker.rank]
            if worker.verdict is not None:
                self._gangs.fail(gang, task, _windlass.encode_error(*worker.verdict[1:]))
            else:
                self._gangs.lost(gang, worker.rank, f"{worker.name()} was lost: {cause}")
            return
        for task, reply in worker.held:
            self._complete(worker, task, reply)
        tasks = list(worker.tasks)
        ran = tasks.pop(0) if tasks and len(tasks[0].mates) == 1 else None
        for task in reversed(tasks):
            # Of several in one call nobody knows which one ran: the next time each goes by itself.
            task.alone = task.alone or task.mates is tasks[0].mates and ran is None
            task.runs -= 1
            self._requeue(task)
        if ran is not None:
            self._lost_run(worker, ran, cause)
        self._balance()

    def _lost_run(self, worker, task, cause):
        if worker.verdict is not None and worker.verdict[0] is task:
            self._fail(task, worker.verdict[1], worker.verdict[2])
            return
        self._again(task, f"{worker.name()} was lost: {cause}")

    def _again(self, task, cause):
        """After a run that gave no answer: a pure task runs again, but not for ever; another one
        only as often as it says."""
        task.losses += 1
        if task.losses < _MOST_LOSSES if task.pure else task.runs < task.attempts:
            self._requeue(task)
            return
        tries = (f"{task.losses} times" if task.pure
                 else "once" if task.runs == 1 else f"{task.runs} times")
        self._fail(task, "unavailable", f"task {task.id} ({task.kind}) was lost {tries}, "
                                        f"last because {cause}")

    def _requeue(self, task):
        if task.asked_to_stop is not None:
            self._fail(task, "cancelled", "the task was cancelled")
        elif task.losses >= _MOST_LOSSES - 1:
            self._last_tries.append(task)
            task.patience = time.monotonic() + _FRESH_SECONDS
        else:
            self._waiting.appendleft(task)

    def _tend(self, now):
        """What has a deadline: the first workers, tasks that overrun, workers that are silent."""
        self._gangs.tend(now)
        if (self._pooled and not self._begun and not self._gangs.running
                and now > self._deadline):
            self._break(Error(
                f"only {len(self._takers)} of {self._least} workers could be started within "
                f"{self._options.start:g} s, each with {self._options.cpus:g} CPUs; the cluster "
                f"has {self._cluster.describe()}. Ask for fewer (-w {max(1, len(self._takers))}), "
                "for MIN:MAX, or wait longer (?start=SECONDS)", "deadline exceeded"))
            return
        grace = self._options.grace
        for worker in list(self._ready):
            if worker.spoke + _EVENTS_SECONDS + _SILENCE_SECONDS < now:
                self._lose(worker, f"it has not answered for {now - worker.spoke:.0f} s")
                continue
            if worker.retiring:
                self._retire(worker)
            if not worker.tasks:
                continue
            task = worker.tasks[0]
            if task.limit > 0 and now > worker.since + task.limit + grace:
                worker.verdict = (task, "deadline exceeded",
                                  f"task {task.id} ({task.kind}) on {worker.name()} ran longer "
                                  f"than its limit of {task.limit:.3g} s and did not stop within "
                                  f"{grace:g} s: its worker was killed")
            elif (task.asked_to_stop is not None
                  and now > max(task.asked_to_stop, worker.since) + grace):
                worker.verdict = (task, "cancelled", "the task was cancelled, and its worker "
                                  f"killed after {grace:g} s")
            else:
                continue
            self._lose(worker, worker.verdict[2])

    def _dispatch_last_tries(self):
        """What was lost with other workers goes to one that has run nothing, so that what its
        worker did before cannot be what ends it; to any, where none comes."""
        coming = any(worker.facts is None and worker.gang is None
                     for worker in self._workers.values())
        now = time.monotonic()
        for task in list(self._last_tries):
            fresh = [worker for worker in self._takers if not worker.used]
            if not fresh and (not self._takers or coming and now < task.patience):
                return
            self._last_tries.remove(task)
            worker = min(fresh or self._takers, key=lambda one: one.calls)
            worker.full = True  # what comes after it could end the process before its answer is out
            self.send(worker, [task])

    def _dispatch(self):
        if self._last_tries and self._begun:
            self._dispatch_last_tries()
        waiting, takers = self._waiting, self._takers
        while waiting:
            task = waiting[0]
            if type(task) is Gang:
                if not self._gangs.fits(task, self._wanted):
                    return
                self._gangs.start(waiting.popleft(), self._post)
                continue
            if not self._begun or not takers:
                return
            worker = takers[0]
            if len(takers) > 1:
                worker = min(takers, key=lambda one: (one.full, one.calls))
            # A task that may run only once waits where it is known not to have begun.
            if worker.full or worker.calls >= (_DEPTH if task.pure else 1):
                return
            self.send(worker, self._next_batch())
        if not waiting:
            self._share()

    def _next_batch(self):
        """Takes what goes in one call: the first that waits, and those of its kind that follow."""
        waiting = self._waiting
        batch = [first] = [waiting.popleft()]
        if first.alone:
            return batch
        idle = sum(not worker.calls for worker in self._takers)
        most = min(self._paces[first.kind].together, -(-(len(waiting) + 1) // max(1, idle)))
        while (len(batch) < most and waiting and type(waiting[0]) is Task
               and waiting[0].kind == first.kind and not waiting[0].alone):
            batch.append(waiting.popleft())
        return batch

    def _share(self):
        """Gives workers that have nothing to do what others have not begun: a worker that came
        later, or tasks behind a long one."""
        idle = [worker for worker in self._takers if not worker.tasks]
        now = time.monotonic() if idle else 0.0
        for worker in idle:
            giver = max(self._ready, key=lambda one: len(one.tasks))
            if len(giver.tasks) < 2 or now - giver.since < _LONG_SECONDS:
                return
            if not giver.tasks[-1].pure:
                return
            task = giver.tasks.pop()
            self._cluster.cancel(giver.handle, task.call)
            task.runs -= 1
            self.send(worker, [task])

    def send(self, worker, tasks, place=None):
        """Gives a worker tasks, in one call; place: in its gang, of the only one."""
        fresh = {}
        messages = [self._message(worker, task, tasks, fresh) for task in tasks]
        forgotten = ()
        if worker.forgotten:
            forgotten, worker.forgotten = worker.forgotten, []
        if not worker.tasks:
            worker.since = time.monotonic()
        worker.tasks.extend(tasks)
        worker.used = True
        worker.calls += 1
        self._cluster.run(self._post, worker.handle, [(task, task.call) for task in tasks],
                          (messages, fresh, forgotten, place))

    def _message(self, worker, task, mates, fresh):
        """What a worker needs to run a task; adds references that it lacks to `fresh`."""
        inputs = [self._objects.to_send(given, worker, fresh) for given in task.inputs]
        task.runs += 1
        task.events = 0
        self._number += 1
        task.call, task.mates = self._number, mates
        return task.id, task.call, task.data, inputs

    # What objects.py calls.

    def look(self):
        """Takes what messages there are."""
        self._step(0)

    def has(self, handle):
        return handle in self._workers

    def run_again(self, result):
        """Has the task of a lost result make it again, and waits."""
        task = result.task
        if not task.pure:
            result.error = Error(f"the result of task {task.id} ({task.kind}) was lost with its "
                                 "worker, and the task may not run again", "unavailable")
            return
        result.reference = None
        task.again = result
        self._tasks[task.id] = task
        self._waiting.appendleft(task)
        deadline = time.monotonic() + REMAKE_SECONDS
        while result.data is None and result.reference is None and result.error is None:
            if self._broken is not None:
                raise self._broken
            if time.monotonic() > deadline:
                raise Error(f"waited {REMAKE_SECONDS:g} s for task {task.id} ({task.kind}) to run "
                            "again, whose result was lost", "deadline exceeded")
            self._step(_TEND_SECONDS)

    # Completions.

    def _fail(self, task, code, message):
        error = _windlass.encode_error(code, message)
        self._end(task, (task.id, error, None, 0, task.runs, 0.0, 0.0))

    def _end(self, task, completion):
        self._tasks.pop(task.id, None)
        self._asked.discard(task.id)
        if task.again is not None:
            again, task.again = task.again, None
            again.error = Error(f"task {task.id} ({task.kind}) had to run again, because its "
                                "result was lost, and failed", "unavailable")
            return
        self._out.append(completion)

    def _break(self, error):
        """The session is over: every later next() says why."""
        if self._broken is None:
            self._broken = error


_TAKE = {
    "ready": Session._take_ready,
    "done": Session._take_done,
    "events": Session._take_events,
    "cancel": Session._take_cancel,
    "capacity": Session._take_capacity,
    "head lost": Session._take_head_lost,
}
