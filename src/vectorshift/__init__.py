"""The VectorShift Python SDK, with credentials done right.

    import vectorshift
    from vectorshift import Pipeline

    vectorshift.api_key = "vs-..."   # or nothing at all: the chain finds the key
    Pipeline.list()

Importing this reads nothing, contacts nothing, and imports next to nothing: each name is loaded at first use.
"""

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vectorshift.ambient import (
        aclose as aclose,
    )
    from vectorshift.ambient import (
        awarm_up as awarm_up,
    )
    from vectorshift.ambient import (
        close as close,
    )
    from vectorshift.ambient import (
        configure as configure,
    )
    from vectorshift.ambient import (
        reset as reset,
    )
    from vectorshift.ambient import (
        warm_up as warm_up,
    )
    from vectorshift.auth import CredentialAuth as CredentialAuth
    from vectorshift.cache import CachingProvider as CachingProvider
    from vectorshift.chain import ProviderChain as ProviderChain
    from vectorshift.client import (
        AsyncVectorShift as AsyncVectorShift,
    )
    from vectorshift.client import (
        VectorShift as VectorShift,
    )
    from vectorshift.context import (
        aget_credential as aget_credential,
    )
    from vectorshift.context import (
        get_credential as get_credential,
    )
    from vectorshift.context import (
        using as using,
    )
    from vectorshift.credentials import (
        Credential as Credential,
    )
    from vectorshift.credentials import (
        Secret as Secret,
    )
    from vectorshift.errors import (
        APIConnectionError as APIConnectionError,
    )
    from vectorshift.errors import (
        ApiConnectionError as ApiConnectionError,
    )
    from vectorshift.errors import (
        APIStatusError as APIStatusError,
    )
    from vectorshift.errors import (
        ApiStatusError as ApiStatusError,
    )
    from vectorshift.errors import (
        APITimeoutError as APITimeoutError,
    )
    from vectorshift.errors import (
        ApiTimeoutError as ApiTimeoutError,
    )
    from vectorshift.errors import (
        Attempt as Attempt,
    )
    from vectorshift.errors import (
        AuthenticationError as AuthenticationError,
    )
    from vectorshift.errors import (
        BadRequestError as BadRequestError,
    )
    from vectorshift.errors import (
        CredentialConfigurationError as CredentialConfigurationError,
    )
    from vectorshift.errors import (
        CredentialDeniedError as CredentialDeniedError,
    )
    from vectorshift.errors import (
        CredentialError as CredentialError,
    )
    from vectorshift.errors import (
        CredentialNotFoundError as CredentialNotFoundError,
    )
    from vectorshift.errors import (
        CredentialRevokedError as CredentialRevokedError,
    )
    from vectorshift.errors import (
        CredentialStoreUnavailableError as CredentialStoreUnavailableError,
    )
    from vectorshift.errors import (
        InternalServerError as InternalServerError,
    )
    from vectorshift.errors import (
        MissingCredentialError as MissingCredentialError,
    )
    from vectorshift.errors import (
        NotFoundError as NotFoundError,
    )
    from vectorshift.errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from vectorshift.errors import (
        RateLimitError as RateLimitError,
    )
    from vectorshift.errors import (
        UnprocessableEntityError as UnprocessableEntityError,
    )
    from vectorshift.errors import (
        VectorShiftAPIError as VectorShiftAPIError,
    )
    from vectorshift.errors import (
        VectorshiftApiError as VectorshiftApiError,
    )
    from vectorshift.errors import (
        VectorShiftError as VectorShiftError,
    )
    from vectorshift.errors import (
        VectorshiftError as VectorshiftError,
    )
    from vectorshift.events import (
        CredentialEvent as CredentialEvent,
    )
    from vectorshift.events import (
        on_event as on_event,
    )
    from vectorshift.explanation import (
        aexplain as aexplain,
    )
    from vectorshift.explanation import (
        explain as explain,
    )
    from vectorshift.pipeline import Pipeline as Pipeline
    from vectorshift.providers.aws import AwsSecretsManagerProvider as AwsSecretsManagerProvider
    from vectorshift.providers.base import CredentialProvider as CredentialProvider
    from vectorshift.providers.base import Description as Description
    from vectorshift.providers.dotenv import DotenvProvider as DotenvProvider
    from vectorshift.providers.env import EnvProvider as EnvProvider
    from vectorshift.providers.explicit import ExplicitProvider as ExplicitProvider
    from vectorshift.providers.login import LoginProvider as LoginProvider
    from vectorshift.providers.vault import VaultProvider as VaultProvider
    from vectorshift.report import (
        Report as Report,
    )
    from vectorshift.report import (
        SourceReport as SourceReport,
    )
    from vectorshift.settings import Settings as Settings
    from vectorshift.version import __version__ as __version__

    api_key: str | Secret | Callable[[], str | Secret | Awaitable[str | Secret | None] | None] | None

