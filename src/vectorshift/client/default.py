"""The default clients, for calls without `client=`: set, warm up, close and forget them."""

from __future__ import annotations

import atexit
import threading
from typing import Any, TypeVar, cast

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset
from vectorshift._platform.forks import renew_after_fork
from vectorshift.client import AsyncVectorShift, VectorShift
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.values import Secret, masked
from vectorshift.scope.current import DEFAULT_SCOPE, aget_credential, get_credential

__all__ = [
    "PinnedClients",
    "aclose",
    "async_client",
    "awarm_up",
    "close",
    "configure",
    "reset",
    "sync_client",
    "warm_up",
]


class _Clients:
    """The clients that were created because none was configured. Only these are closed here."""

    def __init__(self) -> None:
        self.sync: VectorShift | None = None
        self.asynchronous: AsyncVectorShift | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.RLock()  # a signal handler may come here while its thread is in here

    def forget(self) -> None:
        """Close the sync client. The event loops close the async one."""
        with self.lock:
            made, self.sync, self.asynchronous = self.sync, None, None
        if made is not None:
            made.close()


_clients = _Clients()
C = TypeVar("C", bound="VectorShift | AsyncVectorShift")


class PinnedClients:
    """Clients that later `configure()` or `using` cannot change.

    A client that is passed serves sync or async calls, by its type. Without one, the clients of the
    process serve both. The source of the key is pinned, not the key: a new key there, even in
    `vectorshift.api_key`, counts as rotated and is used.

    Args:
        client: the client that was passed, or None.
    """

    __slots__ = ("asynchronous", "sync")

    def __init__(self, client: VectorShift | AsyncVectorShift | None) -> None:
        client = masked(client)
        if client is None:
            self.sync: Any = sync_client().pinned()
            self.asynchronous: Any = async_client().pinned()
        else:
            checked = _checked(client, (VectorShift, AsyncVectorShift), "A call")
            self.sync = self.asynchronous = checked.pinned()


def sync_client(client: VectorShift | PinnedClients | None = None) -> VectorShift:
    """Return the client of a sync call: the one passed to it, else that of the process.

    Raises TypeError if an async client was passed.
    """
    client = masked(client)
    return _client(client, VectorShift, "sync")


def async_client(client: AsyncVectorShift | PinnedClients | None = None) -> AsyncVectorShift:
    """Return the client of an async call: the one passed to it, else that of the process.

    Raises TypeError if a sync client was passed.
    """
    client = masked(client)
    return _client(client, AsyncVectorShift, "asynchronous")


def _client(client: Any, kind: type[C], name: str) -> C:
    given = getattr(client, name) if isinstance(client, PinnedClients) else client
    if given is None:
        given = DEFAULT_SCOPE.target(asynchronous=name == "asynchronous")
    if given is not DEFAULT_SCOPE:
        what = "A sync call" if name == "sync" else "An async call"
        return _checked(given, (kind,), what)
    with _clients.lock:
        made: C = getattr(_clients, name) or kind()
        setattr(_clients, name, made)
    return made


def _checked(client: Any, kinds: tuple[type[C], ...], what: str) -> C:
    if not isinstance(client, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        other = "str" if isinstance(client, Secret) else type(client).__name__
        raise TypeError(f"{what} takes an instance of {names} as client=, not of {other}.")
    return client


def configure(
    *,
    settings: public.Settings | Unset = UNSET,
    credentials: Any = UNSET,
    client: VectorShift | AsyncVectorShift | Unset = UNSET,
    require_using: bool | Unset = UNSET,
) -> None:
    """Set what calls without `client=` use. Omitted arguments change nothing. Thread-safe.

    None is rejected for each of them: a failed look-up must not fall back to the key of the
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
    credentials, client = masked(credentials, CredentialProvider, Unset), masked(client)
    wrong = ""
    if not isinstance(cast("object", client), VectorShift | AsyncVectorShift | Unset):
        wrong = (
            f"client should be a VectorShift or an AsyncVectorShift, not {type(client).__name__}."
        )
    elif settings is not UNSET and not hasattr(settings, "load_timeout"):
        wrong = f"settings should be Settings(...), not {type(settings).__name__}."
    elif not isinstance(cast("object", require_using), bool | Unset):
        wrong = f"require_using should be True or False, not {type(require_using).__name__}."
    if wrong:
        raise TypeError(wrong)
    DEFAULT_SCOPE.configure(
        None if isinstance(settings, Unset) else settings,
        credentials,
        None if isinstance(require_using, Unset) else require_using,
    )
    if isinstance(client, VectorShift):
        DEFAULT_SCOPE.sync = client
    elif isinstance(client, AsyncVectorShift):
        DEFAULT_SCOPE.asynchronous = client
    if not isinstance(client, Unset) and client.has_own_credentials:
        DEFAULT_SCOPE.warn_of_api_key(again=True)
    # idle connections of the clients made before lead to the old base URL, or are no longer used
    if settings is not UNSET or client is not UNSET:
        _clients.forget()


def reset() -> None:
    """Forget settings, credentials and clients; the next call reads the environment again.
    `api_key` stays.
    """
    _clients.forget()
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
    if (made := _clients.sync) is not None:
        made.close()


async def aclose() -> None:
    """Close the connections that the running event loop has in the async client of the process."""
    if (made := _clients.asynchronous) is not None:
        await made.aclose()


atexit.register(close)
