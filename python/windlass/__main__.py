"""`python -m windlass ...`: the command, within Python. Engines that need Python are there."""

import sys

from . import _engines, _windlass  # noqa: F401 (_engines registers engines)


def main() -> int:
    return _windlass.command(["windlass", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
