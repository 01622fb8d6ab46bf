"""What an import costs, in whole processes."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.figures import difference, in_turn, show
from benchmarks.surroundings import python

_NOTHING = "pass"
_IMPORTS = {
    "import vectorshift": "import vectorshift",
    "from vectorshift import VectorShift": "from vectorshift import VectorShift",
    "import httpx": "import httpx",
    "import stripe": "import stripe",
    "import google.auth": "import google.auth",
    "import botocore.session": "import botocore.session",
    "import openai": "import openai",
    "import anthropic": "import anthropic",
}


def imports(rounds: int = 7) -> None:
    for code in _IMPORTS.values():  # writes the bytecode
        python(code)
    codes = {_NOTHING: _NOTHING, **_IMPORTS}
    found = in_turn({name: partial(_seconds, code) for name, code in codes.items()}, rounds)
    rows = [
        (name, f"{difference(found, name, _NOTHING) * 1e3:.1f}", f"{_modules(code):,}")
        for name, code in _IMPORTS.items()
    ]
    show(
        "Import, beyond a Python that does nothing",
        ("", "ms", "modules"),
        rows,
        f"Whole processes, median of {rounds} rounds. The second line loads the client and httpx as"
        " well.",
    )


def _seconds(code: str) -> float:
    began = time.perf_counter()
    python(code)
    return time.perf_counter() - began


def _modules(code: str) -> int:
    return int(
        python(
            f"import sys; before = set(sys.modules); {code}; print(len(set(sys.modules) - before))"
        )
    )
