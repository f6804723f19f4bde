"""The one exception type of Windlass."""

import os
import traceback


class Error(RuntimeError):
    """What was wrong, where, and what would be right, in one line.

    `code` is one of "invalid input", "usage", "not found", "input/output", "corrupt data",
    "cancelled", "deadline exceeded", "unavailable", "unsupported" and "internal". What a callable
    of yours raised is its `__cause__`, where it was raised in this process.
    """

    def __init__(self, message: str, code: str = "internal"):
        super().__init__(message)
        self.code = code

    def __reduce__(self):
        return (Error, (str(self), self.code))


_LONGEST = 500


def one_line(error: BaseException) -> str:
    """What was raised and where: "ValueError: boom (predict.py, line 16, in bad)"."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception's own __str__ may fail too
        text = "(it cannot be shown)"
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + " ..."
    name = type(error).__name__
    said = f"{name}: {text}" if text else name
    if isinstance(error, SyntaxError):  # which says itself where
        return said
    places = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    if not places:
        return said
    last = places[-1]
    return f"{said} ({os.path.basename(last.filename)}, line {last.lineno}, in {last.name})"
