"""Measure, and print the figures side by side: `python -m benchmarks [PART ...]`."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from benchmarks.aws import aws
from benchmarks.calls import calls
from benchmarks.first import first
from benchmarks.fleet import fleet
from benchmarks.imports import imports
from benchmarks.lookups import lookups
from benchmarks.memory import memory
from benchmarks.stampede import stampede
from benchmarks.streams import streams
from benchmarks.surroundings import clean_surroundings, stand_in_api
from benchmarks.tasks import tasks
from benchmarks.tenants import tenants
from benchmarks.vault import vault

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALONE = {
    "imports": imports,
    "lookups": lookups,
    "stampede": stampede,
    "vault": vault,
    "aws": aws,
    "tenants": tenants,
    "fleet": fleet,
    "streams": streams,
}
_WITH_API = {"first": first, "calls": calls, "tasks": tasks, "memory": memory}
_COMPARED = (
    "vectorshift",
    "httpx",
    "openai",
    "anthropic",
    "stripe",
    "botocore",
    "google-auth",
    "hvac",
)


def _versions() -> Iterator[str]:
    """Yield what is measured: not every part needs all of it."""
    for name in _COMPARED:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def main() -> None:
    """Run the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure speed and memory."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*_ALONE, *_WITH_API]))
    parts = parser.parse_args().parts or [*_ALONE, *_WITH_API]
    if unknown := [part for part in parts if part not in _ALONE and part not in _WITH_API]:
        parser.error(
            f"there is no part {unknown[0]!r}; there are {', '.join([*_ALONE, *_WITH_API])}"
        )
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores")
    print(", ".join(_versions()), flush=True)
    with clean_surroundings():
        for part in parts:
            if part in _ALONE:
                _ALONE[part]()
            else:
                with stand_in_api() as api:
                    _WITH_API[part](api)


if __name__ == "__main__":
    main()
