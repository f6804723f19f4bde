"""From what users hold (arrays, DataFrames, anything with the Arrow interface) to tables."""

import sys

import numpy

from . import _windlass
from ._error import Error

WEIGHTS = "(weight)"


def is_frame(rows) -> bool:
    """Whether it is a pandas DataFrame; pandas is not imported for the question."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def memory_table(name: str, rows, columns=None, weights=None):
    """A table for `rows`, [rows, columns]; `columns` names those of a plain array; `weights`, a
    number a row, become the column WEIGHTS."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(rows, pandas.Series):
        rows = rows.to_frame().T.infer_objects()
    if is_frame(rows):
        count, given = len(rows), _columns_of_frame(name, rows)
    elif not hasattr(rows, "__arrow_c_stream__"):
        count, given = _columns_of_array(name, rows, columns)
    elif weights is None:
        return _windlass.MemoryTable.from_arrow(name, rows)
    else:
        raise Error(
            f"{name}: weights of an Arrow table are one of its columns, given by name",
            "invalid input",
        )
    if weights is not None:
        given.append((WEIGHTS, numpy.asarray(weights, dtype=numpy.float64)))
    return _windlass.MemoryTable.from_columns(name, count, given)


def _columns_of_array(name, rows, columns):
    if hasattr(rows, "toarray"):  # a sparse matrix
        rows = rows.toarray()
    array = numpy.asarray(rows)
    if array.ndim != 2:
        raise Error(
            f"{name}: an array of shape {list(array.shape)}; [rows, columns] was expected",
            "invalid input",
        )
    try:
        array = array.astype(numpy.float64)
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
            elif not numpy.isnan(values).any():
                values = values.astype(dtype) if isinstance(dtype, numpy.dtype) else values
            columns[position] = values
        frame = pandas.DataFrame(columns)
        frame.columns = self._labels
        return self._function(frame)
