"""From what users hold (arrays, DataFrames, anything with the Arrow interface) to tables."""

import sys

import numpy

from . import _windlass
from ._error import Error

WEIGHTS = "(weight)"
_NUMBERS = "biufO"  # kinds of dtypes that may hold numbers: a date is none, nor is a complex one


def _numbers(array):
    if array.dtype.kind not in _NUMBERS:
        raise TypeError(f"they are of dtype {array.dtype}")
    return array.astype(numpy.float64)


def is_frame(rows) -> bool:
    """Whether it is a pandas DataFrame; pandas is not imported for the question."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def is_row(rows) -> bool:
    """Whether it is a pandas Series, which is a row of a DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.Series)


def memory_table(name: str, rows, columns=None, weights=None):
    """A table for `rows`, [rows, columns]; `columns` names those of a plain array; `weights`, a
    number a row, become the column WEIGHTS."""
    if weights is not None:
        weights = _weights(name, weights)
    if is_row(rows):
        rows = rows.to_frame().T.infer_objects()
    if is_frame(rows):
        count, given = len(rows), _columns_of_frame(name, rows)
    elif not hasattr(rows, "__arrow_c_stream__"):
        count, given = _columns_of_array(name, rows, columns)
    else:
        return _windlass.MemoryTable.from_arrow(name, _with_weights(name, rows, weights))
    if weights is not None:
        given.append((WEIGHTS, weights))
    return _windlass.MemoryTable.from_columns(name, count, given)


def _weights(name, weights):
    try:
        weights = numpy.asarray(weights, dtype=numpy.float64)
    except (TypeError, ValueError) as error:
        raise Error(f"{name}: weights are numbers, one a row ({error})", "invalid input") from None
    if weights.ndim != 1:
        raise Error(
            f"{name}: weights of shape {list(weights.shape)}; [rows] was expected", "invalid input"
        )
    return weights


def _with_weights(name, rows, weights):
    if weights is None:
        return rows
    if len(weights) != len(rows):
        raise Error(f"{name}: {len(rows)} rows, but {len(weights)} weights", "invalid input")
    if hasattr(rows, "append_column"):  # pyarrow's; beside it pyarrow can be imported
        import pyarrow

        return rows.append_column(WEIGHTS, pyarrow.array(weights))
    if hasattr(rows, "with_columns"):
        import polars

        return rows.with_columns(polars.Series(WEIGHTS, weights))
    raise Error(
        f"{name}: weights of a {type(rows).__name__} are one of its columns, given by name",
        "invalid input",
    )


def _columns_of_array(name, rows, columns):
    if hasattr(rows, "toarray"):  # a sparse matrix
        rows = rows.toarray()
    array = numpy.asarray(rows)
    if array.ndim != 2:
        raise Error(
            f"{name}: an array of shape {list(array.shape)}; [rows, columns] was expected"
            + ("; a single row is array[numpy.newaxis]" if array.ndim == 1 else ""),
            "invalid input",
        )
    try:
        array = _numbers(array)
    except (TypeError, ValueError) as error:
        raise Error(
            f"{name}: numbers are wanted ({error}); for categories give a DataFrame whose columns "
            "are of dtype category",
            "invalid input",
        ) from None
    names = columns if columns is not None else [str(i) for i in range(array.shape[1])]
    if len(names) != array.shape[1]:
        raise Error(
            f"{name}: {array.shape[1]} columns, but {len(names)} names of columns", "invalid input"
        )
    return len(array), [(str(n), array[:, i]) for i, n in enumerate(names)]


def _columns_of_frame(name, frame):
    columns = []
    for position, label in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if hasattr(column, "cat"):
            columns.append(
                (
                    str(label),
                    column.cat.codes.to_numpy(dtype=numpy.int32),
                    [str(category) for category in column.cat.categories],
                )
            )
            continue
        try:
            if getattr(column.dtype, "kind", "O") not in _NUMBERS:
                raise TypeError
            values = column.to_numpy(dtype=numpy.float64, na_value=numpy.nan)
        except (TypeError, ValueError):
            raise Error(
                f"{name}: column {str(label)!r} is of dtype {column.dtype}; numbers are wanted, or "
                "dtype category",
                "invalid input",
            ) from None
        columns.append((str(label), values))
    return columns


class FrameModel:
    """Calls a function with DataFrames like the one that it was made from."""

    windlass_wants_columns = True

    def __init__(self, function, frame):
        self._function = function
        self._labels = list(frame.columns)
        self._dtypes = list(frame.dtypes)

    def __call__(self, rows, names):
        import pandas

        columns = {}
        for position, dtype in enumerate(self._dtypes):
            values = rows[:, position]
            if isinstance(dtype, pandas.CategoricalDtype):
                codes = numpy.where(numpy.isnan(values), -1, values).astype(numpy.int64)
                values = pandas.Categorical.from_codes(codes, dtype=dtype)
            elif not isinstance(dtype, numpy.dtype):
                values = pandas.array(values, dtype="Float64").astype(dtype)  # NaN is its NA
            elif not numpy.isnan(values).any():  # else float64: only that has missing values
                values = values.astype(dtype)
            columns[position] = values
        frame = pandas.DataFrame(columns)
        frame.columns = self._labels
        return self._function(frame)
