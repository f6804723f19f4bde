"""windlass.map: a function over many items, each a task that is remembered."""

import json
import os
import pickle
import sys

from . import _engines, _windlass  # noqa: F401 (_engines registers engines)
from ._error import Error, one_line

try:  # by value where it is there, so that functions of notebooks travel too
    import cloudpickle as _pickler
except ImportError:
    _pickler = pickle


def _plain(value):
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise Error(f"the spec: {value!r} is nothing that JSON has", "invalid input")


def pickled(what, thing) -> bytes:
    try:
        return _pickler.dumps(thing, protocol=5)
    except Exception as error:
        raise Error(f"{what} cannot be pickled: {error!r}", "invalid input") from None


def load(pickled: bytes):
    try:
        return pickle.loads(pickled)
    except Exception as error:
        raise Error(
            "the function cannot be unpickled by Python "
            f"{sys.version_info.major}.{sys.version_info.minor}: {one_line(error)}",
            "invalid input",
        ) from None


def call(function, item: bytes) -> bytes:
    return pickled("the function's result", function(pickle.loads(item)))


def map(function, items, *, engine="local", workers=0, memo=True, time_limit=0.0):
    """[function(item) for item in items], in their order, each call a task of its own.

    Results are remembered by the function's pickle and the item's: a second run calls what is
    missing, also after this process was killed. So the function must be pure: the same item, the
    same result (memo=False remembers nothing). With engine="local" its calls share this process
    and its GIL; "ray" has processes. time_limit: seconds a call may take, 0 for any.

    Raises windlass.Error: the first failed call's, whose __cause__ is what it raised.
    """
    given = iter(items)
    results = {}

    def next_item():
        for item in given:
            return pickled("an item", item)
        return None

    def on_result(index, result):
        results[index] = pickle.loads(result)

    python = f"python {sys.version_info.major}.{sys.version_info.minor}"
    _windlass.map(pickled("the function", function), python, next_item, on_result, engine,
                  str(workers), bool(memo), float(time_limit))
    return [results[index] for index in range(len(results))]


def run(spec, out, *, engine="local", workers=0, batch=0, memo=True, progress=None):
    """Runs a spec, a dict such as {"kind": "explain", "model": ..., "data": ...}, and writes its
    outputs to the folder `out`: `windlass run` as a function.

    Gives {"job": id, "result": what the command prints, "run": timings and counts}. progress: shown
    on a terminal unless told otherwise. Raises windlass.Error.
    """
    if progress is None:
        progress = sys.stderr.isatty()
    return json.loads(
        _windlass.run(json.dumps(spec, default=_plain), os.fspath(out), engine, str(workers),
                      int(batch), bool(memo), bool(progress))
    )
