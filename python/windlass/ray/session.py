"""A session of the engine `ray`: what its workers say, and what happens when one is lost.

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
from .dispatch import Dispatch
from .gang import Gang, Gangs
from .objects import REMAKE_SECONDS, Objects
from .options import parse
from .pool import Pool
from .records import Task

_MOST_LOSSES = 3  # of one task: it may be what kills its workers
_TEND_SECONDS = 0.25
_EVENTS_SECONDS = 30.0  # how long a worker may keep a question for events
_SILENCE_SECONDS = 120.0  # beyond that, without any answer: it hangs
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
    """least, most: of workers, see Pool. own: build, Python and Ray, which every node must have."""

    MOST_LOSSES, RETRYABLE = _MOST_LOSSES, _RETRYABLE

    def __init__(self, cluster, options, least, most, own):
        self._cluster, self._options, self._own = cluster, options, own
        self._inbox = queue.SimpleQueue()
        self._post = self._inbox.put
        self._objects = Objects(self, cluster)
        self._pool = Pool(cluster, self._post, options, least, most, self._objects.rescue)
        self._gangs = Gangs(self, self._pool, cluster, self._post, options.start)
        self._dispatch = Dispatch(
            self._pool, self._gangs, self.send,
            lambda worker, task: cluster.cancel(worker.handle, task.call))
        self._tasks = {}  # by id, until they complete
        self._asked = set()  # ids that Cancel named; the only thing that two threads touch
        self._out = collections.deque()  # what next() gives
        self._broken = None
        self._calls = 0
        self._tended = 0.0
        cluster.watch(self._post, follow_capacity=not most)

    # What PythonSession calls.

    def put(self, digest, data):
        self._objects.put(digest, data)

    def drop(self, digest):
        number = self._objects.drop(digest)
        if number is not None:
            for worker in self._pool.by_handle.values():
                if number in worker.known:
                    worker.known.discard(number)
                    worker.forgotten.append(number)

    def get(self, digest):
        return self._objects.get(digest)

    def submit(self, number, data, inputs, kind, pure, attempts, limit):
        task = self._made(number, data, inputs, kind, pure, attempts, limit)
        self._pool.start()
        self._dispatch.add(task)

    def submit_gang(self, members, attempts):
        """members: for each task what submit() is given; attempts: of all of them together."""
        self._dispatch.add_gang(Gang([self._made(*member) for member in members], attempts))

    def most_at_once(self):
        """How many tasks may ever run at the same time: of a cluster that may grow, any number."""
        return self._pool.most or 2**31 - 1

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
        self._pool.start()  # whoever asks will have tasks
        return self._pool.slots()

    def together(self):
        """How many tasks a worker gets at a time: so many more are to be in flight."""
        return self._dispatch.together

    def close(self):
        self._pool.close()
        for gang in self._gangs.running:
            self._cluster.end_gang(gang.group)
        self._cluster.close()

    # Messages.

    def _step(self, seconds):
        """Waits for a message, a short while at most, and takes all that are there."""
        if self._broken is None:
            self._dispatch.go_on()
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
            self._dispatch.go_on()

    def _take_ready(self, handle, facts, _):
        worker = self._pool.by_handle.get(handle)
        if worker is None:
            return
        if isinstance(facts, Exception):
            self._failed_start(worker, clusters.cause_of_death(facts))
            return
        fault = self._mismatch(facts)
        if fault:
            self._break(fault)
            return
        self._pool.came(worker, facts)
        self._cluster.events(self._post, handle, _EVENTS_SECONDS)
        if worker.gang is not None:
            self._gangs.ready(worker.gang)

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

    def _failed_start(self, worker, why):
        error = self._pool.did_not_start(worker, why)
        if error is not None:
            self._break(error)
        elif worker.gang is not None:
            self._gangs.lost(worker.gang, worker.rank, why)
        else:
            self._pool.balance()

    def _take_done(self, handle, sent, replies, _):
        worker = self._pool.by_handle.get(handle)
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
                self._requeue(task)
                return
            self._end(task, (task.id, error, None, 0, task.runs, wall, cpu))
            return
        if task.again is not None:
            task.again.came(data, worker.handle)
            task.again = None
            del self._tasks[task.id]
            return
        self._objects.came(task, data, worker.handle)
        self._dispatch.ended(task, wall, size + len(task.data) + sum(
            given.size for given in task.inputs if given.reference is None))
        self._end(task, (task.id, None, digest, size, task.runs, wall, cpu))

    def _take_events(self, handle, events, _):
        worker = self._pool.by_handle.get(handle)
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
            self._dispatch.remove(task.gang)
            self._gangs.cancel(task.gang)
            return
        if self._dispatch.remove(task):
            self._fail(task, "cancelled", "the task was cancelled before it ran")
            return
        for worker in self._pool.by_handle.values():
            if task in worker.tasks:
                self._cluster.cancel(worker.handle, task.call)

    def _take_capacity(self, workers):
        self._pool.want(workers)

    def _take_head_lost(self, why):
        self._break(Error(
            f"{why}. The job cannot go on without it: once the cluster is up, run the same command "
            "again; finished tasks are remembered", "unavailable"))

    # What gang.py calls.

    def wait_first(self, gang):
        self._dispatch.add_first(gang)

    def fetch_of(self, reference, holder):
        return self._objects.fetch_of(reference, holder)

    def succeed(self, task, reply, data, attempts):
        _, _, digest, size, wall, cpu, *_ = reply
        self._objects.came(task, data, None)
        self._end(task, (task.id, None, digest, size, attempts, wall, cpu))

    def complete(self, task, error):
        self._end(task, (task.id, error, None, 0, task.gang.runs, 0.0, 0.0))

    # Losses.

    def _lose(self, worker, cause):
        """A worker is gone: the task that it ran counts a loss, those behind it only go back."""
        self._pool.remove(worker)  # it may only be out of reach
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
        self._pool.balance()

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
            self._dispatch.add_last_try(task)
        else:
            self._dispatch.add_first(task)

    def _tend(self, now):
        """What has a deadline: the first workers, tasks that overrun, workers that are silent."""
        self._gangs.tend(now)
        late = self._pool.late(now)
        if late is not None:
            self._break(late)
            return
        grace = self._options.grace
        for worker in list(self._pool.ready):
            if worker.spoke + _EVENTS_SECONDS + _SILENCE_SECONDS < now:
                self._lose(worker, f"it has not answered for {now - worker.spoke:.0f} s")
                continue
            if worker.retiring:
                self._pool.retire(worker)
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

    # Calls.

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
        self._calls += 1
        task.call, task.mates = self._calls, mates
        return task.id, task.call, task.data, inputs

    # What objects.py calls.

    def look(self):
        """Takes what messages there are."""
        self._step(0)

    def has(self, handle):
        return handle in self._pool.by_handle

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
        self._dispatch.add_first(task)
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
