"""windlass.gang: a function that several workers run at the same time, as collectives need it."""

import pickle

from . import _engines, _windlass  # noqa: F401 (_engines registers engines)
from . import _map


class Member:
    """One of a gang: its rank (0 to size - 1), the size, the address of its machine."""

    def __init__(self, rank, size, address, exchange):
        self.rank, self.size, self.address, self._exchange = rank, size, address, exchange

    def exchange(self, message=b""):
        """The messages (bytes) of all members, by rank, once each of them has called this as
        often: for ports, names and tokens; also a barrier. Raises windlass.Error when another
        member has failed or ended."""
        return self._exchange(message)


def call(function, *place) -> bytes:
    return _map.pickled("the function's result", function(Member(*place)))


def gang(function, size, *, engine="local", workers=None, attempts=1, time_limit=0.0):
    """[what function(member) gave, by rank]: `size` calls that begin together or not at all.

    When one of them raises, or its worker is lost, all are stopped, and all of them run again while
    `attempts` allows it and the fault is one that may pass (a lost worker, a windlass.Error of code
    "unavailable"). workers: how many the engine has (the default: size). With engine="local" the
    members are threads of this process; "ray" has a process each, in one placement group.
    time_limit: seconds each call may take, 0 for any.

    Raises windlass.Error that names the member that failed; Error of code "invalid input" when
    `size` is more than the engine has workers.
    """
    return [
        pickle.loads(result)
        for result in _windlass.gang(
            _map.pickled("the function", function), int(size), engine,
            str(size if workers is None else workers), int(attempts), float(time_limit))
    ]
