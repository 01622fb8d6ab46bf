"""The VectorShift Python SDK, with credentials done right.

    import vectorshift
    from vectorshift import Pipeline

    vectorshift.api_key = "vs-..."   # or nothing at all: the chain finds the key
    Pipeline.list()

Importing this reads nothing, contacts nothing, and imports next to nothing: each name is loaded at
first use.
"""

import os
import sys
from types import ModuleType

from vectorshift._platform import slot as _slot
from vectorshift._platform.importing import load as _load

TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

    from vectorshift._platform.sse import ServerSentEvent as ServerSentEvent
    from vectorshift.cache.provider import CachingProvider as CachingProvider
    from vectorshift.chain.chain import ProviderChain as ProviderChain
    from vectorshift.client import (
        AsyncStream as AsyncStream,
        AsyncVectorShift as AsyncVectorShift,
        Stream as Stream,
        VectorShift as VectorShift,
    )
    from vectorshift.client.default import (
        aclose as aclose,
        awarm_up as awarm_up,
        close as close,
        configure as configure,
        reset as reset,
        warm_up as warm_up,
    )
    from vectorshift.credentials.events import (
        CredentialEvent as CredentialEvent,
        on_event as on_event,
    )
    from vectorshift.credentials.provider import (
        CredentialProvider as CredentialProvider,
        Description as Description,
    )
    from vectorshift.credentials.usage import metrics as metrics
    from vectorshift.credentials.values import (
        Credential as Credential,
        Secret as Secret,
    )
    from vectorshift.errors import (
        APIConnectionError as APIConnectionError,
        ApiConnectionError as ApiConnectionError,
        APIStatusError as APIStatusError,
        ApiStatusError as ApiStatusError,
        APITimeoutError as APITimeoutError,
        ApiTimeoutError as ApiTimeoutError,
        Attempt as Attempt,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        CredentialConfigurationError as CredentialConfigurationError,
        CredentialDeniedError as CredentialDeniedError,
        CredentialError as CredentialError,
        CredentialNotFoundError as CredentialNotFoundError,
        CredentialRevokedError as CredentialRevokedError,
        CredentialStoreUnavailableError as CredentialStoreUnavailableError,
        InternalServerError as InternalServerError,
        MissingCredentialError as MissingCredentialError,
        NotFoundError as NotFoundError,
        PermissionDeniedError as PermissionDeniedError,
        PipelineRunFailedError as PipelineRunFailedError,
        PollTimeoutError as PollTimeoutError,
        RateLimitError as RateLimitError,
        UnprocessableEntityError as UnprocessableEntityError,
        VectorShiftAPIError as VectorShiftAPIError,
        VectorshiftApiError as VectorshiftApiError,
        VectorShiftError as VectorShiftError,
        VectorshiftError as VectorshiftError,
    )
    from vectorshift.explanation.explain import aexplain as aexplain, explain as explain
    from vectorshift.explanation.report import Report as Report, SourceReport as SourceReport
    from vectorshift.integrations.httpx2 import httpx2_auth as httpx2_auth
    from vectorshift.pipeline import (
        BulkRunResult as BulkRunResult,
        Pipeline as Pipeline,
        PipelineList as PipelineList,
        RunHandler as RunHandler,
        RunResult as RunResult,
        RunStatus as RunStatus,
        StreamChunk as StreamChunk,
    )
    from vectorshift.providers.aws import AwsSecretsManagerProvider as AwsSecretsManagerProvider
    from vectorshift.providers.dotenv import DotenvProvider as DotenvProvider
    from vectorshift.providers.env import EnvProvider as EnvProvider
    from vectorshift.providers.explicit import ExplicitProvider as ExplicitProvider
    from vectorshift.providers.login import LoginProvider as LoginProvider
    from vectorshift.providers.vault import VaultProvider as VaultProvider
    from vectorshift.scope.current import (
        aget_credential as aget_credential,
        arefresh as arefresh,
        get_credential as get_credential,
        refresh as refresh,
        using as using,
    )
    from vectorshift.settings import Settings as Settings
    from vectorshift.settings.plugin import PluginSettings as PluginSettings
    from vectorshift.transport.auth import CredentialAuth as CredentialAuth
    from vectorshift.version import __version__ as __version__

    # reading gives `str | None`; assigning also takes a callable or a Secret: no type says both
    api_key: Any

