"""`providers new`: a package for a provider, with its tests."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from vectorshift._platform.plugin_names import canonical, prefix_of
from vectorshift.chain.order import BUILT_IN
from vectorshift.cli.exits import Exit
from vectorshift.cli.screen import complain
from vectorshift.settings import Settings
from vectorshift.settings.variables import variables_of
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "create", "requirement"]

KINDS = ("file", "async", "command", "http")
_NAME = re.compile(r"[a-z][a-z0-9-]{1,40}")
_TEST = {"async": "http"}
"""Kinds that use the test of another kind."""
_SETTINGS = {"file": "PATH", "command": "ITEM"}


def create(name: str, kind: str) -> Exit:
    """Write the package `vectorshift-NAME` into a new folder, and print the next steps.

    Args:
        name: the name of the provider for `VECTORSHIFT_PROVIDERS`.
        kind: the skeleton, one of `KINDS`.
    """
    folder = Path(f"vectorshift-{name}")
    if flaw := _flaw(name) or _flaw_of(folder):
        complain(flaw)
        return Exit.USAGE
    for path, text in _package(name, kind):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    typer.echo(
        f"{folder} is there. Next:\n\n  cd {folder}\n  python -m venv .venv\n  .venv/bin/python "
        f"-m pip install -e . pytest trio blockbuster {_this_package()}\n  .venv/bin/python -m "
        "pytest\n\nThen write the code that reads your store in "
        f"src/{_module(name)}/__init__.py, and try it:\n\n  .venv/bin/vectorshift providers check "
        f"{name}"
    )
    return Exit.GOOD


def _this_package() -> str:
    """Return pip's requirement for this package with its command, quoted for a shell."""
    try:
        text = distribution("vectorshift").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    return requirement(text)


def requirement(direct_url: str | None) -> str:
    """Return the requirement for the text of `direct_url.json`, which an installation from a path
    or a URL has. An index may have only the official package.
    """
    came: dict[str, Any] = json.loads(direct_url) if direct_url else {}
    url = urlsplit(str(came.get("url", "")))
    if repository := came.get("vcs_info"):
        place = f"{repository['vcs']}+{came['url']}@{repository['commit_id']}"
        return shlex.quote(f"vectorshift[cli] @ {place}")
    if url.scheme == "file":
        return shlex.quote(f"{url2pathname(url.path)}[cli]")
    if url.scheme:
        return shlex.quote(f"vectorshift[cli] @ {came['url']}")
    return f"'vectorshift[cli]>={__version__.partition('.')[0]}'"


def _flaw(name: str) -> str:
    """Return why a provider must not have this name, or an empty text."""
    if not _NAME.fullmatch(name) or name.endswith("-") or name != canonical(name):
        return (
            "A provider's name has 2 to 41 characters, a to z, 0 to 9 and single dashes, and begins"
            " with a letter, such as acme or azure-kv."
        )
    near = difflib.get_close_matches(name, [*BUILT_IN, "default"], n=1, cutoff=0.8)
    if near:
        return f"{name!r} is like {near[0]!r}, which is built in. Choose another name."
    taken = [each for each in variables_of(Settings) if each.startswith(prefix_of(name))]
    if taken:
        return (
            f"The variables of {name!r} would begin with {prefix_of(name)}, as {taken[0]} of this"
            " package does. Choose another name."
        )
    return ""


def _flaw_of(folder: Path) -> str:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return f"{folder} exists and is not a folder. Move it, or choose another name."
    if folder.is_dir() and any(folder.iterdir()):
        return f"{folder} exists and is not empty. Move it, or choose another name."
    return ""


def _module(name: str) -> str:
    return f"vectorshift_{name.replace('-', '_')}"


def _package(name: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each file of the package, and its text."""
    module, cls = _module(name), "".join(part.capitalize() for part in name.split("-"))
    words = {
        "VERSION": ".".join(__version__.split(".")[:2]),
        "DEPENDENCIES": ', "httpx>=0.28,<1"' if kind in ("async", "http") else "",
        "VECTORSHIFT_ACME_SETTING": f"{prefix_of(name)}{_SETTINGS.get(kind, 'URL')}",
        "VECTORSHIFT_ACME_": prefix_of(name),
        "ACME_SESSION": f"{name.replace('-', '_').upper()}_SESSION",
        "vectorshift_acme": module,
        "Acme": cls,
        "acme": name,
    }
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        ".github/workflows/tests.yml": "ci.yml",
        f"src/{module}/__init__.py": f"{kind}.py",
        f"tests/test_{module.removeprefix('vectorshift_')}.py": f"test_{_TEST.get(kind, kind)}.py",
    }
    skeletons = files("vectorshift.cli") / "skeletons"
    for path, source in sources.items():
        text = (skeletons / f"{source}.txt").read_text("utf-8")
        yield path, re.sub("|".join(words), lambda found: words[found[0]], text)
    yield f"src/{module}/py.typed", ""
