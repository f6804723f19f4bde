"""What the tests of jobs over the Jobs API share."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "invariance")]
from invariance import outputs  # noqa: E402
from ray_cluster import BIN  # noqa: E402
from support import EXPLAIN_ADULT, windlass  # noqa: E402


def python_with(folder, **environment):
    """A Python of the cluster whose processes have this in their environment."""
    program = folder / f"python-{'-'.join(environment)}"
    lines = [f"export {name}='{value}'" for name, value in environment.items()]
    program.write_text("\n".join(["#!/bin/sh", *lines, f'exec {BIN}/python "$@"', ""]))
    program.chmod(0o755)
    return program


def local(folder):
    """The outputs of the job on this machine, in blocks as large as the cluster's."""
    windlass(*EXPLAIN_ADULT, "-b", 64, "--no-memo", "--out", folder / "local")
    return outputs(folder / "local")


def tasks(out):
    return json.loads((out / "run.json").read_text())["tasks"]
