"""`VectorShift`: the client of sync code."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from vectorshift._platform.clock import SYSTEM_CLOCK
from vectorshift.client.engine import CallState, settled
from vectorshift.client.handle import Handle
from vectorshift.client.sending import read, send
from vectorshift.client.stream import Stream
from vectorshift.client.uploads import load
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.transport.failures import AttemptFailure
from vectorshift.transport.http import httpx, new_pool
from vectorshift.transport.pool import Owner, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from typing_extensions import Self

    from vectorshift._platform.clock import WaitingClock
    from vectorshift.client.call import Call
    from vectorshift.client.uploads import Files
    from vectorshift.settings import Settings

__all__ = ["VectorShift"]


class VectorShift(Handle):
    """A client of the VectorShift API. Thread-safe and fork-safe; close it, or use it as a context
    manager.

    Args:
        credentials: a key, a sync or async callable that returns one, or any provider; None is none
            of these, so that a look-up of a tenant's key that fails reaches no other key. By
            default the credentials of the surrounding `using` block, else those that were
            configured, else the chain that the settings describe.
        settings: the settings; those of the process by default.
        base_url: in place of `VECTORSHIFT_BASE_URL`.
        timeout: seconds, in place of `VECTORSHIFT_TIMEOUT`.
        max_retries: how many attempts may follow the first, in place of `VECTORSHIFT_MAX_RETRIES`;
            0 for none.
        http_client: a client of yours, with its own transport, proxies and limits; you close it. It
            belongs to the process that uses it first: a forked child makes its own.
        clock: tells the time and waits between attempts.

    Raises:
        TypeError: `credentials` or `http_client` is none of these.
        ValueError: `base_url` is not a URL of an API, or a number is below what it can be.
    """

    def __init__(
        self,
        credentials: Any = DEFAULT_SCOPE,
        *,
        settings: Settings | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        http_client: httpx.Client | None = None,
        clock: WaitingClock = SYSTEM_CLOCK,
    ) -> None:
        try:
            super().__init__(
                credentials,
                settings,
                base_url,
                timeout,
                max_retries,
                http_client,
                httpx.Client,
                clock,
            )
        finally:
            del credentials  # a traceback may show locals
        self._yours = http_client
        self._owner = None if http_client is None else Owner.of(http_client)
        self._pool = Pool(lambda: new_pool(self.timeout, self.settings.ca_bundle), clock)

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
            files: files to send with a form, by field: each a path, bytes or an open binary file,
                or a tuple of its name, one of these and perhaps its media type. They are read whole
                before anything is sent.
            form: the fields of a form.
            headers: additional headers; an `Authorization` among them is sent instead of the key.
            timeout: seconds, for this call.

        Raises:
            VectorshiftApiError: the API answered, and not with success.
            ApiConnectionError: the API did not answer.
            CredentialError: no key could be had; `MissingCredentialError` is also an
                `AuthenticationError`.
            VectorshiftError: a file cannot be read; nothing was sent.
            TypeError: something that is given cannot be sent; nothing was.
        """
        return self.call(self._call_of(method, path, query, json, files, form, headers, timeout))

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
    ) -> AbstractContextManager[Stream]:
        """Make a call and give its answer as it comes, for a `with` block. Arguments and errors are
        those of `request`.

        Leaving the block before the end closes the connection. The call may be sent again until its
        answer begins.
        """
        return self.open(self._call_of(method, path, query, json, files, form, headers, timeout))

    def call(self, call: Call) -> Any:
        """Make a call that is described by a value. Raises as `request`."""
        call_state = self._call_state(call)
        outcome = self._attempt(call_state)
        if isinstance(outcome, AttemptFailure) and call_state.may_follow(outcome):
            outcome = self._again(call_state, outcome, self._attempt)
        return settled(outcome)

    @contextlib.contextmanager
    def open(self, call: Call) -> Generator[Stream, None, None]:
        """Make a call that is described by a value and give its answer as it comes. Raises as
        `request`.
        """
        call_state = self._call_state(call)
        with contextlib.ExitStack() as held:

            def attempt(call_state: CallState) -> Stream | AttemptFailure:
                held.close()
                response = send(held.enter_context(self._acquire()), call_state)
                if isinstance(response, AttemptFailure):
                    return response
                if not response.is_success:
                    return read(response, call_state)  # type: ignore[no-any-return]
                held.callback((stream := Stream(response, call_state)).close)
                return stream

            outcome = attempt(call_state)
            if isinstance(outcome, AttemptFailure) and call_state.may_follow(outcome):
                outcome = self._again(call_state, outcome, attempt)
            yield settled(outcome)

    def _call_state(self, call: Call) -> CallState:
        call_state = self._call_state_of(self._ready(), call)
        if call.files is not None:
            call_state.files = load(call.files)
        return call_state

    def _acquire(self) -> AbstractContextManager[httpx.Client]:
        if self._yours is None or self._owner is None:
            return self._pool.acquire()
        self._owner.check()
        return contextlib.nullcontext(self._yours)

    def _attempt(self, call_state: CallState) -> Any:
        with self._acquire() as http:
            response = send(http, call_state)
            return response if isinstance(response, AttemptFailure) else read(response, call_state)

    def _again(
        self, call_state: CallState, outcome: Any, attempt: Callable[[CallState], Any]
    ) -> Any:
        from vectorshift.client.retries import Retries

        retries = Retries(call_state)
        while (pause := retries.pause(outcome)) is not None:
            call_state.clock.sleep(pause)
            outcome = attempt(call_state)
        return outcome

    def prepare(self) -> None:
        """Do ahead what the first call would: read settings and certificates. Contacts nothing."""
        self._ready()
        with self._pool.acquire():
            pass

    def close(self) -> None:
        """Close the connections, those in use when their calls are done. A later call opens new
        ones.
        """
        self._pool.close()
        self._close_own()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
