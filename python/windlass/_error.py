"""The one exception type of Windlass."""


class Error(RuntimeError):
    """What was wrong, where, and what would be right.

    `code` is one of "invalid input", "usage", "not found", "input/output", "corrupt data",
    "cancelled", "deadline exceeded", "unavailable", "unsupported" and "internal".
    """

    def __init__(self, message: str, code: str = "internal"):
        super().__init__(message)
        self.code = code

    def __reduce__(self):
        return (Error, (str(self), self.code))
