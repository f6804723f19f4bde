"""`python -m windlass ...`: the command, within Python. Engines that need Python are there."""

import sys

from . import _windlass


def main() -> int:
    return _windlass.command(["windlass", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
