"""Python callables as models: what the model format `python:` is made of in this process.

A place is "MODULE:FUNCTION", "FILE.pkl" (a pickle of the callable) or "here/N", a callable that
this process was given. Its content is what travels to workers: a line of JSON and, for a pickle,
the pickle's bytes. It is the model's identity in memo keys. Unpickling and importing run code, so a
model is as trusted as its author.
"""

import hashlib
import importlib
import importlib.util
import itertools
import json
import os
import pickle
import sys
import threading

import numpy

from ._error import Error, one_line

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_here = {}
_numbers = itertools.count(1)
_lock = threading.Lock()


class Here:
    """A callable of this process as a model; it is forgotten with this object."""

    def __init__(self, function):
        with _lock:
            self._place = f"here/{next(_numbers)}"
            _here[self._place] = function

    @property
    def model(self) -> str:
        return "python:" + self._place

    def __del__(self, here=_here):  # kept: when Python exits, this module's names may be gone
        here.pop(self._place, None)


def pickle_into(folder: str, function) -> str:
    """Pickles a callable, by value where cloudpickle is there; gives the file's path."""
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    path = os.path.join(folder, "model.pkl")
    try:
        with open(path, "wb") as file:
            pickler.dump(function, file)
    except Exception as error:
        raise Error(
            f"the model cannot be pickled, as an engine of several processes asks: {error!r}",
            "invalid input",
        ) from None
    return path


def _join(header: dict, body: bytes = b"") -> bytes:
    line = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return line.encode() + b"\n" + body


def _split(content: bytes):
    line, _, body = content.partition(b"\n")
    return json.loads(line), body


def content(place: str) -> bytes:
    """What a place's model is, apart from where it lies."""
    if place.startswith("here/"):
        return _join({"here": place})
    if place.endswith((".pkl", ".pickle")):
        try:
            with open(place, "rb") as file:
                body = file.read()
        except OSError as error:
            raise Error(f"python:{place}: cannot be read: {error.strerror}", "not found") from None
        return _join({"pickle": hashlib.sha256(body).hexdigest(), "python": PYTHON}, body)
    module, _, name = place.partition(":")
    if not module or not name:
        raise Error(
            f"python:{place}: MODULE:FUNCTION or a FILE.pkl was expected", "invalid input"
        )
    return _join({"call": place, "source": _source_hash(module, place), "python": PYTHON})


def _source_hash(module: str, place: str):
    """Of the module's file, so that a changed one is another model; None where it has none."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise Error(f"python:{place}: {error}", "not found") from None
    if found is None:
        raise Error(f"python:{place}: there is no module {module!r} on sys.path", "not found")
    try:
        with open(found.origin or "", "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def load(place: str, content: bytes):
    """The callable, and the names of its columns and outputs where they are known."""
    header, body = _split(content)
    return (
        _callable(place, header, body),
        list(header.get("columns", [])),
        list(header.get("outputs", [])),
    )


def _callable(place, header, body):
    if "here" in header:
        function = _here.get(header["here"])
        if function is None:
            raise Error(
                "the model is a callable of another process; with an engine of several processes "
                "it must be one that pickles",
                "not found",
            )
        return function
    if header["python"] != PYTHON:
        raise Error(
            f"python:{place}: the job began with Python {header['python']}, but here is {PYTHON} "
            f"({sys.executable}); the same is wanted everywhere",
            "unsupported",
        )
    if "pickle" in header:
        return _unpickled(place, body)
    module, _, name = header["call"].partition(":")
    if header["source"] != _source_hash(module, place):
        raise Error(
            f"python:{place}: the module is not the one with which the job began", "invalid input"
        )
    try:
        function = importlib.import_module(module)
    except Exception as error:
        raise Error(
            f"python:{place}: importing {module} raised {one_line(error)}", "invalid input"
        ) from error
    for part in name.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise Error(f"python:{place}: {module} has no callable {name!r}", "not found")
    return function


def _unpickled(place, body):
    try:
        function = pickle.loads(body)
    except Exception as error:
        # pickle names functions, and the script in which this one was is gone
        by_value = isinstance(error, AttributeError) and b"__main__" in body
        raise Error(
            f"python:{place}: cannot be unpickled by Python {PYTHON}: {one_line(error)}"
            + ("; cloudpickle pickles functions of scripts by value" if by_value else ""),
            "invalid input",
        ) from error
    if not callable(function):
        predict = [n for n in ("predict_proba", "predict") if hasattr(function, n)]
        raise Error(
            f"python:{place}: holds a {type(function).__name__}; a callable was expected"
            + (f": pickle its {predict[0]}" if predict else ""),
            "invalid input",
        )
    return function


def introduced(content: bytes, columns, outputs) -> bytes:
    """The same content, with the names of what goes in and comes out."""
    header, body = _split(content)
    return _join({**header, "columns": list(columns), "outputs": list(outputs)}, body)


def ask(function, rows, columns):
    """Calls it with `rows`, float64 [rows, columns]; gives float64 [rows, outputs] and names."""
    wants = getattr(function, "windlass_wants_columns", False)
    answer = function(rows, columns) if wants else function(rows)
    names = getattr(answer, "columns", None)  # of a DataFrame
    values = numpy.asarray(answer)
    if values.ndim == 1:
        values = values[:, numpy.newaxis]
    if values.ndim != 2 or len(values) != len(rows):
        raise Error(
            f"the model gave an array of shape {list(numpy.shape(answer))} for {len(rows)} rows; "
            "[rows] or [rows, outputs] was expected",
            "invalid input",
        )
    try:
        values = numpy.ascontiguousarray(values, dtype=numpy.float64)
    except (TypeError, ValueError) as error:
        raise Error(f"the model gave what are no numbers: {error}", "invalid input") from None
    if names is None or len(names) != values.shape[1]:
        names = range(values.shape[1])
    return values, [str(name) for name in names]
