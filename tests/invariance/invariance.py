"""The one invariance helper: a spec gives the same bytes however it is run.

Runs a command once for each way (workers x batch sizes x engines x chaos, and a repetition from
memory) and compares every output but run.json byte for byte with the first.
"""

import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import windlass  # noqa: E402

WORKERS = (-1, 1, 2, 3)
BATCHES = (None, 37, 1000)
CHAOS = ("local?chaos=1", "local?chaos=2")  # every task twice, from cold caches: fewer ways
CHAOS_WORKERS = (1, 3)
CHAOS_BATCHES = (None, 1000)


def outputs(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())
            if path.name != "run.json"}


def check_invariance(folder, arguments, workers=WORKERS, batches=BATCHES,
                     chaos_batches=CHAOS_BATCHES, more=()):
    """more: [(workers, batch, engine)], further ways.

    Returns how many ways were compared. Raises AssertionError naming the first difference.
    """
    ways = [(w, b, "local", True) for w, b in itertools.product(workers, batches)]
    ways += [(w, b, e, True) for w, b, e in itertools.product(CHAOS_WORKERS, chaos_batches, CHAOS)]
    ways += [(*way, True) for way in more]
    ways += [(workers[-1], batches[0], "local", False)] * 2  # remembering, then from memory
    reference = None
    for number, (worker, batch, engine, forget) in enumerate(ways):
        out = folder / f"way{number}"
        flags = ["-w", worker, "--engine", engine, "--out", out]
        flags += ["-b", batch] if batch else []
        flags += ["--no-memo"] if forget else []
        windlass(*arguments, *flags)
        if reference is None:
            reference = outputs(out)
            assert reference, "no outputs"
            continue
        got = outputs(out)
        assert got.keys() == reference.keys(), (got.keys(), reference.keys())
        for name, content in got.items():
            assert content == reference[name], \
                f"{name} differs with workers {worker}, batch {batch}, engine {engine}"
    return len(ways)
