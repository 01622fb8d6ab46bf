"""`VectorShift`: the client of sync code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from vectorshift._platform import public
from vectorshift._platform.frames import strip_library_frames, stripped
from vectorshift._platform.importing import load
from vectorshift._platform.public import Self
from vectorshift.client.call import Call
from vectorshift.client.engine import CallState, drive
from vectorshift.client.handle import Handle
from vectorshift.client.uploads import Files
from vectorshift.transport.body import ResponseBody
from vectorshift.transport.failures import escapes
from vectorshift.transport.http import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.transport.http import ConnectionRoute

__all__ = ["BlockingIO", "VectorShift"]

_STREAM = "vectorshift.client.stream"
"""The module of streams: loaded by the first stream, or by `warm_up`."""


class VectorShift(Handle[httpx.Client]):
    """A client of the VectorShift API. Thread-safe and fork-safe; close it, or use it as a context
    manager.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider. None is
            rejected: a failed look-up of a tenant's key must not fall back to another key. The
            default: the credentials of the surrounding `using` block, else those of `configure`,
            else the chain of the settings.
        settings: the settings; those of the process by default.
        base_url: in place of `VECTORSHIFT_BASE_URL`.
        timeout: seconds, in place of `VECTORSHIFT_TIMEOUT`.
        max_retries: how many attempts may follow the first, in place of `VECTORSHIFT_MAX_RETRIES`;
            0 for none.
        http_client: a client of yours, with its own transport, proxies and limits; you close it. It
            belongs to the process that uses it first: a forked child makes its own.
        clock: tells the time and waits between attempts.

    Raises:
        TypeError: `credentials` or `http_client` has another type.
        ValueError: `base_url` is not a URL of an API, or a number is too small.
    """

    _kind = httpx.Client

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        files: Files | None = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make a call and return the parsed body.

        Args:
            method: the HTTP method.
            path: the path below the base URL, such as `/pipelines`.
            query: parameters; those that are None are left out.
            json: the body.
            files: files to send with a form, by field. Each is a path, bytes or an open binary
                file, or a tuple of a name, one of these and optionally a media type. They are read
                completely before anything is sent.
            form: the fields of a form.
            headers: additional headers; an `Authorization` among them is sent instead of the key.
            timeout: seconds, for this call.

        Raises:
            VectorshiftApiError: the API answered with an error.
            ApiConnectionError: the API did not answer.
            CredentialError: no key is available; `MissingCredentialError` is also an
                `AuthenticationError`.
            VectorshiftError: a file cannot be read; nothing was sent.
            TypeError: an argument cannot be sent; nothing was sent.
        """
        return self.call(Call(method, path, query, json, files, form, headers, timeout))

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        files: Files | None = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> AbstractContextManager[public.Stream]:
        """Make a call and read its answer as it arrives, in a `with` block. Arguments and errors
        are those of `request`.

        Leaving the block before the end closes the connection. The call may be sent again until its
        answer begins.
        """
        return self.open(Call(method, path, query, json, files, form, headers, timeout))

    def call(self, call: Call) -> Any:
        """Make the call that a `Call` describes. Raises as `request`."""
        before = sys.exc_info()[1]
        try:
            with BlockingIO(self._lease, self.clock.sleep) as io:
                return drive(self._begin(call).steps(io))
        except BaseException as error:
            raise stripped(error, before)  # noqa: B904  # its cause stays

    @contextlib.contextmanager
    def open(self, call: Call) -> Generator[public.Stream, None, None]:
        """Make the call that a `Call` describes and read its answer as it arrives. Raises as
        `request`.
        """
        with BlockingIO(self._lease, self.clock.sleep) as io:
            # This reference keeps it alive, so that it is closed at exit.
            stream = self._opened(call, io)
            yield stream

    @strip_library_frames
    def _opened(self, call: Call, io: BlockingIO) -> public.Stream:
        state = self._begin(call, streamed=True)
        stream: public.Stream = load(_STREAM).Stream(state, drive(state.steps(io)))
        return stream

    def _begin(self, call: Call, *, streamed: bool = False) -> CallState:
        return self._state(self._setup_or_none() or self._make(), call, streamed=streamed)

    def _lease(self, route: ConnectionRoute) -> AbstractContextManager[httpx.Client]:
        """Lease an httpx client for one request, in a `with` block."""
        if self._yours is None or self._owner is None:
            return self._connections.acquire(route)
        self._owner.check()
        return contextlib.nullcontext(self._yours)

    def prepare(self) -> None:
        """Read settings and certificates ahead of the first call. Contacts nothing."""
        load(_STREAM)
        setup = self._setup_or_none() or self._make()
        with self._connections.acquire(setup.route):
            pass

    def close(self) -> None:
        """Close the connections; those in use, after their calls. A later call opens new ones."""
        self._connections.close()
        if (own := self._own_chain) is not None:
            own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BlockingIO:
    """The I/O of one call: each operation blocks and returns its result.

    Args:
        lease: leases an httpx client to one attempt.
        sleep: waits.
    """

    def __init__(
        self,
        lease: Callable[[ConnectionRoute], AbstractContextManager[httpx.Client]],
        sleep: Callable[[float], None],
    ) -> None:
        self._new_lease, self.sleep = lease, sleep
        self._lease: AbstractContextManager[httpx.Client] | None = None
        self._body: ResponseBody | None = None

    def run_blocking(self, work: Callable[[], object]) -> object:
        """Do work that may block, and return its result."""
        return work()

    def send(self, state: CallState) -> httpx.Response | Exception:
        """Send the next attempt on a connection of its own. Return the response, with its body
        unread, or the error of httpx.
        """
        lease = self._new_lease(state.setup.route)
        http = lease.__enter__()
        self._lease = lease
        try:
            return http.send(
                state.request(http),
                auth=state.setup.auth,
                stream=True,
                follow_redirects=state.follow_redirects,
            )
        except escapes() as error:
            self.release(type(error))
            return error

    def body(self, response: httpx.Response) -> ResponseBody:
        """Return the body of a response, which `release` closes."""
        self._body = ResponseBody(response)
        return self._body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A GeneratorExit ends a dropped block; it interrupts nothing.
        self.release(None if kind is GeneratorExit else kind)

    def release(self, interruption: type[BaseException] | None = None) -> None:
        """Close the response. Give the connection back, or close it after an error."""
        body, lease, self._body, self._lease = self._body, self._lease, None, None
        try:
            if body is not None:
                body.close()
        except BaseException as error:
            interruption = type(error)
            raise
        finally:
            if lease is not None:
                lease.__exit__(interruption, None, None)
