"""Check URLs without contact: can it be the API's, and is it this machine?"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

__all__ = [
    "DIRECT",
    "api_url",
    "has_control_characters",
    "in_the_clear",
    "is_loopback",
    "origin",
    "url_without_password",
    "wrong_api",
]


DIRECT = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that use no proxy of the environment, so that plain HTTP stays on it."""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address; no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def api_url(value: str) -> str:
    """Return the API's base URL without a slash at its end, and without white space around it.

    Raises:
        ValueError: it cannot be one. The text of the error does not repeat it, as it may hold a
            password.
    """
    value, flaw = value.strip(), "should be a URL such as https://api.vectorshift.ai/v1"
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        if "[" in url.netloc:
            ipaddress.IPv6Address(host)  # as urlsplit itself does from Python 3.11.4 on
        good = url.scheme in ("http", "https") and url.port != 0 and _can_be_a_host(host)
    except ValueError:
        good = False
    else:
        if url.username or url.password:
            good, flaw = (
                False,
                "should have no user name and no password: the key authenticates",
            )
    if not good or len(value) > _LONGEST_URL or not _is_before_a_query(value):
        raise ValueError(flaw)
    return value.rstrip("/")


_LONGEST_URL = 2048
_LONGEST_HOST = 255
_NAME = r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?"


def _is_before_a_query(value: str) -> bool:
    return _is_plain(value) and not any(each in value for each in " ?#")


def _can_be_a_host(host: str) -> bool:
    """Return whether a host can be looked up. httpx would refuse others only at a call."""
    is_of_numbers = host.count(".") == 3 and host.replace(".", "").isdecimal()
    if ":" in host or is_of_numbers:
        ipaddress.ip_address(host)
        return True
    return bool(re.fullmatch(_NAME, host))


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL: what a key is bound to."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    usual = (parts.scheme, port) in (("https", 443), ("http", 80))
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if usual else f':{port}'}"


def has_control_characters(value: str) -> bool:
    """Return whether a text has a line break, a tab, or another character that no name has.

    Those that change the direction of a text make it look like another (CVE-2021-42574).
    """
    odd = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
    return not _is_plain(value) and bool(re.search(odd, value))


def _is_plain(value: str) -> bool:
    """Return whether a text is of printable ASCII. Compiling a pattern costs a first call more."""
    return value.isascii() and value.isprintable()


def in_the_clear(host: str) -> str:
    """Return why a key is not sent to this host: it is another machine, over plain HTTP."""
    return (
        f"The API key is not sent over plain HTTP to {host}. Use https. If the network itself "
        "encrypts, set VECTORSHIFT_ALLOW_HTTP=1."
    )


def wrong_api(source: str, bound_to: str | None, url: str) -> str:
    """Return why a key is not sent to this URL: it is bound to another origin. Else nothing."""
    if bound_to is None or origin(bound_to) == origin(url):
        return ""
    return (
        f"The key of {source} is for {bound_to}, and is not sent to {origin(url)}. Use a key of"
        " that API, or correct the base URL."
    )


def url_without_password(value: str) -> str:
    """Return the URL of a store as it is; it is printed wherever the store is named.

    Raises:
        ValueError: it may hold a password. The text of the error does not repeat it.
    """
    if "@" in value:
        raise ValueError("should have no user name and no password")
    longest = _LONGEST_URL if "://" in value else _LONGEST_HOST
    if has_control_characters(value) or "-----BEGIN" in value or len(value) > longest:
        raise ValueError("should be a URL. Its value is not shown")
    return value
