"""Which provider stands behind a name, and what lies near when none of them has a key."""

from __future__ import annotations

import difflib
import os
from importlib import import_module
from typing import TYPE_CHECKING

from vectorshift.errors import CredentialConfigurationError, CredentialNotFoundError
from vectorshift.providers.answering import Answer, AnsweringProvider, Ask
from vectorshift.providers.unconfigured import UnconfiguredProvider

if TYPE_CHECKING:
    from vectorshift.providers.base import CredentialProvider
    from vectorshift.providers.explicit import ExplicitProvider
    from vectorshift.settings import Settings

__all__ = ["DEFAULT_ORDER", "Neighbours", "providers_of"]

DEFAULT_ORDER = ("explicit", "env", "dotenv", "vault", "aws")

_BUILT_IN = {
    "explicit": ("vectorshift.providers.explicit", "ExplicitProvider"),
    "env": ("vectorshift.providers.env", "EnvProvider"),
    "dotenv": ("vectorshift.providers.dotenv", "DotenvProvider"),
    "vault": ("vectorshift.providers.vault", "VaultProvider"),
    "aws": ("vectorshift.providers.aws", "AwsSecretsManagerProvider"),
    "login": ("vectorshift.providers.login", "LoginProvider"),
}
_LOCATORS = {
    "dotenv": "VECTORSHIFT_ENV_FILE is set to nothing",
    "vault": "VECTORSHIFT_VAULT_PATH is not set",
    "aws": "VECTORSHIFT_AWS_SECRET_ID is not set",
}

_LONGEST_NAME = 24
_LOGIN = "~/.vectorshift/config.toml"


def providers_of(settings: Settings, explicit: ExplicitProvider | None = None) -> tuple[CredentialProvider, ...]:
    """Return the providers that the settings name, in order; explicit assignment is always first.

    Raises:
        CredentialConfigurationError: a name that there is not, or one that is there twice.
    """
    names: list[str] = []
    for name in settings.providers:
        names.extend(DEFAULT_ORDER if name == "default" else (name,))
    rest = [name for name in names if name != "explicit"]
    for name in rest:
        _check(name, rest)
    first = explicit if explicit is not None else _built("explicit", settings)
    return (first, *(_built(name, settings) for name in rest))


def _built(name: str, settings: Settings) -> CredentialProvider:
    module, cls = _BUILT_IN[name]
    provider: CredentialProvider | None = getattr(import_module(module), cls).from_settings(settings)
    return UnconfiguredProvider(name, _LOCATORS[name]) if provider is None else provider


def _check(name: str, names: list[str]) -> None:
    if name not in _BUILT_IN:
        near = difflib.get_close_matches(name.lower(), [*_BUILT_IN, "default"], n=1)
        meant = f" Did you mean {near[0]}?" if near else f" There are: default, {', '.join(_BUILT_IN)}."
        shown = repr(name) if len(name) <= _LONGEST_NAME else "a provider"  # what is longer may be a key
        raise CredentialConfigurationError(f"VECTORSHIFT_PROVIDERS names {shown}, which there is not.{meant}")
    if names.count(name) > 1:
        standing = f" 'default' stands for {', '.join(DEFAULT_ORDER)}." if name in DEFAULT_ORDER else ""
        raise CredentialConfigurationError(f"VECTORSHIFT_PROVIDERS names {name!r} twice.{standing}")


class Neighbours(AnsweringProvider):
    """Answer *not found* with a sentence about what lies near: asked last, when no provider has a key.

    Args:
        named: the names of the chain's members.
    """

    name = "neighbours"
    remote = False

    def __init__(self, named: tuple[str, ...] = ()) -> None:
        self._named = named

    def lookup(self, ask: Ask) -> Answer:
        """Look around."""
        words = ""
        if "login" not in self._named and os.path.isfile(os.path.expanduser(_LOGIN)):  # noqa: PTH111, PTH113  # pathlib would raise
            words = (
                f"Nearby: {_LOGIN}, where the official CLI keeps a key. VECTORSHIFT_PROVIDERS=default,login reads it."
            )
        return CredentialNotFoundError(words)
