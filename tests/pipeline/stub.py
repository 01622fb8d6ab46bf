"""Write `src/vectorshift/pipeline/__init__.pyi`: `python -m tests.pipeline.stub`.

`twins` makes two methods of each call of `Pipeline` and `RunHandler` when their classes are made,
which type checkers and editors do not see. The stub shows them, with the signatures that they have
at run time. Editors find the docstrings of sync calls in the source; those of async calls are here.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vectorshift.pipeline
from vectorshift._compat import Absent
from vectorshift.pipeline import Pipeline, RunHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

STUB = Path(vectorshift.pipeline.__file__).with_suffix(".pyi")

HEAD = '''\
"""`Pipeline`: the calls of the API that are about pipelines and their runs."""

# Written by `python -m tests.pipeline.stub` from the classes: do not edit.
# ruff: noqa: UP043

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, overload

from typing_extensions import Self

from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.client.default import PinnedClients
'''


def stub() -> str:
    """Return the stub of the two classes as they are."""
    return HEAD + _exports() + "".join(f"\n{_class(each)}" for each in (Pipeline, RunHandler))


def _exports() -> str:
    """Return the imports and the `__all__` of the package, without the two classes' imports."""
    source = inspect.getsource(vectorshift.pipeline)
    exports = source[source.index("from vectorshift.pipeline") : source.index("\n\ndef ")]
    return re.sub(r"from .+ import (Pipeline|RunHandler)\n", "", exports)


def _class(kind: type) -> str:
    for name in list(vars(kind)):
        getattr(kind, name, None)  # a twin is made when it is looked at
    lines = [f"class {kind.__name__}:"]
    lines += [*(f"{name}: {text}" for name, text in inspect.get_annotations(kind).items())]
    for name in _names(kind):
        twin = name[1:] if name[1:] in vars(kind) else ""
        lines += _member(name, vars(kind)[name], twin)
    return "\n    ".join(lines).replace("\n    \n", "\n\n") + "\n"


def _names(kind: type) -> Iterator[str]:
    """Yield the names of public members and operators, `ax` behind `x`."""
    for name, member in vars(kind).items():
        if isinstance(member, Absent):
            continue
        operator = name.endswith("__") and inspect.isfunction(member) and name != "__getattr__"
        if (operator or not name.startswith("_")) and name[1:] not in vars(kind):
            yield from (each for each in (name, f"a{name}") if each in vars(kind))


def _member(name: str, member: Any, twin: str) -> Iterator[str]:
    if isinstance(member, property):
        yield "@property"
        member = member.fget
    elif isinstance(member, classmethod):
        yield "@classmethod"
        member = member.__func__
    kind = "async def" if inspect.iscoroutinefunction(member) else "def"
    doc = _twin_doc(member, twin) if twin else []
    arguments, result = _signature(member)
    if "stream: bool = False" in arguments:
        yield from _overloads(name, kind, arguments, result)
        return
    end = ":" if doc else ": ..."
    line = f"{kind} {name}({', '.join(arguments)}) -> {result}{end}"
    if len(line) <= 96 and len(arguments) < 4:
        yield line
    else:
        yield f"{kind} {name}("
        yield from (f"    {each}," for each in arguments)
        yield f") -> {result}{end}"
    yield from doc


def _overloads(name: str, kind: str, arguments: list[str], result: str) -> Iterator[str]:
    """`run` returns something else where it streams."""
    lines = "AsyncIterator[bytes]" if kind == "async def" else "Iterator[bytes]"
    _, inputs, stream, *others = arguments
    for first, second, returned in (
        (inputs, stream.replace("bool", "Literal[False]"), result),
        (inputs.removesuffix(" = None"), "stream: Literal[True]", lines),
    ):
        yield "@overload"
        yield f"{kind} {name}("
        yield from (f"    {each}," for each in ("self", first, second, *others))
        yield f") -> {returned}: ..."


def _signature(function: Any) -> tuple[list[str], str]:
    signature = inspect.signature(function)
    arguments: list[str] = []
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        annotation = str(each.annotation).replace("'", '"')
        typed = "" if each.annotation is each.empty else f": {annotation}"
        default = "" if each.default is each.empty else f" = {_literal(each.default)}"
        arguments.append(f"{each.name}{typed}{default}")
    return arguments, signature.return_annotation


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _twin_doc(member: Any, twin: str) -> list[str]:
    """Return what the docstring begins with, and where the rest of it is."""
    first = inspect.cleandoc(member.__doc__).partition("\n\n")[0]
    text = textwrap.fill(f'"""{" ".join(first.split())} All else is as in `{twin}`.', 92)
    return textwrap.indent(text + ("\n" if "\n" in text else "") + '"""', "    ").splitlines()


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
