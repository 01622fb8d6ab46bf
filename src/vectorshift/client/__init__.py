"""`VectorShift` and `AsyncVectorShift`: pooled clients that ask for the key on every call.

sync, async_    the clients: signatures, connections, and the I/O of a call
└── handle      what both share: where to, as whom, for how long and how often
    └── engine  one call: its attempts, their time, and what comes of them. Does no I/O
        ├── call      what is sent
        ├── answers   an answer that is no success
        └── retries   the pause before the next attempt
"""

from vectorshift.client.async_ import AsyncVectorShift
from vectorshift.client.stream import AsyncStream, Stream
from vectorshift.client.sync import VectorShift

__all__ = ["AsyncStream", "AsyncVectorShift", "Stream", "VectorShift"]
