"""The sources of keys, one module each. Importing this package imports none of them."""

from __future__ import annotations

from vectorshift._platform.importing import at_first_use

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

if not TYPE_CHECKING:  # type checkers must see mistyped names
    __getattr__ = at_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
