"""What the tests of the whole command share: running it, fresh homes, results as TAP lines."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
WINDLASS = os.environ.get("WINDLASS", str(ROOT / "build/release/bin/windlass"))
ADULT = ROOT / "examples/adult"
EXPLAIN_ADULT = [
    "explain", "--model", ADULT / "model.json", "--data", ADULT / "adult.parquet",
    "--background", ADULT / "background.parquet", "--groups", ADULT / "groups.json",
    "--link", "logit", "--quiet",
]
_tests = []


def explain_adult(**changes):
    """The arguments of the Adult job with some changed: explain_adult(model="x.onnx")."""
    arguments = list(EXPLAIN_ADULT)
    for name, value in changes.items():
        arguments[arguments.index("--" + name) + 1] = value
    return arguments


def test(function):
    _tests.append(function)
    return function


class Skip(Exception):
    """Raised by a test that cannot run here; it is counted and named."""


@contextlib.contextmanager
def home():
    """A fresh folder, with an empty WINDLASS_HOME in it, as the current environment."""
    # A job that ended may have a process yet that notes it: it must not fail the test.
    with tempfile.TemporaryDirectory(prefix="windlass-test-",
                                     ignore_cleanup_errors=True) as folder:
        before = os.environ.get("WINDLASS_HOME")
        os.environ["WINDLASS_HOME"] = folder + "/home"
        try:
            yield pathlib.Path(folder)
        finally:
            if before is None:
                del os.environ["WINDLASS_HOME"]
            else:
                os.environ["WINDLASS_HOME"] = before


def windlass(*arguments, check=True, env=None, timeout=300):
    """Runs the command; with `check`, a failure is an AssertionError with what it printed."""
    result = subprocess.run(
        [WINDLASS, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **(env or {})}, check=False)
    if check and result.returncode != 0:
        raise AssertionError(f"exit {result.returncode}: {result.stderr or result.stdout}")
    return result


def main():
    """Runs the tests, or with ONLY=NAME,NAME in the environment those, in that order."""
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    by_name = {function.__name__: function for function in _tests}
    failed = 0
    for function in [by_name[name] for name in only] or _tests:
        try:
            with home() as folder:
                function(folder)
            print(f"ok {function.__name__}", flush=True)
        except Skip as reason:
            print(f"ok {function.__name__} # SKIP {reason}", flush=True)
        except Exception:  # a test may fail in any way
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {function.__name__}", flush=True)
            failed += 1
    sys.exit(1 if failed or not _tests else 0)
