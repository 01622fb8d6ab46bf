"""The arguments of a `VaultProvider`, and the standard variables that some of them fall back to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field as dataclass_field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from vectorshift._platform.arguments import UNSET, check, text_with_arguments
from vectorshift._platform.vault_variables import STANDARD, fallbacks, standard_variables
from vectorshift.credentials.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from vectorshift.settings import Settings

__all__ = ["ARGUMENTS", "VaultArguments", "VaultSetup", "sources_of", "with_variables"]

_PREFIX: Final = "VECTORSHIFT_VAULT_"

_FILES: Final = (
    *("cacert", "client_cert", "client_key"),
    *("token_file", "secret_id_file", "password_file", "jwt_file"),
)
_SECRETS: Final = ("token", "secret_id", "password", "jwt", "proxy")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(_SECRETS, (str, Secret)),
    **dict.fromkeys(_FILES, (str, os.PathLike)),
    **dict.fromkeys(("skip_verify", "allow_http", "secret_id_wrapped"), (bool,)),
    **dict.fromkeys(("kv_version", "version"), (object,)),
}
"""The types of the arguments that are not strings. Numbers are checked at the first read."""

_NEVER_BLANK: Final = frozenset(
    [
        *("addr", "tls_server_name", "auth_mount"),
        *("token_file", "role", "role_id", "secret_id_file", "creation_path"),
        *("username", "password_file", "jwt_file", "aws_server_id"),
    ]
)
"""Arguments that must not be blank. For others, such as a namespace, blank means "none"."""

_BOOLEANS: Final = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VaultArguments:
    """The arguments of a `VaultProvider`; see there. None means that an argument was not given."""

    path: str
    mount: str
    field: str
    kv_version: int
    version: int | None
    addr: str | None
    namespace: str | None
    cacert: str | None
    client_cert: str | None
    client_key: str | None
    tls_server_name: str | None
    skip_verify: bool | None
    allow_http: bool
    proxy: Secret | None
    auth: str
    auth_mount: str | None
    auth_namespace: str | None
    token: Secret | None
    token_file: str | None
    role: str | None
    role_id: str | None
    secret_id: Secret | None
    secret_id_file: str | None
    secret_id_wrapped: bool
    creation_path: str | None
    username: str | None
    password: Secret | None
    password_file: str | None
    jwt: Secret | None
    jwt_file: str | None
    aws_server_id: str | None

    @classmethod
    def checked(cls, **arguments: Any) -> Self:
        """Return the checked arguments of the constructor. `UNSET` means that one was not given.

        Raises:
            TypeError: an argument is None, or of another type.
            ValueError: an argument is blank that must not be.
        """
        for name, value in arguments.items():
            check({name: value}, *_TYPES.get(name, (str,)))
            if name in _NEVER_BLANK and value is not UNSET and not str(value).strip():
                raise ValueError(f"{name} must not be blank. Leave it out for its default.")
        values: dict[str, Any] = {
            name: None if value is UNSET else value for name, value in arguments.items()
        }
        return cls(**values)

    @classmethod
    def in_settings(cls, settings: Settings) -> dict[str, Any]:
        """Return the arguments that are in the settings, by name."""
        found = {each.name: getattr(settings, f"vault_{each.name}") for each in fields(cls)}
        return {name: value for name, value in found.items() if value not in (None, "")}

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that were given, by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


ARGUMENTS: Final = tuple(each.name for each in fields(VaultArguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSetup:
    """The arguments in force, and how messages name them.

    Args:
        arguments: the arguments, completed from standard variables.
        in_code: whether messages name arguments and variables, instead of settings.
        flaw: the reason why nothing may be sent, or None.
        sources: the variables that arguments were taken from, by argument.
        ignored: pairs of a variable that is used and a different one that is ignored.
    """

    arguments: VaultArguments
    in_code: bool = False
    flaw: str | None = None
    sources: Mapping[str, str] = dataclass_field(default_factory=dict[str, str])
    ignored: tuple[tuple[str, str], ...] = ()

    @property
    def own_addr(self) -> str | None:
        """The server's address, or None if it is from a variable."""
        return None if "addr" in self.sources else self.arguments.addr

    def spell(self, text: str) -> str:
        """Return a message that names arguments, variables or settings as the user gave them."""
        if self.in_code:
            return text_with_arguments(text, _PREFIX, self.sources)
        names = {_PREFIX + name.upper(): variable for name, variable in self.sources.items()}
        return re.sub(rf"{_PREFIX}[A-Z_]*[A-Z]", lambda each: names.get(each[0], each[0]), text)


def sources_of(given: VaultArguments, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the standard variables that the settings took arguments from, by argument."""

    def is_source(variable: str, value: object) -> bool:
        text = environ.get(variable, "").strip()
        if isinstance(value, bool):
            return _BOOLEANS.get(text.lower()) is value
        return text == (value.reveal() if isinstance(value, Secret) else value)

    found = {
        name: next((each for each in fallbacks(name) if is_source(each, value)), None)
        for name, value in given.given.items()
        if name in STANDARD and not environ.get(_PREFIX + name.upper())
    }
    return {name: variable for name, variable in found.items() if variable}


def with_variables(given: VaultArguments, environ: Mapping[str, str]) -> VaultSetup:
    """Return the setup of a provider made in code. Variables supply its missing arguments."""
    found = standard_variables(environ, given.given)
    if found.flaws:  # if the variables are ambiguous, none is used
        return VaultSetup(arguments=given, in_code=True, flaw=" ".join(found.flaws))
    values: dict[str, Any] = {name: environ[found.used[name]].strip() for name in found.used}
    flaw = None
    values |= {name: Secret(values[name]) for name in ("token", "proxy") if name in values}
    if "skip_verify" in values:
        word = values["skip_verify"].lower()
        values["skip_verify"] = _BOOLEANS.get(word, False)
        flaw = None if word in _BOOLEANS else f"{found.used['skip_verify']} must be 1 or 0."
    return VaultSetup(
        arguments=replace(given, **values),
        in_code=True,
        flaw=flaw,
        sources=found.used,
        ignored=found.ignored,
    )
