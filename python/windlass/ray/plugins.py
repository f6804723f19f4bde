"""Plug-ins (--plugin FILE) on their way from the driver to workers, named by their content."""

import hashlib
import os
import pathlib
import tempfile

from .. import _windlass
from .._error import Error


def mine():
    """[(name, SHA-256, bytes)] of those that this process was given. Windlass's own are installed
    with it everywhere, and loaded where they are needed."""
    found = []
    for path in map(pathlib.Path, _windlass.plugins()):
        if not path.name.startswith("windlass_"):
            data = path.read_bytes()
            found.append((path.name, hashlib.sha256(data).hexdigest(), data))
    return found


def load(name, digest, data):
    """Loads one in this process, from a file that all workers of this user and machine share.

    Raises Error when the content is another than the driver's, or the module cannot be loaded.
    """
    folder = pathlib.Path(tempfile.gettempdir()) / f"windlass-plugins-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():  # nobody else may put modules there
        raise Error(f"{folder} belongs to another user", "input/output")
    path = folder / f"{digest}-{name}"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
        os.rename(file.name, path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise Error(f"the plug-in {path} is not what the driver has; remove it", "corrupt data")
    _windlass.load_plugin(str(path))
