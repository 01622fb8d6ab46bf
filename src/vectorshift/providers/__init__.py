"""The places where a key may live, a file each. Importing this package imports none of them."""

from __future__ import annotations

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from vectorshift.credentials.provider import CredentialProvider, Description
    from vectorshift.providers.aws import AwsSecretsManagerProvider
    from vectorshift.providers.dotenv import DotenvProvider
    from vectorshift.providers.env import EnvProvider
    from vectorshift.providers.explicit import ExplicitProvider
    from vectorshift.providers.login import LoginProvider
    from vectorshift.providers.vault import VaultProvider

__all__ = [
    "AwsSecretsManagerProvider",
    "CredentialProvider",
    "Description",
    "DotenvProvider",
    "EnvProvider",
    "ExplicitProvider",
    "LoginProvider",
    "VaultProvider",
]

_HOME = {
    "AwsSecretsManagerProvider": "providers.aws",
    "CredentialProvider": "credentials.provider",
    "Description": "credentials.provider",
    "DotenvProvider": "providers.dotenv",
    "EnvProvider": "providers.env",
    "ExplicitProvider": "providers.explicit",
    "LoginProvider": "providers.login",
    "VaultProvider": "providers.vault",
}


if not TYPE_CHECKING:  # a checker is to find a mistyped name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"vectorshift.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
