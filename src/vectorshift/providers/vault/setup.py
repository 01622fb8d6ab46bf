"""From the arguments of a `VaultProvider`, and the variables that stand in for those that were not
given, to the server, the login and the place of the secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vectorshift._platform.arguments import UNSET
from vectorshift._platform.vault_variables import find, flaws, foreign_helper, ignored
from vectorshift.credentials.values import Secret
from vectorshift.providers.vault.classify import SecretRef
from vectorshift.providers.vault.methods import choose_login
from vectorshift.providers.vault.transport import VaultServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.providers.vault.login import Login

__all__ = ["VaultSetup", "set_up"]

_WITH_FALLBACK: Final = (
    "addr",
    "token",
    "namespace",
    "cacert",
    "client_cert",
    "client_key",
    "skip_verify",
)
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSetup:
    """How a provider reads its secret.

    Args:
        server: where the server is.
        login: the way to a token.
        place: the secret, as messages name it.
        flaw: why nothing may be sent, or None.
        sources: the variable that an argument was taken from, by argument.
        ignored: pairs of a variable that counts and one that says something else.
    """

    server: VaultServer
    login: Login
    ref: SecretRef
    flaw: str | None
    sources: Mapping[str, str]
    ignored: tuple[tuple[str, str], ...] = ()


def set_up(arguments: Mapping[str, Any], environ: Mapping[str, str] | None) -> VaultSetup:
    """Return how a provider with these arguments reads its secret.

    Args:
        arguments: those of `VaultProvider`, by name.
        environ: the environment, for what was not given; None to read none.
    """
    given = {name: value for name, value in arguments.items() if value is not UNSET}
    if environ is None:
        return _made(given, flaw=None, sources={})
    # A named token file wins over a token, and other methods need neither.
    wants_token = given["auth"] == "token" and not ({"token", "token_file"} & given.keys())
    found = flaws(environ, given=given, wants_token=wants_token)
    if found:  # no value counts where it is not clear which one is meant
        return _made(given, flaw=" ".join(found), sources={})
    flaw: str | None = None
    sources: dict[str, str] = {}
    for name in _WITH_FALLBACK:
        variable = find(environ, name)
        if name in given or variable is None or (name == "token" and not wants_token):
            continue
        sources[name] = variable
        value = environ[variable].strip()
        if name == "token":
            given[name] = Secret(value)
        elif name == "skip_verify":
            given[name] = _BOOLEANS.get(value.lower(), False)
            flaw = None if value.lower() in _BOOLEANS else f"{variable} must be 1 or 0."
        else:
            given[name] = value
    addr = arguments["addr"]
    return _made(
        given,
        flaw=flaw,
        sources=sources,
        helper_flaw=None if addr is UNSET else foreign_helper(environ, addr),
        ignored=tuple(
            pair
            for name in ("cacert", "skip_verify")
            if name in sources and (pair := ignored(environ, name))
        ),
    )


def _made(
    given: Mapping[str, Any],
    *,
    flaw: str | None,
    sources: Mapping[str, str],
    helper_flaw: str | None = None,
    ignored: tuple[tuple[str, str], ...] = (),
) -> VaultSetup:
    server = VaultServer(
        addr=given.get("addr"),
        namespace=given.get("namespace"),
        cacert=given.get("cacert"),
        client_cert=given.get("client_cert"),
        client_key=given.get("client_key"),
        skip_verify=given.get("skip_verify", False),
        allow_http=given["allow_http"],
    )
    login = choose_login(
        given["auth"],
        mount=given.get("auth_mount"),
        token=given.get("token"),
        token_file=given.get("token_file"),
        role=given.get("role"),
        role_id=given.get("role_id"),
        secret_id=given.get("secret_id"),
        secret_id_file=given.get("secret_id_file"),
        secret_id_wrapped=given["secret_id_wrapped"],
        creation_path=given.get("creation_path"),
        jwt_file=given.get("jwt_file"),
        has_cert=given.get("client_cert") is not None,
        helper_flaw=helper_flaw,
    )
    ref = SecretRef(
        address=server.address,
        namespace=server.namespace or None,
        mount=given["mount"].strip("/"),
        path=given["path"].strip("/"),
        field=given["field"],
        kv_version=given["kv_version"],
        version=given["version"],
        auth=login.label,
    )
    return VaultSetup(
        server=server, login=login, ref=ref, flaw=flaw, sources=sources, ignored=ignored
    )
