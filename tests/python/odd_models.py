"""Callables for host_test.py: a good one, and one for each thing that a callable may do wrong."""

import math
import os
import signal
import subprocess
import sys
import threading

import numpy

calls = 0


def good(rows):
    """The logistic model of tests/cli/small/model.json."""
    return 1 / (1 + numpy.exp(-(rows @ numpy.array([0.5, -0.25, 1.0]) + 0.125)))


def raises(rows):
    raise ValueError("boom\nand more")


def prints(rows):
    print("to standard output")
    os.write(1, b"past Python\n")
    subprocess.run(["echo", "of a child"], check=True)
    print("to standard error", file=sys.stderr)
    return good(rows)


def reads(rows):
    assert sys.stdin.read() == ""
    return good(rows)


def hangs(rows):
    print("thinking", flush=True)
    threading.Event().wait()


def dies(rows):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(rows):
    sys.exit(3)


def quits(rows):
    os._exit(4)


def forks(rows):
    """Both processes come back; only one of them is asked."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] != 0
    return good(rows)


def orphans(rows):
    """Dies, but a process that it forked lives on."""
    if os.fork() == 0:
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)


def short(rows):
    return rows[:-1, 0]


def words(rows):
    return ["a"] * len(rows)


def nothing(rows):
    return None


def changes(rows):
    global calls
    calls += 1
    return numpy.zeros((len(rows), calls))


class Model:
    def predict(self, rows):
        return good(rows)

    def score(self, rows):
        return math.nan


model = Model()
number = 42
