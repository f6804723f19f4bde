"""The console script: hands over to the native command of this package."""

import os
import sys


def main():
    # The command starts Python again only where a job needs it: then this one, which has windlass.
    os.environ.setdefault("WINDLASS_PYTHON", sys.executable)
    command = os.path.join(os.path.dirname(__file__), "bin", "windlass")
    os.execv(command, ["windlass", *sys.argv[1:]])