_HOMES = {
    "client.default": "aclose awarm_up close configure reset warm_up",
    "transport.auth": "CredentialAuth",
    "cache.provider": "CachingProvider",
    "chain.chain": "ProviderChain",
    "client.async_": "AsyncVectorShift",
    "client.stream": "AsyncStream Stream",
    "client.sync": "VectorShift",
    "scope.current": "aget_credential arefresh get_credential refresh using",
    "credentials.values": "Credential Secret",
    "errors": (
        "APIConnectionError APIStatusError APITimeoutError ApiConnectionError ApiStatusError"
        " ApiTimeoutError Attempt AuthenticationError BadRequestError CredentialConfigurationError"
        " CredentialDeniedError CredentialError CredentialNotFoundError CredentialRevokedError"
        " CredentialStoreUnavailableError InternalServerError MissingCredentialError NotFoundError"
        " PermissionDeniedError PipelineRunFailedError PollTimeoutError RateLimitError"
        " UnprocessableEntityError VectorShiftAPIError VectorShiftError VectorshiftApiError"
        " VectorshiftError"
    ),
    "credentials.events": "CredentialEvent on_event",
    "credentials.usage": "metrics",
    "explanation.explain": "aexplain explain",
    "pipeline": "BulkRunResult Pipeline PipelineList RunHandler RunResult RunStatus StreamChunk",
    "settings.plugin": "PluginSettings",
    "providers.aws": "AwsSecretsManagerProvider",
    "credentials.provider": "CredentialProvider Description",
    "providers.dotenv": "DotenvProvider",
    "providers.env": "EnvProvider",
    "providers.explicit": "ExplicitProvider",
    "providers.login": "LoginProvider",
    "providers.vault": "VaultProvider",
    "explanation.report": "Report SourceReport",
    "settings": "Settings",
    "_platform.sse": "ServerSentEvent",
    "integrations.httpx2": "httpx2_auth",
    "version": "__version__",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


class _Key(str):
    """The value of `vectorshift.api_key`: a string whose `repr` is redacted. To assign it restores
    the value that was assigned before, such as a callable.
    """

    __slots__ = ("restores",)
    restores: object

    def __repr__(self) -> str:
        from vectorshift.credentials.values import fingerprint

        return f"'{fingerprint(str(self))}'"

    def __deepcopy__(self, memo: object = None) -> "_Key":
        return self

    __copy__ = __deepcopy__

    def __reduce__(self) -> "tuple[object, ...]":
        from vectorshift.credentials.values import Secret

        return Secret(str(self)).__reduce__()


class _Face(ModuleType):
    """The module itself: its `api_key` is live, and a mistyped assignment is an error."""

    @property
    def api_key(self) -> "str | None":
        """The key that a call would use now, if local sources or the cache have it.

        Assign a string, a sync or async callable, or None, which unsets it; `del` unsets it too.
        After None was assigned, the first call logs a WARNING if another source has a key: the None
        may come from a failed look-up.

        Reading contacts no store: the value is None until a call or `get_credential` has read the
        store. It raises if a local source fails, for example for a malformed key.

        If calls need a `using` block (`require_using`), the value is None outside a block, and to
        assign a key raises CredentialConfigurationError.
        """
        current = _load("vectorshift.scope.current")
        try:
            text = current.api_key()
        except AttributeError as error:  # Python would call the module's `__getattr__`
            raise RuntimeError(f"reading vectorshift.api_key failed: {error}") from None
        if text is None:
            return None
        key = _Key(text)
        key.restores = _slot.namespace["api_key"]
        return key

    @api_key.setter
    def api_key(self, value: object) -> None:
        set_to_none = value is None
        if isinstance(value, _Key):
            value = value.restores
        elif isinstance(value, str):
            value = _Key(value)
            value.restores = value
        elif value is not None and not callable(value) and type(value).__name__ != "Secret":
            kind = type(value).__name__
            del value  # a traceback may show locals
            raise TypeError(
                "vectorshift.api_key takes a string, a callable that returns one, or None, not"
                f" {kind}."
            )
        if value is not None:
            try:
                _refuse_process_key()
            except Exception:
                del value  # a traceback may show locals
                raise
        _keep(value, set_to_none)
        if _slot.scope is not None:
            _slot.scope.warn_of_api_key()

    @api_key.deleter
    def api_key(self) -> None:
        _keep(None, False)

    def __reduce__(self) -> "tuple[object, ...]":
        from importlib import import_module  # by name, as other modules: cloudpickle, joblib, Ray

        return import_module, (self.__name__,)

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
            f"vectorshift has no attribute {name!r} to set."
            + (f" Did you mean {near[0]!r}?" if near else "")
        )


