"""The session's decisions, with a stand-in for Ray: who runs what, and what a loss leads to."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import main, test  # noqa: E402
from windlass import Error, _windlass  # noqa: E402
from windlass.ray.options import Options, parse  # noqa: E402
from windlass.ray import dispatch  # noqa: E402
from windlass.ray.session import Session  # noqa: E402

OWN = {"build": "b1", "python": "3.11", "ray": "2.60.0"}
FACTS = {**OWN, "host": "n1", "address": "10.0.0.1", "pid": 7}


class Death(Exception):
    """What Ray says of a call whose worker is gone."""


class Cluster:
    """Remembers what it was asked for; the test says what happens."""

    def __init__(self, room=4):
        self.room, self.post = room, None
        self.started, self.killed, self.cancelled, self.puts = [], [], [], []
        self.calls = []  # (handle, call, arguments) of one task that were not answered
        self.together = []  # (handle, calls) of several
        self.batches = []  # the tasks of every call
        self.lost = set()  # references whose object is gone
        self.groups, self.ended, self.messages = [], [], []

    def watch(self, post, follow_capacity):
        self.post = post

    def capacity(self):
        return self.room

    def describe(self):
        return "1 nodes with 4 CPUs"

    def start_worker(self, post):
        self.started.append(f"w{len(self.started)}")
        return self.started[-1]

    def run(self, post, handle, call, arguments):
        tasks, fresh, forgotten, place = arguments
        self.batches.append([task[0] for task in tasks])
        if len(tasks) == 1:
            [call], [task] = call, tasks
            self.calls.append((handle, call, (*task, fresh, forgotten, place)))
        else:
            self.together.append((handle, call))

    def events(self, post, handle, seconds):
        pass

    def start_gang(self, post, size):
        self.groups.append(f"g{len(self.groups)}")
        return self.groups[-1], [f"{self.groups[-1]}m{rank}" for rank in range(size)]

    def end_gang(self, group):
        self.ended.append(group)

    def gathered(self, handle, call, messages):
        self.messages.append((handle, call, messages))

    def cancel(self, handle, number):
        self.cancelled.append((handle, number))

    def kill(self, handle):
        self.killed.append(handle)

    def put(self, data):
        self.puts.append(data)
        return len(self.puts) - 1

    def get(self, reference, seconds):
        return None if reference in self.lost else self.puts[reference]

    def died(self, reply):
        return isinstance(reply, Death)

    def close(self):
        pass


def begin(workers=2, ready=None, most=None, **options):
    cluster = Cluster()
    session = Session(cluster, Options(**options), workers, workers if most is None else most, OWN)
    session.slots()
    for handle in cluster.started[:ready]:
        cluster.post(("ready", handle, FACTS, None))
    session.next(0)
    return session, cluster


def submit(session, *numbers, inputs=(), pure=True, attempts=1, limit=0.0):
    for number in numbers:
        session.submit(number, b"task", list(inputs), "kind", pure, attempts, limit)


def answer(cluster, index=0, result=b"result", error=None, lost=None, sent=0, events=(),
           digest=None, wall=0.5):
    handle, call, _ = cluster.calls.pop(index)
    digest = None if error else digest or b"digest of %d" % call[0].id
    size = 0 if error else 99
    cluster.post(("done", handle, [call], [(error, None if error else result, digest, size, wall,
                                            0.25, lost, sent, list(events))], None))


def answer_together(cluster, count, wall=0.001):
    """The first so many tasks of the first call of several."""
    handle, call = cluster.together.pop(0)
    cluster.post(("done", handle, call, [
        (None, b"result", b"digest of %d" % task.id, 99, wall, 0.25, None, 0, [])
        for task, _ in call[:count]], None))


def die(cluster, handle):
    dead = [call for call in cluster.calls if call[0] == handle]
    cluster.calls = [call for call in cluster.calls if call[0] != handle]
    dead = [[call] for _, call, _ in dead]
    dead += [call for there, call in cluster.together if there == handle]
    cluster.together = [one for one in cluster.together if one[0] != handle]
    for call in dead:
        cluster.post(("done", handle, call, Death("Worker exit detail: end of file"), None))


def error_bytes(code, message):
    return _windlass.encode_error(code, message)


def wait_until(session, condition):
    """Lets the session look after its workers until something is so."""
    for _ in range(100):
        if condition():
            return
        session.next(0.1)
    raise AssertionError("it never was so")


def raised(function):
    try:
        function()
    except Error as error:
        return error
    raise AssertionError("nothing was raised")


@test
def tasks_spread_and_three_at_most_go_to_a_worker(_):
    session, cluster = begin(workers=2)
    submit(session, *range(1, 9))
    assert [call[0] for call in cluster.calls] == ["w0", "w1", "w0", "w1", "w0", "w1"]
    answer(cluster, 1)
    assert session.next(1) == (2, None, b"digest of 2", 99, 1, 0.5, 0.25)
    assert cluster.calls[-1][0] == "w1" and cluster.calls[-1][2][0] == 7


@test
def nothing_starts_before_the_least_number_of_workers_is_there(_):
    session, cluster = begin(workers=2, ready=1)
    submit(session, 1)
    assert session.next(0) is None and not cluster.calls and session.slots() == 2
    cluster.post(("ready", "w1", FACTS, None))
    session.next(0)
    assert len(cluster.calls) == 1 and session.slots() == 2


@test
def a_worker_that_comes_late_gets_what_others_have_not_begun(_):
    session, cluster = begin(workers=1, most=2, ready=1)
    submit(session, 1, 2, 3)
    last = cluster.calls[2][2][1]
    long, dispatch._LONG_SECONDS = dispatch._LONG_SECONDS, 0.0
    try:
        cluster.post(("ready", "w1", FACTS, None))
        session.next(0)
    finally:
        dispatch._LONG_SECONDS = long
    assert [call[0] for call in cluster.calls] == ["w0", "w0", "w0", "w1"]
    assert cluster.calls[3][2][0] == 3 and cluster.cancelled == [("w0", last)]
    answer(cluster, 2, error=b"\x06cancelled")
    answer(cluster, 2)
    done = session.next(1)
    assert done[:2] == (3, None) and done[4] == 1, done


@test
def missing_workers_are_an_error_that_says_what_there_is(_):
    session, _ = begin(workers=3, ready=1, start=1e-9)
    error = raised(lambda: session.next(5))
    assert error.code == "deadline exceeded", error.code
    assert "only 1 of 3 workers" in str(error) and "1 nodes with 4 CPUs" in str(error), error
    assert raised(lambda: session.next(5)) is error


@test
def a_range_asks_for_its_end_and_begins_with_its_start(_):
    session, cluster = begin(workers=1, most=3, ready=1)
    assert len(cluster.started) == 3 and session.slots() == 1
    cluster.post(("ready", "w2", FACTS, None))
    session.next(0)
    assert session.slots() == 2


@test
def zero_workers_follow_the_cluster(_):
    session, cluster = begin(workers=0, most=0, ready=1)
    assert len(cluster.started) == 4
    cluster.post(("capacity", 6))
    session.next(0)
    assert len(cluster.started) == 6
    cluster.post(("capacity", 2))  # those that wait for room that is gone are taken back
    session.next(0)
    assert len(cluster.killed) == 4 and "w0" not in cluster.killed


@test
def another_build_is_refused_by_both_names(_):
    session, cluster = begin(workers=1, ready=0)
    cluster.post(("ready", "w0", {**FACTS, "build": "b2"}, None))
    error = raised(lambda: session.next(5))
    assert "build b2 on the node n1" in str(error) and "build b1 here" in str(error), error


@test
def a_node_without_windlass_is_named(_):
    session, cluster = begin(workers=1, ready=0)
    cluster.post(("ready", "w0", {"fault": "ModuleNotFoundError: No module named 'windlass'",
                                  "host": "n2", "address": "", "interpreter": "/usr/bin/python3",
                                  "python": "3.11.2"}, None))
    error = raised(lambda: session.next(5))
    assert error.code == "unsupported" and "n2" in str(error) and "windlass" in str(error), error


@test
def a_lost_worker_is_replaced_and_its_tasks_run_again(_):
    session, cluster = begin(workers=2)
    submit(session, *range(1, 7))
    die(cluster, "w0")
    session.next(0)
    assert cluster.started == ["w0", "w1", "w2"] and session.slots() == 1
    cluster.post(("ready", "w2", FACTS, None))
    session.next(0)
    assert [call[2][0] for call in cluster.calls if call[0] == "w2"] == [1, 3, 5]
    for _ in range(6):
        answer(cluster)
    attempts = {done[0]: done[4] for done in (session.next(1) for _ in range(6))}
    assert attempts == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}, attempts


def runs_first(cluster, handle):
    return next((call[2][0] for call in cluster.calls if call[0] == handle), None)


@test
def a_task_lost_three_times_is_one_error(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    for handle in ("w0", "w1", "w2"):
        die(cluster, handle)
        done = session.next(0)
        if done is None:
            cluster.post(("ready", cluster.started[-1], FACTS, None))
            session.next(0)
    assert done[0] == 1 and done[4] == 3, done
    message = done[1].decode()
    assert "task 1 (kind) was lost 3 times" in message and "pid 7 on n1, 10.0.0.1" in message, done


@test
def a_task_lost_twice_goes_first_to_a_worker_that_has_run_nothing(_):
    session, cluster = begin(workers=2)
    submit(session, *range(1, 9))
    for lost, fresh in (("w0", "w2"), ("w2", "w3")):
        die(cluster, lost)
        session.next(0)
        if lost == "w0":
            cluster.post(("ready", fresh, FACTS, None))
            session.next(0)
            assert runs_first(cluster, fresh) == 1, cluster.calls
    while cluster.calls:  # the other worker is idle, and does not get it
        answer(cluster)
        session.next(1)
    assert session.next(0) is None and not cluster.calls
    cluster.post(("ready", "w3", FACTS, None))
    session.next(0)
    submit(session, *range(9, 19))
    assert [call[2][0] for call in cluster.calls if call[0] == "w3"] == [1], cluster.calls
    answer(cluster)
    done = session.next(1)
    assert (done[0], done[1], done[4]) == (1, None, 3), done
    assert runs_first(cluster, "w3") > 8, cluster.calls


@test
def a_last_try_goes_to_any_worker_where_no_other_comes(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    for _ in range(3):
        answer(cluster, lost="an object is gone")
        done = session.next(0)
    assert b"was lost 3 times" in done[1], done


@test
def a_last_try_can_be_cancelled(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    for handle in ("w0", "w1"):
        die(cluster, handle)
        session.next(0)
        if handle == "w0":
            cluster.post(("ready", "w1", FACTS, None))
            session.next(0)
    session.cancel(1)
    done = session.next(1)
    assert done[0] == 1 and b"cancelled before it ran" in done[1], done


@test
def a_once_task_is_not_repeated_nor_queued_behind_another(_):
    session, cluster = begin(workers=1)
    submit(session, 1, pure=False)
    submit(session, 2, pure=False)
    assert len(cluster.calls) == 1
    die(cluster, "w0")
    done = session.next(1)
    assert done[0] == 1 and b"was lost once" in done[1], done
    cluster.post(("ready", "w1", FACTS, None))
    session.next(0)
    assert [call[2][0] for call in cluster.calls] == [2]


def begin_small(workers=1, wall=0.001):
    """A session that knows how long its tasks take; the next one has the number 4."""
    session, cluster = begin(workers=workers)
    submit(session, 1, 2, 3)
    for _ in range(3):
        answer(cluster, wall=wall)
        session.next(1)
    return session, cluster


@test
def small_tasks_go_together_and_long_ones_do_not(_):
    session, cluster = begin_small(wall=0.001)
    assert session.together() == 5
    submit(session, *range(4, 20))
    assert cluster.batches[3:] == [[4]], cluster.batches  # it had nothing to do
    session.next(0)
    assert cluster.batches[4:] == [[*range(5, 10)], [*range(10, 15)]], cluster.batches
    answer(cluster, wall=0.5)
    session.next(1)
    assert session.together() == 1 and cluster.batches[6:] == [[15]], cluster.batches


@test
def small_tasks_are_shared_among_workers_without_any(_):
    session, cluster = begin_small(workers=3)
    for n in range(4, 10):
        session._dispatch.add_first(session._made(n, b"task", [], "kind", True, 1, 0.0))
    session.next(0)
    assert cluster.batches[3:] == [[9, 8], [7, 6], [5, 4]], cluster.batches


@test
def what_would_not_fit_into_one_call_goes_by_itself(_):
    session, cluster = begin_small()
    session.put(b"rows", b"r" * 40_000)
    submit(session, 4, inputs=[b"rows"])
    answer(cluster, wall=0.001)
    session.next(1)
    assert session.together() == 1


@test
def tasks_that_a_call_gives_back_go_again_in_their_order(_):
    session, cluster = begin_small()
    submit(session, *range(4, 10))
    session.next(0)
    answer_together(cluster, 2)
    done = [session.next(1) for _ in range(2)]
    assert [found[0] for found in done] == [5, 6], done
    assert cluster.batches[4:] == [[*range(5, 10)], [7, 8, 9]], cluster.batches
    answer_together(cluster, 3)
    assert [session.next(1)[4] for _ in range(3)] == [1, 1, 1]


@test
def of_a_lost_call_each_task_goes_by_itself_and_none_is_blamed(_):
    session, cluster = begin_small()
    submit(session, *range(4, 8))
    answer(cluster)
    session.next(0)
    assert cluster.together and session.next(0) is None
    die(cluster, "w0")
    session.next(0)
    cluster.post(("ready", "w1", FACTS, None))
    session.next(0)
    assert cluster.batches[-3:] == [[5], [6], [7]], cluster.batches
    for handle in ("w1", "w2", "w3"):  # now the one that kills them is known
        die(cluster, handle)
        done = session.next(0)
        if done is None:
            cluster.post(("ready", cluster.started[-1], FACTS, None))
            session.next(0)
    assert done[0] == 5 and b"lost 3 times" in done[1], done


@test
def tasks_with_a_limit_or_that_run_once_are_never_together(_):
    session, cluster = begin_small()
    submit(session, 4, 5, limit=9.0)
    submit(session, 6, pure=False)
    session.next(0)
    assert cluster.batches[3:] == [[4], [5]], cluster.batches


@test
def attempts_repeat_what_failed_for_want_of_a_server(_):
    session, cluster = begin(workers=1)
    submit(session, 1, pure=False, attempts=2)
    answer(cluster, error=b"\x08busy")
    session.next(0)
    answer(cluster, error=b"\x08busy")
    done = session.next(1)
    assert done[1] == b"\x08busy" and done[4] == 2, done


@test
def small_objects_go_along_and_shared_ones_once(_):
    session, cluster = begin(workers=2)
    session.put(b"plan", b"p" * 5000)
    session.put(b"rows", b"r" * 5000)
    session.put(b"large", b"l" * 100_000)
    submit(session, 1, inputs=[b"plan", b"rows"])
    assert cluster.calls[0][2][3] == [b"p" * 5000, b"r" * 5000] and not cluster.puts
    submit(session, 2, 3, inputs=[b"plan"])
    submit(session, 4, inputs=[b"large"])
    assert cluster.puts == [b"p" * 5000, b"l" * 100_000]
    plan = cluster.calls[1][2][3][0]
    assert cluster.calls[1][2][4] == {plan: [0]} and cluster.calls[2][2][4] == {plan: [0]}
    session.drop(b"plan")
    submit(session, 5, 6)
    assert [plan] in [list(call[2][5]) for call in cluster.calls[4:]]


@test
def a_large_result_that_is_lost_is_made_again(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    cluster.puts.append(b"old")
    answer(cluster, result=[0])
    assert session.next(1)[0] == 1
    cluster.lost.add(0)
    cluster.puts.append(b"new")
    run = cluster.run

    def run_and_answer(post, handle, call, arguments):
        run(post, handle, call, arguments)
        answer(cluster, result=[1])

    cluster.run = run_and_answer
    assert session.get(b"digest of 1") == b"new"
    assert session.next(0) is None


@test
def equal_results_of_two_tasks_are_dropped_one_by_one(_):
    session, cluster = begin(workers=1)
    submit(session, 1, 2)
    for _ in range(2):
        answer(cluster, digest=b"same")
    for number in (1, 2):
        assert session.next(1)[0] == number
        assert session.get(b"same") == b"result"
        session.drop(b"same")


@test
def cancelled_tasks_stop_where_they_are(_):
    session, cluster = begin(workers=1)
    submit(session, 1, 2, 3, 4)
    running = cluster.calls[0][2][1]
    for number in (1, 4, 4):
        session.cancel(number)
    done = session.next(1)
    assert done[0] == 4 and b"cancelled before it ran" in done[1] and done[4] == 0, done
    assert cluster.cancelled == [("w0", running)]


@test
def a_cancelled_task_that_does_not_stop_loses_its_worker(_):
    session, cluster = begin(workers=1, grace=1e-9)
    submit(session, 1, 2)
    session.cancel(1)
    done = session.next(5)
    assert done[0] == 1 and done[1][0] == 6 and cluster.killed == ["w0"], done
    cluster.post(("ready", "w1", FACTS, None))
    session.next(0)
    assert cluster.calls[-1][0] == "w1" and cluster.calls[-1][2][0] == 2


@test
def a_task_that_overruns_names_itself_and_its_worker(_):
    session, cluster = begin(workers=1, grace=1e-9)
    submit(session, 1, limit=1e-9)
    done = session.next(5)
    assert done[1][0] == 7 and b"task 1 (kind) on worker" in done[1], done
    assert cluster.killed == ["w0"]


@test
def events_come_before_their_completion(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    call = cluster.calls[0][2][1]
    answer(cluster, sent=2, events=["third"])
    assert session.next(0) is None
    cluster.post(("events", "w0", [(1, call, "first"), (1, call, "second")], None))
    assert [session.next(1) for _ in range(3)] == [(1, "first"), (1, "second"), (1, "third")]
    assert session.next(1)[0] == 1


@test
def a_lost_head_ends_the_session(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    cluster.post(("head lost", "the head of the Ray cluster has not answered for 21 s"))
    error = raised(lambda: session.next(5))
    assert error.code == "unavailable" and "run the same command again" in str(error), error


@test
def an_input_that_cannot_be_fetched_is_a_loss(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    for _ in range(2):
        answer(cluster, error=b"\x08gone", lost="input 0 could not be fetched")
        session.next(0)
    answer(cluster, error=b"\x08gone", lost="input 0 could not be fetched")
    done = session.next(1)
    assert done[4] == 3 and b"input 0 could not be fetched" in done[1], done


@test
def options_say_what_is_wrong(_):
    read = parse("h:6379", {"cpus": "2", "memory": "1.5GiB", "resources": "gpu:1,disk:0.5"})
    assert (read.address, read.cpus, read.memory) == ("h:6379", 2.0, 3 * 2**29), read
    assert read.resources == {"gpu": 1.0, "disk": 0.5}
    for location, options, words in (
            ("//h:10001", {}, "Ray Client"), ("somewhere", {}, "HOST:PORT"),
            ("", {"cpu": "1"}, "known: cpus"), ("", {"cpus": "1.5"}, "whole number"),
            ("", {"memory": "lots"}, "2GiB"), ("", {"start": "-1"}, "seconds"),
            ("", {"resources": "gpu"}, "NAME:AMOUNT")):
        error = raised(lambda location=location, options=options: parse(location, options))
        assert words in str(error), error


def begin_gang(session, cluster, *numbers, attempts=1, pure=True):
    """Submits a gang, and has its workers there."""
    session.submit_gang([(number, b"task", [], "kind", pure, attempts, 0.0)
                         for number in numbers], attempts)
    return gang_is_ready(session, cluster, len(numbers))


def gang_is_ready(session, cluster, size):
    handles = [f"{cluster.groups[-1]}m{rank}" for rank in range(size)]
    for rank, handle in enumerate(handles):
        cluster.post(("ready", handle, {**FACTS, "address": f"10.0.0.{rank}"}, None))
    session.next(0)
    return handles


def completions(session, count):
    return dict((found[0], found) for found in (session.next(1) for _ in range(count)))


@test
def a_gang_takes_the_room_of_idle_workers_and_gives_it_back(_):
    session, cluster = begin(workers=3)
    submit(session, 1)
    handles = begin_gang(session, cluster, 2, 3)
    # One worker runs a task, the two others make room: three at a time, as -w says.
    assert sorted(cluster.killed) == ["w1", "w2"] and session.slots() == 1
    assert [call[0] for call in cluster.calls] == ["w0", *handles]
    assert [call[2][6] for call in cluster.calls[1:]] == [(0, 2, "10.0.0.0"), (1, 2, "10.0.0.1")]
    answer(cluster, 2)
    assert session.next(0) is None  # not before the other one
    answer(cluster, 1)
    done = completions(session, 2)
    assert done[2][:2] == (2, None) and done[3][4] == 1, done
    assert cluster.ended == ["g0"] and {"g0m0", "g0m1"} <= set(cluster.killed)
    assert cluster.started == ["w0", "w1", "w2", "w3", "w4"]


@test
def a_busy_worker_makes_room_when_it_has_finished(_):
    session, cluster = begin(workers=1)
    submit(session, 1)
    session.submit_gang([(2, b"task", [], "kind", True, 1, 0.0)], 1)
    assert not cluster.killed and cluster.groups == ["g0"]
    answer(cluster, result=[cluster.put(b"large")])
    assert session.next(1)[0] == 1
    wait_until(session, lambda: cluster.killed == ["w0"])
    cluster.lost.add(0)  # it was fetched before
    assert session.get(b"digest of 1") == b"large"


@test
def a_gang_waits_for_an_earlier_one_and_what_follows_waits_for_it(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2)
    session.submit_gang([(number, b"task", [], "kind", True, 1, 0.0) for number in (3, 4)], 1)
    submit(session, 5)
    assert cluster.groups == ["g0"] and len(cluster.calls) == 2
    answer(cluster)
    answer(cluster)
    completions(session, 2)
    assert cluster.groups == ["g0", "g1"]
    gang_is_ready(session, cluster, 2)
    assert [call[2][0] for call in cluster.calls] == [3, 4]


@test
def a_lost_member_ends_all_and_all_run_again(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2)
    old = cluster.calls[0]
    die(cluster, "g0m1")
    session.next(0)
    assert cluster.ended == ["g0"] and "g0m0" in cluster.killed
    cluster.calls.clear()
    gang_is_ready(session, cluster, 2)
    assert [call[0] for call in cluster.calls] == ["g1m0", "g1m1"]
    cluster.post(("done", "g0m0", old[1], (None, b"late", b"x", 1, 0, 0, None, 0, []), None))
    answer(cluster)
    answer(cluster)
    done = completions(session, 2)
    assert done[1][4] == 2 and session.get(b"digest of 1") == b"result", done


@test
def a_gang_that_loses_members_again_and_again_fails(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2)
    for _ in range(2):
        die(cluster, f"{cluster.groups[-1]}m1")
        session.next(0)
        gang_is_ready(session, cluster, 2)
    die(cluster, "g2m1")
    done = completions(session, 2)
    assert b"number 1 of a gang of 2: a worker of the gang was lost 3 times" in done[2][1], done
    assert b"task 1 of a gang of 2 failed" in done[1][1] and done[1][1][0] == 8, done


@test
def a_gang_of_tasks_that_may_run_once_is_not_run_again(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2, pure=False)
    die(cluster, "g0m0")
    assert b"was lost once" in completions(session, 2)[1][1]


@test
def an_error_of_one_is_the_gangs(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2, attempts=3)
    answer(cluster, error=b"\x08" + b"again")
    session.next(0)
    gang_is_ready(session, cluster, 2)
    assert cluster.groups == ["g0", "g1"]
    cluster.calls = cluster.calls[-2:]
    answer(cluster, 1)
    answer(cluster, error=error_bytes("invalid input", "bad"))
    done = completions(session, 2)
    assert done[1][1] == error_bytes("invalid input", "bad")
    assert b"task 0 of a gang of 2 failed" in done[2][1] and done[2][4] == 2, done


@test
def messages_go_to_all_once_all_have_given_theirs(_):
    session, cluster = begin(workers=2)
    handles = begin_gang(session, cluster, 1, 2)
    calls = [call[2][1] for call in cluster.calls]
    cluster.post(("events", handles[1], [(2, calls[1], b"one")], None))
    session.next(0)
    assert not cluster.messages
    cluster.post(("events", handles[0], [(1, calls[0], b"zero"), (1, calls[0], b"next")], None))
    session.next(0)
    assert cluster.messages == [(handles[0], calls[0], [b"zero", b"one"]),
                                (handles[1], calls[1], [b"zero", b"one"])]
    answer(cluster, 1, sent=1)
    done = completions(session, 2)
    assert b"task 0 of a gang waits for exchange 2, which task 1 ended without" in done[1][1], done


@test
def cancelling_one_cancels_the_gang(_):
    session, cluster = begin(workers=2)
    begin_gang(session, cluster, 1, 2)
    session.submit_gang([(3, b"task", [], "kind", True, 1, 0.0)], 1)
    session.cancel(3)
    session.cancel(2)
    done = completions(session, 3)
    assert all(found[1][0] == 6 for found in done.values()), done
    assert cluster.ended == ["g0"]


@test
def a_gang_without_room_says_so(_):
    session, cluster = begin(workers=2, start=1e-9)
    session.submit_gang([(1, b"task", [], "kind", True, 1, 0.0)], 1)
    found = session.next(5)
    assert b"only 0 of the 1 workers of a gang could be started" in found[1], found
    assert session.most_at_once() == 2


@test
def a_session_of_gangs_starts_no_other_workers(_):
    cluster = Cluster()
    session = Session(cluster, Options(), 2, 2, OWN)
    begin_gang(session, cluster, 1, 2)
    answer(cluster)
    answer(cluster)
    completions(session, 2)
    assert not cluster.started and cluster.ended == ["g0"]
    submit(session, 3)
    assert cluster.started == ["w0", "w1"]


main()
