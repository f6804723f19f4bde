"""Gangs of a session: workers of a placement group that hold tasks which begin, fail and run again
as one.

A gang's workers are started for it and end with it. While it is there, the session has so many
workers fewer: that makes the room, and no more workers than -w says run at any time.
"""

import time

from .. import _windlass


class Gang:
    """One that waits or runs. Its members are in the order of their ranks."""

    __slots__ = ("attempts", "deadline", "given", "group", "losses", "members", "messages", "pure",
                 "replies", "runs", "sent", "tasks")

    def __init__(self, tasks, attempts):
        self.tasks, self.attempts = tasks, attempts
        self.pure = all(task.pure for task in tasks)
        self.runs = self.losses = 0
        for rank, task in enumerate(tasks):
            task.gang, task.rank = self, rank
        self.members, self.replies, self.group = [], {}, None
        self.sent = False

    @property
    def size(self):
        return len(self.tasks)


class Gangs:
    """Those of a session that are under way, with workers of its pool; they are there within so
    many seconds."""

    def __init__(self, session, pool, cluster, post, seconds):
        self._session, self._pool, self._cluster = session, pool, cluster
        self._post, self._seconds = post, seconds
        self.running = []

    def workers(self):
        return sum(gang.size for gang in self.running)

    def fits(self, gang, most):
        return not self.running or self.workers() + gang.size <= most

    def start(self, gang):
        gang.runs += 1
        gang.members, gang.replies, gang.sent = [], {}, False
        gang.given, gang.messages = [0] * gang.size, {}
        gang.deadline = time.monotonic() + self._seconds
        self.running.append(gang)
        self._pool.make_room(self.workers())
        gang.group, handles = self._cluster.start_gang(self._post, gang.size)
        for rank, handle in enumerate(handles):
            member = self._pool.add(handle)
            member.gang, member.rank = gang, rank
            gang.members.append(member)

    def ready(self, gang):
        """A member is there. Sends the tasks when all are."""
        if all(member.facts for member in gang.members):
            gang.sent = True
            for task, member in zip(gang.tasks, gang.members, strict=True):
                self._session.send(member, [task],
                                   (task.rank, gang.size, member.facts["address"]))

    def message(self, task, message):
        """To the gang, from one of its tasks; goes to all when all have given theirs."""
        gang = task.gang
        number = gang.given[task.rank]
        gang.given[task.rank] += 1
        messages = gang.messages.setdefault(number, {})
        messages[task.rank] = message
        if len(messages) < gang.size:
            self._check(gang)
            return
        del gang.messages[number]
        everyone = [messages[rank] for rank in range(gang.size)]
        for other, member in zip(gang.tasks, gang.members, strict=True):
            self._cluster.gathered(member.handle, other.call, everyone)

    def ended(self, task, reply, error):
        """A task has ended, with an encoded error or none."""
        gang = task.gang
        if error is not None:
            self.fail(gang, task, error, again=gang.runs < gang.attempts and
                      error[0] == self._session.RETRYABLE)
            return
        gang.replies[task.rank] = reply
        if len(gang.replies) == gang.size:
            self._succeed(gang)
        else:
            self._check(gang)

    def lost(self, gang, rank, cause):
        """A member is gone, or could not be started."""
        task = gang.tasks[rank]
        gang.losses += 1
        again = (gang.losses < self._session.MOST_LOSSES if gang.pure
                 else gang.runs < gang.attempts)
        times = "once" if gang.losses == 1 else f"{gang.losses} times"
        self.fail(gang, task, _windlass.encode_error("unavailable", (
            f"task {task.id} ({task.kind}), number {rank} of a gang of {gang.size}: a worker of "
            f"the gang was lost {times}, last because {cause}")), again)

    def fail(self, gang, task, error, again=False):
        """Ends the gang for what one of its tasks met, or begins it again."""
        self._end(gang)
        if again:
            self._session.wait_first(gang)
            return
        others = _windlass.encode_error(
            "", f"task {task.rank} of a gang of {gang.size} failed", error)
        for one in gang.tasks:
            self._session.complete(one, error if one is task else others)

    def cancel(self, gang):
        self._end(gang)
        error = _windlass.encode_error("cancelled", "the task's gang was cancelled")
        for task in gang.tasks:
            self._session.complete(task, error)

    def tend(self, now):
        for gang in list(self.running):
            if not gang.sent and now > gang.deadline:
                there = sum(member.facts is not None for member in gang.members)
                self.fail(gang, gang.tasks[0], _windlass.encode_error("deadline exceeded", (
                    f"only {there} of the {gang.size} workers of a gang could be started within "
                    f"{self._seconds:g} s; the cluster has {self._cluster.describe()}. Ask for "
                    "fewer, or wait longer (?start=SECONDS)")))

    def _check(self, gang):
        """Whether one waits for what another one ended without giving."""
        for number, messages in gang.messages.items():
            for rank in gang.replies:
                if gang.given[rank] <= number:
                    waiting = gang.tasks[min(messages)]
                    self.fail(gang, waiting, _windlass.encode_error("internal", (
                        f"task {waiting.rank} of a gang waits for exchange {number + 1}, which "
                        f"task {rank} ended without")))
                    return

    def _succeed(self, gang):
        # Large results are lost with the workers that made them.
        found = []
        for rank, reply in sorted(gang.replies.items()):
            data = reply[1]
            if isinstance(data, list):
                data = self._session.fetch_of(data[0], gang.members[rank].handle)
                if gang not in self.running:  # it has lost a member meanwhile
                    return
                if data is None:
                    self.lost(gang, rank, "its result could not be fetched")
                    return
            found.append(data)
        self._end(gang)
        for task, data in zip(gang.tasks, found, strict=True):
            self._session.succeed(task, gang.replies[task.rank], data, gang.runs)

    def _end(self, gang):
        if gang not in self.running:  # it waits
            return
        self.running.remove(gang)
        for member in gang.members:
            self._pool.remove(member)
        self._cluster.end_gang(gang.group)
        self._pool.make_room(self.workers())
