"""The stubs beside the package: mypy --strict over an example, names and parameters as they are."""

import ast
import inspect
import os
import pathlib
import pydoc
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import windlass  # noqa: E402
from support import main, test  # noqa: E402

STUB = pathlib.Path(windlass.__file__).with_name("__init__.pyi")


@test
def mypy_understands_an_example(folder):
    got = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder,
         "--disable-error-code", "type-arg", HERE / "example.py", STUB],
        env={**os.environ, "MYPYPATH": str(STUB.parent.parent)}, capture_output=True, text=True,
        timeout=300, check=False)
    assert got.returncode == 0, got.stdout + got.stderr


def parameters_of(function):
    return [(p.name, p.kind) for p in inspect.signature(function).parameters.values()]


def parameters_in(node):
    kinds = inspect.Parameter
    a = node.args
    found = [(x.arg, kinds.POSITIONAL_OR_KEYWORD) for x in a.posonlyargs + a.args]
    found += [(a.vararg.arg, kinds.VAR_POSITIONAL)] if a.vararg else []
    found += [(x.arg, kinds.KEYWORD_ONLY) for x in a.kwonlyargs]
    return found + ([(a.kwarg.arg, kinds.VAR_KEYWORD)] if a.kwarg else [])


@test
def stubs_have_every_public_name_as_it_is(folder):
    assert STUB.with_name("py.typed").exists()
    stubs = {n.name: n for n in ast.parse(STUB.read_text()).body if hasattr(n, "name")}
    assert set(stubs) == set(windlass.__all__)
    for name, node in stubs.items():
        real = getattr(windlass, name)
        if isinstance(node, ast.FunctionDef):
            assert parameters_in(node) == parameters_of(real), name
            continue
        methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
        public = {m for m in vars(real) if not m.startswith("_") and callable(getattr(real, m))}
        assert public <= set(methods), (name, public - set(methods))
        for method, stub in methods.items():
            member = inspect.getattr_static(real, method)
            if isinstance(member, property):
                assert stub.decorator_list, (name, method)
            elif method in vars(real):
                assert parameters_in(stub) == parameters_of(member), (name, method)


@test
def help_is_there_for_every_public_name(folder):
    for name in windlass.__all__:
        thing = getattr(windlass, name)
        assert thing.__doc__ and len(thing.__doc__.splitlines()[0]) < 100, name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if not member.startswith("_"):
                assert inspect.getdoc(value), (name, member)
    text = pydoc.plain(pydoc.render_doc(windlass))
    for name in windlass.__all__:
        assert name in text, name


main()
