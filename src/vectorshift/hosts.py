"""What can be told of a URL without contact: whether it can be the API's, and whether it is this very machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["api_url", "is_loopback", "url_without_password"]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address; no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def api_url(value: str) -> str:
    """Return the API's base URL without a slash at its end.

    Raises:
        ValueError: it cannot be one. The text of the error does not repeat it, as it may hold a password.
    """
    flaw = "should be a URL such as https://api.vectorshift.ai/v1"
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and url.hostname and url.port != 0 and value.isascii()
    except ValueError:
        good = False
    else:
        if url.username or url.password:
            good, flaw = False, "should hold no user name and no password; the key alone authenticates"
        elif url.query or url.fragment:
            good = False
    if not good:
        raise ValueError(flaw)
    return value.rstrip("/")


def url_without_password(value: str) -> str:
    """Return the URL of a store as it is; it is printed wherever the store is named.

    Raises:
        ValueError: it may hold a password. The text of the error does not repeat it.
    """
    if "@" in value:
        raise ValueError("should hold no user name and no password")
    return value
