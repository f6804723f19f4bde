"""How fast small tasks go through the engine ray, beside Ray's own calls in the same run:
PYTHONPATH=BUILD/python build/ray-env/bin/python benchmarks/ray_rate.py [ENGINE]

Prints JSON: calls a second, medians of interleaved repetitions with their least and greatest; and
what the engine adds to tasks of 50 ms on one worker, in percent over the engine local.
"""

import json
import statistics
import sys
import time

import ray
import windlass

REPETITIONS, CALLS, WORKERS, DEPTH = 7, 20_000, 2, 3
LONG_CALLS, LONG_SECONDS = 200, 0.05


class Plain:
    """What a caller of Ray would write: bytes in, bytes out."""

    def call(self, item):
        return item


def bulk(actors):
    ray.get([actors[i % WORKERS].call.remote(b"item") for i in range(CALLS)])


def windowed(actors):
    """As an engine must: a few calls ahead for each actor, results as they come."""
    waiting = {actors[i % WORKERS].call.remote(b"item"): i % WORKERS
               for i in range(WORKERS * DEPTH)}
    for sent in range(WORKERS * DEPTH, CALLS + WORKERS * DEPTH):
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        actor = waiting.pop(done)
        ray.get(done)
        if sent < CALLS:
            waiting[actors[actor].call.remote(b"item")] = actor
    ray.get(list(waiting))


def identity(item):
    return item


def lasts(item):
    time.sleep(LONG_SECONDS)
    return item


def seconds(function, *arguments, **options):
    begun = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - begun


def summary(samples):
    return {"median": round(statistics.median(samples), 3), "least": round(min(samples), 3),
            "greatest": round(max(samples), 3)}


def main():
    engine = sys.argv[1] if len(sys.argv) > 1 else "ray"
    windlass.map(identity, [0], engine=engine, workers=WORKERS, memo=False)  # connects
    actors = [ray.remote(Plain).options(num_cpus=0).remote() for _ in range(WORKERS)]
    bulk(actors)
    rates = {"ray, all at once": [], "ray, 3 ahead, ray.wait": [], "windlass": []}
    # A session's workers take a while to start, which is no part of a rate.
    start = [seconds(windlass.map, identity, range(2), engine=engine, workers=WORKERS, memo=False)
             for _ in range(3)]
    for _ in range(REPETITIONS):
        rates["ray, all at once"].append(CALLS / seconds(bulk, actors))
        rates["ray, 3 ahead, ray.wait"].append(CALLS / seconds(windowed, actors))
        whole = seconds(windlass.map, identity, range(CALLS + 2), engine=engine, workers=WORKERS,
                        memo=False)
        rates["windlass"].append(CALLS / (whole - statistics.median(start)))
    added = []
    for _ in range(3):
        local = seconds(windlass.map, lasts, range(LONG_CALLS), workers=1, memo=False)
        one = seconds(windlass.map, lasts, range(2), engine=engine, workers=1, memo=False)
        there = seconds(windlass.map, lasts, range(LONG_CALLS), engine=engine, workers=1,
                        memo=False)
        added.append(100 * ((there - one) / (local * (LONG_CALLS - 2) / LONG_CALLS) - 1))
    print(json.dumps({"ray": ray.__version__, "calls": CALLS, "workers": WORKERS,
                      "start of a session, s": summary(start),
                      "calls a second": {name: summary(found) for name, found in rates.items()},
                      "added to tasks of 50 ms, %": summary(added)}, indent=2))


main()
