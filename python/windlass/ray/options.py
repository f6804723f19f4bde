"""What `ray[:ADDRESS][?key=value&...]` says."""

import dataclasses
import os
import re

from .._error import Error

_UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclasses.dataclass(frozen=True)
class Options:
    """address: HOST:PORT, "local" (one is started here), "auto" (a running one, else as "local").
    node: the address of this machine's node, where it has several.

    cpus, memory (bytes, None for any), resources (by name): of each worker. start: seconds until
    the least number of workers must be there. grace: seconds that a task has to stop once it was
    cancelled or its time limit has passed; then its worker is killed.
    """

    address: str = "auto"
    node: str | None = None
    namespace: str | None = None
    cpus: float = 1.0
    memory: int | None = None
    resources: dict = dataclasses.field(default_factory=dict)
    start: float = 300.0
    grace: float = 5.0


def parse(location: str, options: dict) -> Options:
    """Raises Error naming the option, what was wrong with it and what would be right."""
    unknown = sorted(options.keys() - _READERS.keys())
    if unknown:
        raise Error(
            f'the engine ray has no option "{unknown[0]}"; known: {", ".join(sorted(_READERS))}',
            "invalid input",
        )
    read = {key: _READERS[key](key, text) for key, text in options.items()}
    return Options(address=_address(location), **read)


def _address(location: str) -> str:
    source = "--engine ray"
    if not location:
        location, source = os.environ.get("RAY_ADDRESS", "").strip() or "auto", "RAY_ADDRESS"
    if location.startswith("//") or location.startswith("ray://"):
        host = location.rpartition("//")[2]
        raise Error(
            f"{source}: ray://{host} is Ray Client's address. With it tasks and results would go "
            "through a proxy that runs this process's calls on the head, where the job's store is "
            "not. Run the command on a machine of the cluster, with ray or ray:HOST:PORT (the "
            "head's address, usually port 6379), or submit it as a Ray job",
            "unsupported",
        )
    if location in ("auto", "local"):
        return location
    host, colon, port = location.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise Error(
            f'{source}: "{location}" is no address of a Ray cluster; HOST:PORT such as '
            'ray:10.0.0.5:6379 was expected, or ray:local for one on this machine',
            "invalid input",
        )
    return location


def _wrong(key, text, wanted):
    return Error(f"engine ray, option {key}={text}: {wanted} was expected", "invalid input")


def _number(text):
    """Below all that is allowed where it is no number."""
    try:
        return float(text)
    except ValueError:
        return -1.0


def _text(key, text):
    if not text:
        raise _wrong(key, text, "a name")
    return text


def _seconds(key, text):
    value = _number(text)
    if not 0 < value < 1e6:
        raise _wrong(key, text, "a number of seconds above 0")
    return value


def _cpus(key, text):
    value = _number(text)
    if not 0 < value < 1e5 or (value > 1 and value != int(value)):
        raise _wrong(key, text, "a whole number of CPUs, or a part of one such as 0.5,")
    return value


def _memory(key, text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?", text)
    if not match or float(match[1]) <= 0:
        raise _wrong(key, text, "an amount such as 2GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def _resources(key, text):
    resources = {}
    for entry in text.split(","):
        name, colon, amount = entry.partition(":")
        value = _number(amount)
        if not name or not colon or not 0 < value < 1e9:
            raise _wrong(key, text, "NAME:AMOUNT[,NAME:AMOUNT...]")
        resources[name] = value
    return resources


_READERS = {
    "cpus": _cpus,
    "grace": _seconds,
    "memory": _memory,
    "namespace": _text,
    "node": _text,
    "resources": _resources,
    "start": _seconds,
}
