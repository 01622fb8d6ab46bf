"""Check URLs without contact: whether one can be the API's, and whether a host is this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

__all__ = [
    "DIRECT",
    "PORTS",
    "api_url",
    "has_control_characters",
    "in_the_clear",
    "is_loopback",
    "origin",
    "url_without_password",
    "wrong_api",
]


DIRECT = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that never use a proxy, so that plain HTTP stays on the machine."""

PORTS = {"http": 80, "https": 443}
"""The port of a scheme where a URL names none."""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address, without DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def api_url(value: str) -> str:
    """Return the API's base URL without a final slash, and without white space around it.

    Raises:
        ValueError: it is not such a URL. The error does not repeat it, as it may hold a password.
    """
    value, flaw = value.strip(), "should be a URL such as https://api.vectorshift.ai/v1"
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        if "[" in url.netloc:
            ipaddress.IPv6Address(host)  # urlsplit itself does this since Python 3.11.4
        good = url.scheme in ("http", "https") and url.port != 0 and _can_be_a_host(host)
    except ValueError:
        good = False
    else:
        if url.username or url.password:
            good, flaw = (
                False,
                "should have no user name and no password: the key authenticates",
            )
    has_query = any(each in value for each in " ?#")
    if not good or has_query or len(value) > _LONGEST_URL or not _is_plain(value):
        raise ValueError(flaw)
    return value.rstrip("/")


_LONGEST_URL = 2048
_LONGEST_HOST = 255
_NAME = r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?"


def _can_be_a_host(host: str) -> bool:
    """Return whether a host can be looked up. httpx would reject others only at a call."""
    is_of_numbers = host.count(".") == 3 and host.replace(".", "").isdecimal()
    if ":" in host or is_of_numbers:
        ipaddress.ip_address(host)
        return True
    return bool(re.fullmatch(_NAME, host))


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL. A key is bound to them."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    usual = PORTS.get(parts.scheme)
    port = parts.port or usual
    shown = "" if port == usual else f":{port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{shown}"


def has_control_characters(value: str) -> bool:
    """Return whether a text has a line break, a tab, or another control character.

    Characters that change the direction of a text make it look different (CVE-2021-42574).
    """
    odd = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
    return not _is_plain(value) and bool(re.search(odd, value))


def _is_plain(value: str) -> bool:
    """Return whether a text is printable ASCII. No pattern: compiling one slows a first call."""
    return value.isascii() and value.isprintable()


def in_the_clear(host: str) -> str:
    """Return the message for a key that is not sent over plain HTTP to another machine."""
    return (
        f"The API key is not sent over plain HTTP to {host}. Use https. If the network itself "
        "encrypts, set VECTORSHIFT_ALLOW_HTTP=1."
    )


def wrong_api(source: str, bound_to: str | None, url: str) -> str:
    """Return why a key, bound to another origin, is not sent to this URL; else an empty text."""
    if bound_to is None or origin(bound_to) == origin(url):
        return ""
    return (
        f"The key of {source} is for {bound_to}, and is not sent to {origin(url)}. Use a key of"
        " that API, or correct the base URL."
    )


def url_without_password(value: str) -> str:
    """Return the URL of a store unchanged. Messages show it.

    Raises:
        ValueError: it may hold a password. The text of the error does not repeat it.
    """
    if "@" in value:
        raise ValueError("should have no user name and no password")
    longest = _LONGEST_URL if "://" in value else _LONGEST_HOST
    if has_control_characters(value) or "-----BEGIN" in value or len(value) > longest:
        raise ValueError("should be a URL. Its value is not shown")
    return value
