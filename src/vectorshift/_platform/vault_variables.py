"""The standard variables of Vault and OpenBao, read as by their command lines: `BAO_X` comes before
`VAULT_X`, an agent's address before the server's.

Pure functions of an environment. No message shows the value of a variable.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from vectorshift._platform.urls import PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "OTHER_METHODS",
    "STANDARD",
    "TOKEN_HELPER",
    "StandardVariables",
    "VaultMethod",
    "fallbacks",
    "foreign_helper",
    "is_there",
    "standard_variables",
    "without_known_path",
]

_FAMILIES: Final = ("BAO_", "VAULT_")
_ADDRESSES: Final = ("AGENT_ADDR", "ADDR")
STANDARD: Final = {
    "addr": _ADDRESSES,
    "token": ("TOKEN",),
    "namespace": ("NAMESPACE",),
    "cacert": ("CACERT", "CACERT_BYTES", "CAPATH"),
    "client_cert": ("CLIENT_CERT",),
    "client_key": ("CLIENT_KEY",),
    "tls_server_name": ("TLS_SERVER_NAME",),
    "skip_verify": ("SKIP_VERIFY",),
    "proxy": ("PROXY_ADDR", "HTTP_PROXY"),
}
_CLASHES: Final = {
    "namespace": (
        "{} and {} name different namespaces. Set VECTORSHIFT_VAULT_NAMESPACE to the right one; "
        "root is the root namespace."
    ),
    "client_cert": (
        "{} and {} name different client certificates. Set VECTORSHIFT_VAULT_CLIENT_CERT to the "
        "right one."
    ),
    "client_key": (
        "{} and {} name different client keys. Set VECTORSHIFT_VAULT_CLIENT_KEY to the right one."
    ),
}
TOKEN_HELPER: Final = "~/.vault-token"

VaultMethod = Literal[
    "token", "approle", "kubernetes", "jwt", "userpass", "ldap", "aws", "cert", "agent"
]
OTHER_METHODS: Final = (
    "Set VECTORSHIFT_VAULT_AUTH to token, approle, kubernetes, jwt, userpass, ldap, aws, cert or "
    "agent. For other methods, run a Vault Agent or OpenBao Agent that logs in, and set agent."
)


def fallbacks(argument: str) -> tuple[str, ...]:
    """Return the variables that an argument of `VaultProvider` falls back to, in their order."""
    return tuple(family + name for name in STANDARD[argument] for family in _FAMILIES)


class StandardVariables(NamedTuple):
    """The standard variables to use for the arguments that were omitted.

    Args:
        used: the variable to read, by argument.
        flaws: messages about an ambiguous server, identity or namespace.
        helper_flaw: why the token of `~/.vault-token`, the last choice, must not be sent to the
            server; or None.
        ignored: pairs of a variable that is used and a different one that is ignored.
    """

    used: Mapping[str, str]
    flaws: list[str]
    helper_flaw: str | None
    ignored: tuple[tuple[str, str], ...]


def standard_variables(
    environ: Mapping[str, str], given: Mapping[str, object]
) -> StandardVariables:
    """Return the variables to use, and those that contradict each other.

    Args:
        environ: the environment.
        given: the arguments that were passed, by name.
    """
    address = given.get("addr")
    # a named token file wins over a token, and other methods need neither
    own_token = given.keys() & {"token", "token_file"} or given.get("auth", "token") != "token"
    used = {
        argument: name
        for argument in STANDARD
        if argument not in given and not (argument == "token" and own_token)
        if (name := _find(environ, argument))
    }
    # A user who names a CA wants the certificate to be checked.
    unchecked = used.pop("skip_verify", None) if given.get("cacert") else None
    found = [
        text.format(*pair)
        for which, text in _CLASHES.items()
        if which not in given and _differ(environ, *(pair := fallbacks(which)))
    ]
    if address is None and (servers := _two_servers(environ)):
        found.insert(
            0,
            "{} and {} name different servers. Set VECTORSHIFT_VAULT_ADDR to the one that holds the"
            " key.".format(*servers),
        )
    helper_flaw = None
    if not own_token:
        token = used.get("token")
        if _differ(environ, *fallbacks("token")):
            found.append(
                "{} and {} hold different tokens. Set VECTORSHIFT_VAULT_TOKEN to the right one, "
                "or name its file with VECTORSHIFT_VAULT_TOKEN_FILE.".format(*fallbacks("token"))
            )
        elif address is not None and token:
            family = _family_addresses(environ, token.partition("_")[0] + "_")
            if flaw := _foreign(token, family, str(address)):
                found.append(flaw)
        elif address is not None:
            helper_flaw = foreign_helper(environ, str(address))
    ignored = [
        (used[argument], vault)
        for argument in ("cacert", "tls_server_name", "skip_verify", "proxy")
        for bao, vault in [fallbacks(argument)[:2]]
        if used.get(argument) == bao and _differ(environ, bao, vault)
    ]
    if unchecked:
        ignored.append(("VECTORSHIFT_VAULT_CACERT", unchecked))
    return StandardVariables(
        used=used, flaws=found, helper_flaw=helper_flaw, ignored=tuple(ignored)
    )


def foreign_helper(environ: Mapping[str, str], address: str) -> str | None:
    """Return why the token of `~/.vault-token` must not be sent to this address, or None."""
    both = {**_addresses(environ, "VAULT_"), **_addresses(environ, "BAO_")}
    return _foreign(TOKEN_HELPER, both, address)


def without_known_path(address: str) -> str:
    """Return an address without the path of the API or of the user interface."""
    return re.sub(r"(?<![:/])/+(v1|ui(/[^?#]*)?)?/*$", "", address.strip())


def is_there(path: str) -> bool:
    """Return whether there is a file with this name."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError):  # no permission; no home
        return False


