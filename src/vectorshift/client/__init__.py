"""`VectorShift` and `AsyncVectorShift`: pooled clients that ask for the key on every call.

sync, async_    the clients: signatures, connections, and the I/O of a call
└── handle      what both share: where to, as whom, for how long and how often
    └── engine one call: its attempts, their time, and their results. Does no I/O
        ├── call      what is sent
        ├── answers an answer that is not a success └── retries   the pause before the next attempt

Importing this package imports neither client.
"""

from __future__ import annotations

from vectorshift._platform.importing import at_first_use, load

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.client.async_ import AsyncVectorShift
    from vectorshift.client.stream import AsyncStream, Stream
    from vectorshift.client.sync import VectorShift

__all__ = ["AsyncStream", "AsyncVectorShift", "Stream", "VectorShift"]

_HOME = {
    "AsyncStream": "client.stream",
    "AsyncVectorShift": "client.async_",
    "Stream": "client.stream",
    "VectorShift": "client.sync",
}

load("vectorshift.client.handle")  # first: at exit, Python clears the last module first

if not TYPE_CHECKING:  # type checkers must see mistyped names
    __getattr__ = at_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
