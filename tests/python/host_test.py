"""Models `python:` of the native command, run by `python -m windlass.host`."""

import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import cloudpickle  # noqa: E402
from small_job import tasks, values  # noqa: E402
from support import ROOT, WINDLASS, main, test, windlass  # noqa: E402

SMALL = ROOT / "tests/cli/small"
PATIENT = 60
os.environ["WINDLASS_PYTHON"] = sys.executable
os.environ["PYTHONPATH"] = f"{os.environ.get('PYTHONPATH', '')}:{HERE}"


def arguments(model, out, *more):
    return ["explain", "--model", model, "--data", SMALL / "data.csv",
            "--background", SMALL / "background.csv", "--method", "exact", "--quiet", "-b", "1",
            "--out", out, *more]


def explain(model, out, *more, **options):
    return windlass(*arguments(model, out, *more), **options)


def error_of(model, folder, status=2, **options):
    """The last line of standard error of a job that fails with this status; and all of them."""
    got = explain(model, folder / "failed", check=False, **options)
    assert got.returncode == status, got
    assert not (folder / "failed/attributions.parquet").exists()
    lines = got.stderr.splitlines()
    return lines[-1], lines


def wait_for(condition):
    deadline = time.monotonic() + PATIENT
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result


def same(one, two):
    for a, b in zip(values(one), values(two), strict=True):
        assert all(abs(x - y) < 1e-12 for x, y in zip(a, b, strict=True)), (a, b)


@test
def functions_methods_and_pickles_give_the_values_of_the_local_model(folder):
    import odd_models

    explain(f"{SMALL / 'model.json'}?opaque=1", folder / "local")
    with open(folder / "model.pkl", "wb") as file:
        pickle.dump(odd_models.good, file)
    coef, intercept = (0.5, -0.25, 1.0), 0.125

    def by_value(rows):
        import numpy

        return 1 / (1 + numpy.exp(-(rows @ numpy.array(coef) + intercept)))

    with open(folder / "closure.pkl", "wb") as file:
        cloudpickle.dump(by_value, file)
    for number, model in enumerate(["odd_models:good", "odd_models:model.predict",
                                    folder / "model.pkl", folder / "closure.pkl",
                                    "odd_models:good?processes=1&timeout=50"]):
        explain(f"python:{model}", folder / str(number))
        same(folder / str(number), folder / "local")