def _find(environ: Mapping[str, str], argument: str) -> str | None:
    return next((name for name in fallbacks(argument) if _value(environ, name)), None)


def _foreign(token: str, addresses: Mapping[str, str], address: str) -> str | None:
    """Return an error message if a token is for another server than `address`, or None."""
    if not addresses or _normalised(address) in addresses.values():
        return None
    other = next(iter(addresses))
    return (
        f"VECTORSHIFT_VAULT_ADDR and {other} name different servers, and the token of {token} is"
        f" for that of {other}. Set VECTORSHIFT_VAULT_TOKEN or VECTORSHIFT_VAULT_TOKEN_FILE."
    )


def _differ(environ: Mapping[str, str], bao: str, vault: str) -> bool:
    one, other = _value(environ, bao), _value(environ, vault)
    if bao == "BAO_NAMESPACE":  # if empty, it is the root namespace for OpenBao's command line
        return bool(other) and bao in environ and one.strip("/") != other.strip("/")
    return bool(one and other) and one != other


def _two_servers(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return two variables that name different servers, or None.

    An agent is in front of its server. So the two families agree if the address in force in one of
    them is any address of the other.
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
    """Return the addresses that a family's token is for: its own. Those of the other family are
    added if it has none, or if they agree.
    """
    own, other = (
        _addresses(environ, family),
        _addresses(environ, next(each for each in _FAMILIES if each != family)),
    )
    if not own or set(own.values()) & set(other.values()):
        return {**own, **other}
    return own


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _normalised(address: str) -> str:
    """Return an address for comparison: host in lower case, without the scheme's default port and a
    final slash.
    """
    address = without_known_path(address)
    try:
        url = urlsplit(address)
        host, port = (url.hostname or "").rstrip("."), url.port
    except ValueError:
        return address
    if port in (None, PORTS.get(url.scheme)):
        return f"{url.scheme}://{host}{url.path}"
    return f"{url.scheme}://{host}:{port}{url.path}"
