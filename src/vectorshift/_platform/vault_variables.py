"""The standard variables of Vault and OpenBao, as their command lines read them: `BAO_X` before
`VAULT_X`, an agent's address before the server's.

Pure functions of an environment. No value of a variable is in a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "TOKEN_HELPER",
    "fallbacks",
    "find",
    "flaws",
    "foreign_helper",
    "ignored",
    "is_there",
]

_FAMILIES: Final = ("BAO_", "VAULT_")
_ADDRESSES: Final = ("AGENT_ADDR", "ADDR")
_NAMES: Final = {
    "addr": _ADDRESSES,
    "token": ("TOKEN",),
    "namespace": ("NAMESPACE",),
    "cacert": ("CACERT",),
    "client_cert": ("CLIENT_CERT",),
    "client_key": ("CLIENT_KEY",),
    "skip_verify": ("SKIP_VERIFY",),
}
_CLASHES: Final = {
    "namespace": (
        "{} and {} name different namespaces. Set VECTORSHIFT_VAULT_NAMESPACE to the one that is"
        " meant; root is the root namespace."
    ),
    "client_cert": (
        "{} and {} name different client certificates. Set VECTORSHIFT_VAULT_CLIENT_CERT to the one"
        " that is meant."
    ),
    "client_key": (
        "{} and {} name different client keys. Set VECTORSHIFT_VAULT_CLIENT_KEY to the one that is"
        " meant."
    ),
}
TOKEN_HELPER: Final = "~/.vault-token"


def fallbacks(argument: str) -> tuple[str, ...]:
    """Return the variables that stand in for an argument of `VaultProvider`, in their order."""
    return tuple(family + name for name in _NAMES[argument] for family in _FAMILIES)


def find(environ: Mapping[str, str], argument: str) -> str | None:
    """Return the name of the variable that counts for an argument; None if none is set."""
    return next((name for name in fallbacks(argument) if _value(environ, name)), None)


def flaws(environ: Mapping[str, str], *, given: Mapping[str, str], wants_token: bool) -> list[str]:
    """Say where the variables do not tell which server, identity or namespace is meant.

    Args:
        environ: the environment.
        given: what was given and needs no variable, by argument; only the address's value is
            looked at.
        wants_token: whether the token of a variable would be used.
    """
    found = [_CLASHES[which].format(*pair) for which, pair in _clashes(environ, given)]
    address = given.get("addr")
    if address is None:
        pair = _two_servers(environ)
        if pair is not None:
            found.insert(
                0,
                f"{pair[0]} and {pair[1]} name different servers. Set VECTORSHIFT_VAULT_ADDR to the"
                " one that holds the key.",
            )
    if not wants_token:
        return found
    bao, vault = fallbacks("token")
    if _differ(environ, bao, vault):
        found.append(
            f"{bao} and {vault} hold different tokens. Set VECTORSHIFT_VAULT_TOKEN to the one that"
            " is meant, or name its file with VECTORSHIFT_VAULT_TOKEN_FILE."
        )
    elif address is not None and (token := find(environ, "token")):
        other = _other_server(_family_addresses(environ, token.partition("_")[0] + "_"), address)
        if other:
            found.append(_foreign(token, other))
    return found


def foreign_helper(environ: Mapping[str, str], address: str) -> str | None:
    """Say that the token in `~/.vault-token` is for another server than `address`; None if it may
    be used there.
    """
    addresses = {**_addresses(environ, "VAULT_"), **_addresses(environ, "BAO_")}
    other = _other_server(addresses, address)
    return _foreign(TOKEN_HELPER, other) if other else None


def ignored(environ: Mapping[str, str], argument: str) -> tuple[str, str] | None:
    """Return the variable that counts and the one that says something else and does not count."""
    used, other = fallbacks(argument)[-2:]
    return (used, other) if _differ(environ, used, other) else None


def is_there(path: str) -> bool:
    """Return whether there is a file of this name."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError):  # no permission; no home
        return False


def _foreign(token: str, other: str) -> str:
    return (
        f"VECTORSHIFT_VAULT_ADDR and {other} name different servers, and the token of {token} is"
        f" for that of {other}. Set VECTORSHIFT_VAULT_TOKEN or VECTORSHIFT_VAULT_TOKEN_FILE."
    )


def _clashes(
    environ: Mapping[str, str], given: Mapping[str, str]
) -> list[tuple[str, tuple[str, str]]]:
    pairs = {which: (f"BAO_{which.upper()}", f"VAULT_{which.upper()}") for which in _CLASHES}
    return [
        (which, pair)
        for which, pair in pairs.items()
        if which not in given and _differ(environ, *pair)
    ]


def _differ(environ: Mapping[str, str], bao: str, vault: str) -> bool:
    one, other = _value(environ, bao), _value(environ, vault)
    if bao == "BAO_NAMESPACE":  # set to nothing, it is the root namespace for OpenBao's command
        return bool(other) and bao in environ and one.strip("/") != other.strip("/")
    return bool(one and other) and one != other


def _two_servers(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the two variables that name different servers, if they do.

    An agent stands before its server: the two families agree if the address that counts in one of
    them is any of the other's.
    """
    bao, vault = (_addresses(environ, family) for family in _FAMILIES)
    if not bao or not vault:
        return None
    first, second = next(iter(bao)), next(iter(vault))
    if bao[first] in vault.values() or vault[second] in bao.values():
        return None
    return first, second


def _addresses(environ: Mapping[str, str], family: str) -> dict[str, str]:
    """Return the addresses of one family by variable, the agent's first."""
    names = [family + name for name in _ADDRESSES]
    return {name: _normalised(_value(environ, name)) for name in names if _value(environ, name)}


def _family_addresses(environ: Mapping[str, str], family: str) -> dict[str, str]:
    """Return the addresses that a family's token is for: its own, and those of the other family if
    it has none or they agree.
    """
    own, other = (
        _addresses(environ, family),
        _addresses(environ, next(each for each in _FAMILIES if each != family)),
    )
    if not own or set(own.values()) & set(other.values()):
        return {**own, **other}
    return own


def _other_server(addresses: Mapping[str, str], address: str) -> str | None:
    if not addresses or _normalised(address) in addresses.values():
        return None
    return next(iter(addresses))


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _normalised(address: str) -> str:
    """Return an address as it compares with others: in lower case where that makes no difference,
    without the scheme's own port and without a slash at its end.
    """
    address = address.strip().rstrip("/")
    try:
        url = urlsplit(address)
        host, port = (url.hostname or "").rstrip("."), url.port
    except ValueError:
        return address
    if port in (None, {"http": 80, "https": 443}.get(url.scheme)):
        return f"{url.scheme}://{host}{url.path}"
    return f"{url.scheme}://{host}:{port}{url.path}"
