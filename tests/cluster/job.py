"""A job's driver: job.py ENGINE WORKERS FOLDER CASE. Prints {"result": ...} or {"error": ...}.

Each call writes the number of its item, or its rank in a gang, and its process to FOLDER/calls and waits until FOLDER/go is
there: so a test knows what runs, and decides when it goes on.
"""

import json
import sys

import windlass

ITEMS = 24


def case(folder, name):
    def call(item):
        import os
        import pathlib
        import time

        with open(f"{folder}/calls", "a") as file:
            file.write(f"{item} {os.getpid()}\n")
        while not pathlib.Path(folder, "go").exists():
            time.sleep(0.02)
        if item == 7 and name == "throws":
            raise ValueError("seven is bad")
        if item == 7 and name == "eats":
            eaten = []
            while True:
                eaten.append(bytearray(os.urandom(1 << 20) * 32))
        return bytes([item]) * 200_000

    return call


def member_of(folder):
    def call(member):
        import os
        import pathlib
        import time

        with open(f"{folder}/calls", "a") as file:
            file.write(f"{member.rank} {os.getpid()}\n")
        member.exchange()
        while not pathlib.Path(folder, "go").exists():
            time.sleep(0.02)
        member.exchange()
        return bytes([member.rank]) * 200_000

    return call


def main():
    engine, workers, folder, name = sys.argv[1:]
    try:
        if name.startswith("gang:"):  # gang:ATTEMPTS
            parts = windlass.gang(member_of(folder), int(workers), engine=engine,
                                  attempts=int(name.removeprefix("gang:")))
        else:
            parts = windlass.map(case(folder, name), range(ITEMS), engine=engine, workers=workers)
        good = [part == bytes([item]) * 200_000 for item, part in enumerate(parts)]
        print(json.dumps({"result": good}))
    except windlass.Error as error:
        print(json.dumps({"error": str(error), "code": error.code}))


main()