@test
def what_is_remembered_goes_by_source_and_pickle(folder):
    module = folder / "mine.py"
    shutil.copy(HERE / "odd_models.py", module)
    env = {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{folder}"}
    explain("python:mine:good", folder / "one", env=env)
    assert tasks(folder / "one") == (3, 0)
    explain("python:mine:good?timeout=99", folder / "two", env=env)
    assert tasks(folder / "two") == (0, 3)
    # Within Python it is the same model.
    inside = subprocess.run(
        [sys.executable, "-m", "windlass", *map(str, arguments("python:mine:good",
                                                               folder / "three"))],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENT, check=False)
    assert inside.returncode == 0, inside
    assert tasks(folder / "three") == (0, 3)
    module.write_text(module.read_text() + "# changed\n")
    explain("python:mine:good", folder / "four", env=env)
    assert tasks(folder / "four") == (3, 0)
    for name in ("a.pkl", "b.pkl"):
        with open(folder / name, "wb") as file:
            cloudpickle.dump(lambda rows: rows[:, 0], file)
    explain(f"python:{folder / 'a.pkl'}", folder / "five")
    explain(f"python:{folder / 'b.pkl'}", folder / "six")
    assert tasks(folder / "six") == (0, 3)


@test
def what_a_callable_prints_disturbs_nothing(folder):
    got = explain("python:odd_models:prints", folder / "out")
    explain("python:odd_models:good", folder / "good")
    same(folder / "out", folder / "good")
    assert got.stdout.count("standard") == 0, got.stdout
    for text in ("to standard output", "past Python", "of a child", "to standard error"):
        assert f"python:odd_models:prints: {text}" in got.stderr, got.stderr
    explain("python:odd_models:reads", folder / "reads")


@test
def a_callable_that_raises_is_named_with_its_place(folder):
    last, lines = error_of("python:odd_models:raises", folder)
    assert ("python:odd_models:raises raised ValueError: boom and more (odd_models.py, line 21, in "
            "raises)") in last, last
    assert any("Traceback (most recent call last)" in line for line in lines), lines
    last, _ = error_of("python:odd_models:leaves", folder)
    assert "raised SystemExit: 3 (odd_models.py" in last, last


@test
def wrong_answers_are_named(folder):
    for name, text in {
        "short": "the model gave an array of shape [1] for 2 rows; [rows] or [rows, outputs]",
        "words": "the model gave what are no numbers",
        "nothing": "the model gave an array of shape [] for 2 rows",
        "changes": "gave outputs",
    }.items():
        last, _ = error_of(f"python:odd_models:{name}", folder)
        assert text in last, (name, last)


@test
def what_cannot_be_loaded_is_named(folder):
    (folder / "broken.py").write_text("import odd_models\nodd_models.no_such\n")
    (folder / "bad_syntax.py").write_text("def f(:\n")
    env = {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{folder}"}
    pickled = folder / "p.pkl"
    pickled.write_bytes(b"no pickle")
    number = folder / "number.pkl"
    number.write_bytes(pickle.dumps(42))
    script = folder / "script.pkl"  # as a script pickles its own function
    script.write_bytes(b"c__main__\nmy_model\n.")
    for model, text in {
        "no_such:f": "there is no module 'no_such' on sys.path",
        "odd_models:no_such": "odd_models has no callable 'no_such'",
        "odd_models:number": "odd_models has no callable 'number'",
        "odd_models": "MODULE:FUNCTION or a FILE.pkl was expected",
        "broken:f": "importing broken raised AttributeError: module 'odd_models' has no attribute "
                    "'no_such' (broken.py, line 2, in <module>)",
        "bad_syntax:f": "importing bad_syntax raised SyntaxError",
        pickled: "cannot be unpickled by Python",
        number: "holds a int; a callable was expected",
        script: "cloudpickle pickles functions of scripts by value",
        folder / "none.pkl": "cannot be read: No such file",
        "here/1": "a callable of another process",
        "odd_models:good?timeout=0": "option timeout=0",
    }.items():
        last, _ = error_of(f"python:{model}", folder, env=env)
        assert text in last, (model, last)


@test
def a_pickle_of_another_python_is_refused_by_name(folder):
    import odd_models
    from windlass import Error, _callable

    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(odd_models.good))
    content = _callable.content(str(path))
    other = content.replace(f'"python":"{_callable.PYTHON}"'.encode(), b'"python":"3.1"')
    assert other != content
    try:
        _callable.load(str(path), other)
        raise AssertionError
    except Error as error:
        assert "the job began with Python 3.1, but here is" in str(error), error


@test
def hanging_and_dying_callables_are_errors_within_the_deadline(folder):
    last, _ = error_of("python:odd_models:hangs?timeout=8", folder, 1)
    assert "no answer for 2 rows within 8 s (it says: thinking)" in last, last
    last, _ = error_of("python:odd_models:dies", folder, 1)
    assert "it was killed by signal 9" in last, last
    last, _ = error_of("python:odd_models:quits", folder, 1)
    assert "it exited with status 4" in last, last
    last, _ = error_of("python:odd_models:orphans", folder, 1)
    assert "it was killed by signal 9" in last, last


@test
def a_process_that_a_callable_forks_is_not_asked(folder):
    explain("python:odd_models:forks", folder / "out")
    explain("python:odd_models:good", folder / "good")
    same(folder / "out", folder / "good")


@test
def a_python_without_windlass_is_told_what_to_install(folder):
    last, _ = error_of("python:odd_models:good", folder,
                       env={"PYTHONPATH": "", "WINDLASS_PYTHON": sys.base_prefix + "/bin/python3"})
    assert "install the wheel of Windlass" in last and "WINDLASS_PYTHON" in last, last
    last, _ = error_of("python:odd_models:good", folder, env={"WINDLASS_PYTHON": "no-such-python"})
    assert "there is no program \"no-such-python\"" in last, last


@test
def nothing_is_left_running(folder):
    for number in (signal.SIGINT, signal.SIGKILL):
        place = f"odd_models:hangs?timeout={1000 + os.getpid()}"  # known by their arguments
        process = subprocess.Popen(
            [WINDLASS, *map(str, arguments(f"python:{place}", folder / "out"))],
            stderr=subprocess.PIPE, text=True)
        assert "thinking" in process.stderr.readline()
        found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True,
                               check=True).stdout.split()
        process.send_signal(number)
        assert process.wait(PATIENT) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        process.stderr.close()
        wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in found))


main()