def _keep(value: object, set_to_none: bool) -> None:
    """Store a key where the chain reads it, and note whether None was assigned."""
    _slot.namespace["api_key"] = value
    if set_to_none:
        _slot.namespace["_api_key_set_to_none"] = True
    else:
        _slot.namespace.pop("_api_key_set_to_none", None)


def _refuse_process_key() -> None:
    """Raise if every call needs a `using` block. Imports nothing if nothing can require one."""
    scope = _slot.scope
    if scope is None and os.environ.get("VECTORSHIFT_REQUIRE_USING"):
        from vectorshift.scope.current import DEFAULT_SCOPE as scope
    if scope is not None:
        scope.refuse_api_key()


# --- One copy in a process ---


class _LoadedModules:
    """Finds and returns the modules of this package that were loaded before.

    A module that is removed from `sys.modules` and imported again, or reloaded, stays the same. A
    second copy would have its own key, configuration and blocks. Calls through the first copy would
    not see these, and would use another key.
    """

    package = __name__

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return a spec that gives a loaded module again; None for any other module."""
        if name.partition(".")[0] != self.package:
            return None
        module = _this
        for part in name.split(".")[1:]:
            found = vars(module).get(part)
            if not isinstance(found, ModuleType):
                return None
            module = found
        spec = module.__spec__
        if spec is None or spec.name != name:
            return None
        from copy import copy

        again: ModuleSpec = copy(spec)
        again.loader = self  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        again.loader_state = module, spec
        return again

    def create_module(self, spec: "ModuleSpec") -> "ModuleType":
        """Return the module that was loaded before."""
        module: ModuleType = spec.loader_state[0]
        return module

    def exec_module(self, module: "Any") -> None:
        """Give the module its own spec back: the import system has just set the new one."""
        module.__spec__ = module.__spec__.loader_state[1]
        module.__loader__ = module.__spec__.loader
        if module is _this:
            from vectorshift.credentials.events import log

            log.warning(
                "vectorshift was imported a second time. It is the same module: "
                "vectorshift.api_key and the settings of configure() stay in force. To start "
                "afresh: del vectorshift.api_key, and call vectorshift.reset()."
            )


if not TYPE_CHECKING:  # so that type checkers find a mistyped name

    def __getattr__(name: str) -> object:
        if name in _HOME:
            value: object = getattr(_load(f"{__name__}.{_HOME[name]}"), name)
            globals()[name] = value
            return value
        from vectorshift._compat import missing

        raise missing(__name__, name)


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})


if any(getattr(finder, "package", None) == __name__ for finder in sys.meta_path):
    raise ImportError(
        f"{__name__} is loaded already. A second copy would not share its key. To get the first: "
        f"import {__name__}, which gives the first.",
        name=__name__,
    )
_slot.namespace = globals()
_slot.namespace["api_key"] = None
_this = sys.modules[__name__]
_this.__class__ = _Face
sys.meta_path.insert(0, _LoadedModules())
