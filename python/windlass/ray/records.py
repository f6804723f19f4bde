"""What a session of the engine `ray` knows of its tasks and workers."""

import collections

# Small tasks go several in one call, which costs Ray about as much as a call of one. Together they
# take about _CALL_SECONDS; a worker that finds they take longer gives the rest back.
_CALL_SECONDS = 0.005
_CALL_BYTES = 64 * 1024
_MOST_TOGETHER = 32


class Task:
    __slots__ = ("again", "alone", "asked_to_stop", "attempts", "call", "data", "events", "gang",
                 "id", "inputs", "kind", "limit", "losses", "mates", "patience", "pure", "rank",
                 "runs")

    def __init__(self, number, data, inputs, kind, pure, attempts, limit):
        self.id, self.data, self.inputs, self.kind = number, data, inputs, kind
        self.pure, self.attempts, self.limit = pure, attempts, limit
        self.runs = self.losses = self.events = 0
        self.call = 0  # which sending of it counts; replies to earlier ones do not
        self.mates = ()  # those in the same call, itself too
        self.alone = not pure or limit > 0  # whether it is to have none
        self.asked_to_stop = None  # when
        self.again = None  # the _Result that was lost
        self.gang = None  # its Gang, and its rank there
        self.rank = 0
        self.patience = 0.0  # until when its last try waits for a worker that has run nothing


class Worker:
    __slots__ = ("calls", "facts", "forgotten", "full", "gang", "handle", "held", "known", "number",
                 "rank", "retiring", "since", "spoke", "tasks", "used", "verdict")

    def __init__(self, number):
        self.number, self.handle, self.facts = number, None, None
        self.tasks = collections.deque()  # in the order in which it runs them
        self.calls = 0  # that it has not answered
        self.used = False  # whether it ever got a task
        self.full = False  # whether it gets no more until it has answered
        self.since = 0.0  # when the first of them began, at the latest
        self.known = set()  # objects that it has references to
        self.forgotten = []
        self.held = []  # (task, reply) that wait for events sent before them
        self.spoke = 0.0
        self.verdict = None  # why we killed it: (code, message) for the task that it ran
        self.gang = None  # which it was started for, and its rank there
        self.rank = 0
        self.retiring = False  # to make room for a gang, once its tasks have ended

    def name(self):
        where = self.facts
        return f"worker {self.number} (pid {where['pid']} on {where['host']}, {where['address']})"


class Pace:
    """How long tasks of a kind take, and what they carry: the more of late, or what is usual."""

    __slots__ = ("size", "together", "wall")

    def __init__(self):
        self.wall = self.size = 0.0
        self.together = 1  # how many go in one call

    def note(self, wall, size):
        self.wall = max(wall, self.wall + 0.1 * (wall - self.wall))
        self.size = max(size, self.size + 0.1 * (size - self.size))
        self.together = int(max(1, min(_MOST_TOGETHER, _CALL_SECONDS / max(self.wall, 1e-9),
                                       _CALL_BYTES / max(self.size, 1))))
