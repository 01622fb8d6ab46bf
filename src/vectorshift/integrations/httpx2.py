"""`httpx2_auth`: the chain's key for clients of httpx2, the successor of httpx, which other SDKs
use.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from vectorshift._platform import public
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.credentials.values import masked
from vectorshift.transport.auth import KeyFlow

if TYPE_CHECKING:
    import httpx2

__all__ = ["httpx2_auth"]


def httpx2_auth(
    provider: object, *, origin: str, allow_http: bool = False, replace: bool = False
) -> public.httpx2.Auth:
    """Return the equivalent of `CredentialAuth` for clients of httpx2, whose classes differ from
    those of httpx.

    Threads and event loops may share it. Arguments are those of `CredentialAuth`. If an SDK sets
    `Authorization` itself, pass any text as its own key, and `replace=True` here.

    Raises:
        ImportError: httpx2 is not installed.
    """
    provider = masked(provider, CredentialProvider)
    made: Any = _kind()(provider, origin=origin, allow_http=allow_http, replace=replace)
    auth: httpx2.Auth = made
    return auth


@cache
def _kind() -> type[Any]:
    try:
        import httpx2
    except ModuleNotFoundError as error:
        if error.name != "httpx2":
            raise
        raise ImportError(
            "httpx2_auth is for clients of httpx2: pip install httpx2", name="httpx2"
        ) from None

    class Httpx2Auth(KeyFlow, httpx2.Auth):  # type: ignore[misc]
        """The flow of `CredentialAuth`, as an auth of httpx2."""

        unread = httpx2.RequestNotRead

    return Httpx2Auth
