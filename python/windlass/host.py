"""`python -m windlass.host`: a callable for a native process, which starts it when it needs one.

Arguments: the protocol's version; "read" or "serve"; the model's place; the size of its content.
Standard input: the content, then an Arrow IPC stream of rows, as for a model `command:`; standard
output: the answers. "read" answers with the first line of what the model is.
"""

import os
import sys
import traceback


def _take_streams():
    """The two streams, which nobody else may disturb: what the callable, and what it imports,
    prints goes to standard error, and processes that it forks have them not."""
    own = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    os.register_at_fork(after_in_child=lambda: [os.close(descriptor) for descriptor in own])
    return own


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            sys.exit("windlass.host: the model's content ended too early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main(arguments):
    source, sink = _take_streams()  # before any import of size
    from . import _callable, _windlass
    from ._error import Error

    if len(arguments) != 4 or arguments[0] != str(_windlass.HOST_PROTOCOL):
        sys.exit(
            f"windlass.host: version {_windlass.HOST_PROTOCOL} of the protocol is spoken here, "
            f"not {' '.join(arguments[:1]) or 'none'}; install the same windlass {sys.executable} "
            "and the command are of"
        )
    _, action, place, size = arguments
    content = _read(source, int(size))
    process = os.getpid()
    function = None

    def answer(rows, columns):
        nonlocal function
        try:
            if action == "read":
                line = _callable.content(place).partition(b"\n")[0]
                return rows, [], {"windlass.header": line.decode()}
            if function is None:
                function = _callable.load(place, content)[0]
            return (*_callable.ask(function, rows, columns), {})
        except BaseException as error:
            if not isinstance(error, Error) or error.__cause__ is not None:
                traceback.print_exc()
            raise
        finally:
            if os.getpid() != process:
                print("windlass.host: a process that the model forked came back", flush=True)
                os._exit(1)
            sys.stdout.flush()
            sys.stderr.flush()

    _windlass.serve(source, sink, f"python:{place}", answer)


if __name__ == "__main__":
    main(sys.argv[1:])
