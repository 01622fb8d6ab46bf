"""Proxies from the environment, and the hosts that are reached without one."""

from __future__ import annotations

import ipaddress
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

from vectorshift._platform.urls import DIRECT, PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["is_direct", "proxies_in", "variable_for", "variable_of"]

_SCHEMES: Final = ("http", "https", "all")
_ENTRY: Final = r"""(?x)
        (?:(?P<scheme>[a-z]+)://)?
        (?P<host>\[[^\]]*\](?:/\d+)?|[^\[\]:]*|[^\[\]:]*:[^\[\]:]*:[^\[\]]*)
        (?::(?P<port>\d+))?"""
"""An entry of NO_PROXY. Only an address in brackets, or one without a second colon, has a port."""


def proxies_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the URL of the proxy for each scheme that has one.

    Args:
        environment: the result of `urllib.request.getproxies`.
    """
    found = {scheme: environment.get(scheme, "") for scheme in _SCHEMES}
    return {
        scheme: url if "://" in url else f"http://{url}" for scheme, url in found.items() if url
    }


def variable_of(scheme: str) -> str:
    """Return the name of the variable that names the proxy for this scheme."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def variable_for(scheme: str, host: str, port: int | None) -> str:
    """Return the variable that names the proxy on the way to this origin, or an empty text."""
    found = getproxies()
    names = [variable_of(each) for each in (scheme, "all") if found.get(each)]
    if is_direct(found.get("no", ""), scheme, host, port):
        return ""
    return next((name for name in names if os.environ.get(name)), "")


@lru_cache(maxsize=256)
def is_direct(no_proxy: str, scheme: str, host: str, port: int | None) -> bool:
    """Return whether a request to this origin uses no proxy.

    Entries of NO_PROXY mean the same as in requests, curl and httpx2. A name, with or without a
    leading dot, covers itself and all names below it. Other forms are addresses, networks
    (10.0.0.0/8, fd00::/8), brackets, a port, a scheme, and `*` for everything. Any other entry
    excludes nothing. No name is resolved.

    A proxy would carry loopback traffic, with its key and in plain text, to another machine.
    """
    host, port = host.strip("[]").rstrip(".").lower(), port or PORTS.get(scheme)
    if host in DIRECT:
        return True
    entries = re.split(r"[,\s]+", no_proxy.lower())
    return any(_excludes(entry, scheme, host, port) for entry in entries if entry)


def _excludes(entry: str, scheme: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    found = re.fullmatch(_ENTRY, entry)
    if found is None:
        return False
    if found["scheme"] not in (None, "all", scheme) or found["port"] not in (None, str(port)):
        return False
    named = re.sub(r"[\[\]]", "", found["host"]).removeprefix("*").strip(".")
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(named) and f".{host}".endswith(f".{named}")
    try:
        network = ipaddress.ip_network(named.partition("%")[0], strict=False)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address in network or (mapped is not None and mapped in network)
