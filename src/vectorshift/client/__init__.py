"""`VectorShift` and `AsyncVectorShift`: pooled clients that ask for the key on every call.

A call goes through these modules:

    sync, asynchronous      the clients: connections, and one attempt after the other
    └── sending             one attempt: a request is sent and its answer read
        ├── exchange        what the attempts of one call have in common: limits, count, deadline
        │   └── answers     what an answer means
        ├── retries         the pauses between attempts, by tenacity
        ├── streams         an answer that is read as it comes
        └── bodies          its bytes: given up in time, closed half-read

What decides has no I/O and is shared by sync and async code.
"""

from vectorshift.client.async_ import AsyncVectorShift
from vectorshift.client.stream import AsyncStream, Stream
from vectorshift.client.sync import VectorShift

__all__ = ["AsyncStream", "AsyncVectorShift", "Stream", "VectorShift"]
