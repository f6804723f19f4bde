"""`python -m windlass ...`: the command, within Python. Engines that need Python are there."""

import os
import sys

from . import _engines, _windlass  # noqa: F401 (_engines registers engines)


def main() -> int:
    # Set by the native command, which runs here what needs Python.
    build = os.environ.pop("WINDLASS_COMMAND_BUILD", None)
    if build not in (None, _windlass.build_hash()):
        version = ".".join(map(str, sys.version_info[:3]))
        other = ("let the wheel of the command travel with the job (?wheel=FILE)"
                 if "--submitted" in sys.argv or "serve" in sys.argv else
                 "set WINDLASS_PYTHON to a Python that has it")
        print(f"windlass: the command is build {build}, but the package windlass of "
              f"{sys.executable} (Python {version}) is build {_windlass.build_hash()}: install the "
              f"same of both, or {other}", file=sys.stderr)
        return 2
    return _windlass.command(["windlass", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
