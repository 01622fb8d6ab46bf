"""The clients of calls that name none, and what sets, warms, closes and forgets them."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

from vectorshift._platform.arguments import UNSET, Unset
from vectorshift._platform.forks import renew_after_fork
from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.scope.current import DEFAULT_SCOPE, aget_credential, get_credential

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = [
    "PinnedClients",
    "aclose",
    "async_client",
    "awarm_up",
    "close",
    "configure",
    "configured_client",
    "reset",
    "sync_client",
    "warm_up",
]


class _Clients:
    """The clients that were handed in, and those that were made in their place and are closed
    here.
    """

    def __init__(self) -> None:
        self.given_sync: VectorShift | None = None
        self.given_async: AsyncVectorShift | None = None
        self.sync: VectorShift | None = None
        self.asynchronous: AsyncVectorShift | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.RLock()  # a signal handler may come here while its thread is in here

    def forget_made(self) -> None:
        """Close the sync client that was made, and leave the async one to its event loops."""
        with self.lock:
            made, self.sync, self.asynchronous = self.sync, None, None
        if made is not None:
            made.close()


_clients = _Clients()
C = TypeVar("C", bound="VectorShift | AsyncVectorShift")


def sync_client(client: VectorShift | None = None) -> VectorShift:
    """Return the client that a sync call uses: the one it names, else that of the process."""
    given = _configured(asynchronous=False) if client is None else client
    try:
        if given is not None:
            return _checked(given, VectorShift, "A sync call")
    finally:
        del client, given  # a traceback may show locals, and it may be a key
    with _clients.lock:
        if _clients.sync is None:
            _clients.sync = VectorShift()
        return _clients.sync


def async_client(client: AsyncVectorShift | None = None) -> AsyncVectorShift:
    """Return the client that an async call uses: the one it names, else that of the process."""
    given = _configured(asynchronous=True) if client is None else client
    try:
        if given is not None:
            return _checked(given, AsyncVectorShift, "An async call")
    finally:
        del client, given
    with _clients.lock:
        if _clients.asynchronous is None:
            _clients.asynchronous = AsyncVectorShift()
        return _clients.asynchronous


def configured_client(*, asynchronous: bool) -> VectorShift | AsyncVectorShift | None:
    """Return the client that was configured for calls of this kind, sync or async, that name none,
    or None.
    """
    return _clients.given_async if asynchronous else _clients.given_sync


def _configured(*, asynchronous: bool) -> Any:
    """Return what `configured_client` does, unless it would stand for a key of the process where
    there is to be none.
    """
    client = configured_client(asynchronous=asynchronous)
    if client is not None:
        DEFAULT_SCOPE.refuse_client(client)
    return client


def _checked(client: C, kind: type[C] | tuple[type[C], ...], what: str) -> C:
    if not isinstance(cast("object", client), kind):
        names = " or ".join(
            each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,))
        )
        other = type(client).__name__
        del client  # a traceback may show locals, and it may be a key
        raise TypeError(f"{what} takes an instance of {names} as client=, not of {other}.")
    return client


class PinnedClients:
    """Clients as they are when this is made: whatever block is left or entered, and whatever is
    configured, later.

    It has the client that is named, for sync or async calls, by its type; else those of the
    process, for both. What is kept is the source of the key: another key in it,
    `vectorshift.api_key` included, is a rotated one and is followed.

    Args:
        client: the client that is named, or None.
    """

    __slots__ = ("_asynchronous", "_sync")

    def __init__(self, client: VectorShift | AsyncVectorShift | None) -> None:
        if client is None:
            self._sync: Any = sync_client().pinned()
            self._asynchronous: Any = async_client().pinned()
        else:
            try:
                checked = _checked(client, (VectorShift, AsyncVectorShift), "A call")
            finally:
                del client  # a traceback may show locals, and it may be a key
            self._sync = self._asynchronous = checked.pinned()

    @property
    def sync(self) -> VectorShift:
        """The client for sync calls. Raises TypeError if one for async calls was named."""
        return sync_client(self._sync)

    @property
    def asynchronous(self) -> AsyncVectorShift:
        """The client for async calls. Raises TypeError if one for sync calls was named."""
        return async_client(self._asynchronous)


def configure(
    *,
    settings: Settings | Unset = UNSET,
    credentials: Any = UNSET,
    client: VectorShift | AsyncVectorShift | Unset = UNSET,
    require_using: bool | Unset = UNSET,
) -> None:
    """Set what calls use that name no client. What is not given stays as it is. Thread-safe.

    None is not accepted for any of these: a look-up that failed must not reach the key of the
    process. `reset()` forgets what was set.

    Args:
        settings: in place of those of the environment.
        credentials: a key, a sync or async callable that returns one, or any provider, in place
            of the chain.
        client: the client for sync or for async calls, by its type; you close it.
        require_using: whether calls outside a `using` block raise CredentialConfigurationError,
            unless they name a client with credentials of its own. Wins over
            `VECTORSHIFT_REQUIRE_USING`.

    Raises:
        TypeError: an argument is of another type, or None.
    """
    wrong = None
    given, required = cast("object", client), cast("object", require_using)
    if not isinstance(given, VectorShift | AsyncVectorShift | Unset):
        wrong = (
            f"client should be a VectorShift or an AsyncVectorShift, not {type(client).__name__}."
        )
    elif settings is not UNSET and not hasattr(settings, "load_timeout"):
        wrong = f"settings should be Settings(...), not {type(settings).__name__}."
    elif not isinstance(required, bool | Unset):
        wrong = f"require_using should be True or False, not {type(require_using).__name__}."
    if wrong is not None:
        del credentials, client, given  # a traceback may show locals
        raise TypeError(wrong)
    try:
        DEFAULT_SCOPE.configure(
            None if isinstance(settings, Unset) else settings,
            credentials,
            None if isinstance(require_using, Unset) else require_using,
        )
    finally:
        del credentials  # a traceback may show locals
    if isinstance(client, VectorShift):
        _clients.given_sync = client
    elif isinstance(client, AsyncVectorShift):
        _clients.given_async = client
    if not isinstance(client, Unset) and client.has_own_credentials:
        DEFAULT_SCOPE.warn_of_api_key(again=True)
    if (
        settings is not UNSET or client is not UNSET
    ):  # what was made before has the old base URL or is not used
        _clients.forget_made()


def reset() -> None:
    """Forget settings, credentials and clients; the next call reads the environment anew. `api_key`
    stays.
    """
    _clients.given_sync = _clients.given_async = None
    _clients.forget_made()
    DEFAULT_SCOPE.reset()


def warm_up() -> None:
    """Import, read and resolve what the first sync call needs, ahead of it. Raises as
    `get_credential`.
    """
    sync_client().prepare()
    get_credential()


async def awarm_up() -> None:
    """Import, read and resolve what the first async call needs, ahead of it. Raises as
    `get_credential`.
    """
    await aget_credential()
    await async_client().aprepare()


def close() -> None:
    """Close the connections of the sync client of the process. Runs at exit; a later call opens new
    ones.
    """
    made = _clients.sync
    if made is not None:
        made.close()


async def aclose() -> None:
    """Close the connections that the running event loop has in the async client of the process."""
    made = _clients.asynchronous
    if made is not None:
        await made.aclose()


DEFAULT_SCOPE.client = configured_client
atexit.register(close)