_HOMES = {
    "ambient": "aclose awarm_up close configure reset warm_up",
    "auth": "CredentialAuth",
    "cache": "CachingProvider",
    "chain": "ProviderChain",
    "client": "AsyncVectorShift VectorShift",
    "context": "aget_credential get_credential using",
    "credentials": "Credential Secret",
    "errors": (
        "APIConnectionError APIStatusError APITimeoutError ApiConnectionError ApiStatusError ApiTimeoutError Attempt "
        "AuthenticationError BadRequestError CredentialConfigurationError CredentialDeniedError CredentialError "
        "CredentialNotFoundError CredentialRevokedError CredentialStoreUnavailableError InternalServerError "
        "MissingCredentialError NotFoundError PermissionDeniedError RateLimitError UnprocessableEntityError "
        "VectorShiftAPIError VectorShiftError VectorshiftApiError VectorshiftError"
    ),
    "events": "CredentialEvent on_event",
    "explanation": "aexplain explain",
    "pipeline": "Pipeline",
    "providers.aws": "AwsSecretsManagerProvider",
    "providers.base": "CredentialProvider Description",
    "providers.dotenv": "DotenvProvider",
    "providers.env": "EnvProvider",
    "providers.explicit": "ExplicitProvider",
    "providers.login": "LoginProvider",
    "providers.vault": "VaultProvider",
    "report": "Report SourceReport",
    "settings": "Settings",
    "version": "__version__",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

_OFFICIAL = frozenset(
    [
        "Agent",
        "Chatbot",
        "File",
        "Form",
        "Integration",
        "KnowledgeBase",
        "Node",
        "Portal",
        "Table",
        "Tool",
        "Transformation",
        "VectorStore",
        "Workflow",
    ]
)

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


class _Key(str):
    """What `vectorshift.api_key` reads as: a string whose `repr` is masked. Assigning it restores what was there."""

    __slots__ = ("restores",)
    restores: object

    def __repr__(self) -> str:
        from vectorshift.credentials import fingerprint

        return f"'{fingerprint(str(self))}'"

    def __copy__(self) -> "_Key":
        return self

    def __deepcopy__(self, memo: object) -> "_Key":
        return self

    def __reduce__(self) -> "tuple[object, ...]":
        from vectorshift.credentials import Secret

        return Secret(str(self)).__reduce__()


class _Face(ModuleType):
    """The module itself: its `api_key` is live, and a mistyped assignment is an error."""

    @property
    def api_key(self) -> "str | None":
        """The key that a call would use now, as the chain gives it; None if no source has one.

        Assign a string, a callable of either colour, or None, which unsets it; `del` unsets it too. Reading asks
        as a call would, so it may block, and raises what a call would raise, other than for a missing key.
        """
        from vectorshift.context import api_key

        try:
            text = api_key()
        except AttributeError as error:  # the machinery of modules would take it for a missing name
            raise RuntimeError(f"reading vectorshift.api_key failed: {error}") from None
        if text is None:
            return None
        key = _Key(text)
        key.restores = self.__dict__["api_key"]
        return key

    @api_key.setter
    def api_key(self, value: object) -> None:
        if isinstance(value, _Key):
            value = value.restores
        elif isinstance(value, str):
            value = _Key(value)
            value.restores = value
        elif value is not None and not callable(value) and type(value).__name__ != "Secret":
            kind = type(value).__name__
            del value  # a traceback may show locals
            raise TypeError(f"vectorshift.api_key takes a string, a callable that returns one, or None, not {kind}.")
        self.__dict__["api_key"] = value
        ambient = getattr(sys.modules.get(f"{__name__}.context"), "AMBIENT", None)
        if ambient is not None:  # nothing is configured before that is imported
            ambient.warn_of_api_key()

    @api_key.deleter
    def api_key(self) -> None:
        self.__dict__["api_key"] = None

    def __setattr__(self, name: str, value: object) -> None:
        if name == "api_key" or name in _HOME or name[:1] == "_" or isinstance(value, ModuleType):
            try:
                super().__setattr__(name, value)
            finally:
                del value
            return
        del value  # a traceback may show locals, and it may be a key
        from difflib import get_close_matches

        near = get_close_matches(name, ["api_key", *__all__], n=1)
        raise AttributeError(
            f"vectorshift has no attribute {name!r} to set." + (f" Did you mean {near[0]!r}?" if near else "")
        )


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module

        value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _OFFICIAL:
        raise ImportError(f"{name} is not part of this package. docs/migrate.md says what is, and what to use instead.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})


globals().setdefault("api_key", None)  # a reload keeps it
sys.modules[__name__].__class__ = _Face
