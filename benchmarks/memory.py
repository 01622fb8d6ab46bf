"""How much memory a process has after the import, and after its first call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.figures import difference, in_turn, show
from benchmarks.surroundings import python

if TYPE_CHECKING:
    from benchmarks.surroundings import Api

_NOTHING = "pass"
_CODES = {
    "vectorshift": ("import vectorshift", "vectorshift.Pipeline.list()"),
    "httpx": ("import httpx", "httpx.Client(headers={headers!r}).get({url!r}).json()"),
    "openai": (
        "import openai",
        "openai.OpenAI(api_key={key!r}, base_url={base_url!r}).get('/pipelines', cast_to=object)",
    ),
}
# What is in memory now; where there is no /proc, the most that ever was (bytes on macOS, else KiB).
_RESIDENT = """
import sys
try:
    with open("/proc/self/statm") as file:
        import os
        print(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
except OSError:
    import resource
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def memory(api: Api, rounds: int = 5) -> None:
    codes = {_NOTHING: _NOTHING}
    for name, (imported, called) in _CODES.items():
        call = called.format(key=api.key, base_url=api.base_url, url=api.url, headers=api.headers)
        codes[f"{name}, imported"] = imported
        codes[f"{name}, after one call"] = f"{imported}\n{call}"
    environ = {"VECTORSHIFT_API_KEY": api.key, "VECTORSHIFT_BASE_URL": api.base_url}
    found = in_turn(
        {name: partial(_resident, code, environ) for name, code in codes.items()}, rounds
    )
    show(
        "Memory, beyond a Python that does nothing",
        ("", "MiB"),
        [
            (name, f"{difference(found, name, _NOTHING) / 2**20:.1f}")
            for name in codes
            if name != _NOTHING
        ],
        f"Resident set of whole processes, median of {rounds} rounds. The key comes from the"
        " environment.",
    )


def _resident(code: str, environ: dict[str, str]) -> float:
    return float(python(f"{code}\n{_RESIDENT}", **environ))
