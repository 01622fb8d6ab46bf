"""The annotations of every public callable resolve at run time, for what builds tools, forms and
dependencies from signatures.
"""

from __future__ import annotations

import inspect
import typing
from types import ModuleType
from typing import TYPE_CHECKING, Any

import vectorshift
import vectorshift.errors
import vectorshift.plugins
import vectorshift.testing

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC: list[ModuleType] = [
    vectorshift,
    vectorshift.errors,
    vectorshift.plugins,
    vectorshift.testing,
]


def _callables(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a public function, or a class and its public methods."""
    if not callable(value) or not str(getattr(value, "__module__", "")).startswith("vectorshift"):
        return
    yield name, value
    if not inspect.isclass(value):
        return
    for attribute in dir(value):
        if attribute.startswith("_") and attribute not in ("__init__", "__call__", "__enter__"):
            continue
        found = inspect.getattr_static(value, attribute)
        if isinstance(found, property):
            found = found.fget
        elif isinstance(found, classmethod | staticmethod):
            found = found.__func__
        if inspect.isfunction(found) and found.__module__.startswith("vectorshift"):
            yield f"{name}.{attribute}", found


ALL = dict(
    each
    for module in PUBLIC
    for name in module.__all__
    for each in _callables(f"{module.__name__}.{name}", getattr(module, name))
)


def test_the_annotations_of_every_public_callable_resolve() -> None:
    unresolved: dict[str, str] = {}
    for name, value in ALL.items():
        try:
            typing.get_type_hints(value)
        except Exception as error:
            unresolved[name] = str(error)
    assert not unresolved
    assert len(ALL) > 500
