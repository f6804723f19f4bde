"""windlass.map and windlass.run within Python."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import pyarrow.parquet as pq  # noqa: E402
import windlass  # noqa: E402
from support import ROOT, main, test  # noqa: E402

SMALL = ROOT / "tests/cli/small"
PATIENT = 120


def marking(folder):
    """A function that leaves a file for each call."""
    text = str(folder)

    def square(x):
        import uuid

        open(f"{text}/called-{x}-{uuid.uuid4().hex}", "w").close()
        return x * x

    return square


def calls(folder):
    return len(list(folder.glob("called-*")))


def error_of(code, call):
    try:
        call()
    except windlass.Error as error:
        assert error.code == code, (error.code, str(error))
        return error
    raise AssertionError("no error")


@test
def a_second_run_calls_nothing(folder):
    square = marking(folder)
    assert windlass.map(square, range(20)) == [x * x for x in range(20)]
    assert calls(folder) == 20
    assert windlass.map(square, range(20)) == [x * x for x in range(20)]
    assert calls(folder) == 20
    assert windlass.map(square, iter(range(22)), workers=3) == [x * x for x in range(22)]
    assert calls(folder) == 22
    windlass.map(square, range(3), memo=False)
    assert calls(folder) == 25
    assert windlass.map(square, []) == []


@test
def a_killed_run_resumes(folder):
    script = folder / "job.py"
    script.write_text(textwrap.dedent(f"""
        import json, windlass
        def square(x):
            import os, signal, uuid
            if x == 7 and "KILLED_AT_7" in os.environ:
                os.kill(os.getpid(), signal.SIGKILL)
            open({str(folder)!r} + f"/called-{{x}}-{{uuid.uuid4().hex}}", "w").close()
            return x * x
        print(json.dumps(windlass.map(square, range(20), workers=-1)))
    """))

    def run(**env):
        return subprocess.run([sys.executable, script], env={**os.environ, **env},
                              capture_output=True, text=True, timeout=PATIENT, check=False)

    killed = run(KILLED_AT_7="1")
    assert killed.returncode == -signal.SIGKILL, killed
    assert calls(folder) == 7
    again = run()
    assert json.loads(again.stdout) == [x * x for x in range(20)], again
    after = calls(folder)
    assert after <= 21, after  # the last one before the kill may not have been remembered yet
    third = run()
    assert json.loads(third.stdout) == [x * x for x in range(20)]
    assert calls(folder) == after, calls(folder)


@test
def errors_of_functions_items_and_results_are_named(folder):
    def bad(x):
        if x == 2:
            raise KeyError("boom")
        return x

    error = error_of("invalid input", lambda: windlass.map(bad, range(4)))
    line = bad.__code__.co_firstlineno + 2
    assert f"the function raised KeyError: 'boom' (<dynamic-code>, line {line}, in bad)" in str(
        error), error  # cloudpickle's name of a file
    assert isinstance(error.__cause__, KeyError)

    def items():
        yield 1
        raise OSError("no more")

    error = error_of("invalid input", lambda: windlass.map(abs, items()))
    assert "the items raised OSError: no more" in str(error), error
    assert "an item cannot be pickled" in str(
        error_of("invalid input", lambda: windlass.map(abs, [threading.Lock()])))
    assert "the function's result cannot be pickled" in str(
        error_of("invalid input", lambda: windlass.map(lambda _: threading.Lock(), [1])))


@test
def run_is_the_command(folder):
    spec = {"kind": "explain", "model": str(SMALL / "model.json"),
            "data": str(SMALL / "data.csv"), "background": str(SMALL / "background.csv")}
    ran = windlass.run(spec, folder / "out", progress=False)
    assert set(ran) == {"job", "result", "run"}, ran
    assert pq.read_table(folder / "out/attributions.parquet").num_rows == 3
    assert json.loads((folder / "out/run.json").read_text())["tasks"]["executed"] > 0
    again = windlass.run(spec, folder / "again", progress=False)
    assert again["run"]["tasks"]["executed"] == 0, again
    error_of("invalid input", lambda: windlass.run({**spec, "link": "no"}, folder / "bad"))
    assert not (folder / "bad").exists()


main()
