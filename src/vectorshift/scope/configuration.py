"""The configuration of the process: its settings, and its credentials outside `using` blocks."""

from __future__ import annotations

import contextlib
import os
import threading
from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from vectorshift._platform import slot
from vectorshift._platform.background import SharedWork
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.importing import load
from vectorshift._platform.plugin_names import being_made, making
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.guard import line_of
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.errors import CredentialConfigurationError, VectorshiftError
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.providers.static import FailingProvider
from vectorshift.settings.defaults import plain_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = ["Configured", "ForwardingProvider", "failing"]

_REQUIRE_USING = "VECTORSHIFT_REQUIRE_USING"
_REQUIRED_BY = (_REQUIRE_USING, "VECTORSHIFT_ENV_FILE")
"""The variables that can make calls need a `using` block."""


def failing(message: str) -> FailingProvider:
    """Return a provider that fails every call with this configuration error."""
    return FailingProvider(CredentialConfigurationError(message, source="using", provider="using"))


class ForwardingProvider(BaseProvider):
    """Forwards to the provider that is in force, which `resolved` returns."""

    remote = False
    stands_for_another = True

    @abstractmethod
    def resolved_or_none(self) -> BaseProvider | None:
        """Return the provider, or None if it must be created first."""

    def invalidate(self, rejected: Credential) -> None:
        """Tell the provider in force that the server rejected this key."""
        if (provider := self.resolved_or_none()) is not None:
            provider.invalidate(rejected)

    def get_cached(self) -> Result | None:
        """Return the cached answer, or None if `resolve` is needed."""
        provider = self.resolved_or_none()
        return None if provider is None else provider.get_cached()

    def resolve(self, request: LookupRequest) -> Result:
        """Return a key or an error. May block."""
        return self.resolved().resolve(request)

    async def aresolve(self, request: LookupRequest) -> Result:
        """Return a key or an error, without blocking the event loop."""
        return await (await self.aresolved()).aresolve(request)


class Configured(ForwardingProvider):
    """Settings and credentials that belong together. Thread-safe and fork-safe.

    It is immutable: `configure` replaces it. A running call or a handler keeps the one that it has.

    Args:
        settings: the settings; None reads the environment at first use.
        credentials: the credentials; None builds a chain from the settings at first use.
        read: the settings of the environment, if they were read already.
        require_using: the argument of `configure` with this name, or None.
        process: if this belongs to one client, it returns the configuration of the process, whose
            `require_using` holds for clients as well.
    """

    name = "configured"

    def __init__(
        self,
        settings: Settings | None = None,
        credentials: BaseProvider | None = None,
        *,
        read: Settings | None = None,
        require_using: bool | None = None,
        process: Callable[[], Configured] | None = None,
    ) -> None:
        self.chosen, self.given = settings, credentials
        self.require_using, self._process = require_using, process
        self._settings = settings or read
        self._chain: ProviderChain | None = None
        self.found: tuple[Configured | None, BaseProvider | None] = (None, None)
        self._building: SharedWork[BaseProvider] = SharedWork()
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may come here

    @property
    def current(self) -> Configured:
        """This configuration; that of a `DefaultScope` changes with `configure`."""
        return self

    @property
    def _of_process(self) -> Configured:
        return self if self._process is None else self._process()

    @property
    def loaded(self) -> Settings | None:
        """The settings, or None if they were not read yet. Does no I/O."""
        return self._settings

    @property
    def settings(self) -> Settings:
        """The settings that were passed; else those of the environment, read once. May block."""
        settings = self._settings
        if settings is None:
            plain = cast("Settings | None", plain_settings(os.environ))
            fresh = plain or _model().load()
            with self._lock:
                settings = self._settings = self._settings or fresh
        return settings

    @property
    def requires_using(self) -> bool:
        """True if calls outside a `using` block fail. The first use may block."""
        if self.require_using is not None:
            return self.require_using
        if self._of_process is not self and self._of_process.requires_using:
            return True
        if self._settings is None and not any(os.environ.get(n, "").strip() for n in _REQUIRED_BY):
            return False  # the settings cannot require it: do not read them
        settings = self.settings
        if self.chosen is None or "require_using" in settings.model_fields_set:
            return settings.require_using
        if self._of_process is not self:  # it was asked above, and has read the variable
            return False
        # settings in code without this field do not override the variable
        variable = os.environ.get(_REQUIRE_USING, "")
        return _model().load({_REQUIRE_USING: variable}).require_using

    def resolved_or_none(self) -> BaseProvider | None:
        """Return the credentials that were passed, or the chain if it was built; else None."""
        process, provider = self.found
        return provider if process is self._of_process else None

    def resolved(self) -> BaseProvider:
        """Return the credentials that were passed, or the chain. If calls need a `using` block,
        return a provider that fails. The first call may block.
        """
        provider = self.resolved_or_none()
        if provider is None:
            process = self._of_process
            provider = self._needs_using() if self.requires_using else self.given or self._built()
            self.found = (process, provider)
        return provider

    def _built(self) -> ProviderChain:
        if self._chain is None:
            explicit = ExplicitProvider(held=slot.namespace)
            with making("the chain"):
                built = ProviderChain.from_settings(self.settings, explicit=explicit)
            with self._lock:
                self._chain = self._chain or built  # type: ignore[redundant-expr]  # a thread
        return self._chain

    def _needs_using(self) -> FailingProvider:
        return failing(
            f"This call is outside every using block, and {self.required_by} says that this process"
            " has no key of its own. Put the call into `with vectorshift.using(key):`, or give a"
            " client its own key: VectorShift(key). New threads and executors do not see a block"
            " unless they run contextvars.copy_context().run."
        )

    @property
    def required_by(self) -> str:
        """The setting, as a user writes it, that makes calls need a `using` block."""
        if self.require_using:
            return "configure(require_using=True)"
        if self.chosen is not None and self.chosen.require_using:
            return "Settings(require_using=True)"
        return _REQUIRE_USING if self._of_process is self else self._of_process.required_by

    async def aresolved(self) -> BaseProvider:
        """Return what `resolved` does, but run it in a thread."""
        while (provider := self.resolved_or_none()) is None:
            if being_made():  # a provider that is being made asks for a key: do not wait for it
                return self.resolved()
            await self._building.ajoin(self.resolved, self._of_process)
        return provider

    def close(self) -> None:
        """Close the chain, if it was built; credentials that were passed stay open."""
        if self._chain is not None:
            self._chain.close()

    async def aclose(self) -> None:
        """Do what `close` does, from an event loop."""
        if self._chain is not None:
            await self._chain.aclose()

    def __repr__(self) -> str:  # a debugger calls it: it must not read settings, or raise
        return "<Configured>"


def _model() -> type[Settings]:
    """Return the class of the settings. To import it, pydantic reads the entry points of all
    installed packages, and fails if one is damaged.
    """
    try:
        load("vectorshift.settings.model")
        from vectorshift.settings import Settings
    except (ImportError, VectorshiftError):
        raise
    except Exception as error:
        damaged, what = _damaged(), f"{type(error).__name__} at {line_of(error)}"
        if damaged is None:
            raise
    else:
        return Settings
    raise CredentialConfigurationError(
        f"The settings cannot be read: entry_points.txt of {damaged} is damaged ({what}). "
        "Reinstall that package, or make pydantic skip all plugins: "
        "PYDANTIC_DISABLE_PLUGINS=__all__"
    )


def _damaged() -> str | None:
    """Return the name of the first installed package with unreadable entry points, or None."""
    from importlib.metadata import distributions

    for each in distributions():
        try:
            _ = each.entry_points
        except Exception:
            with contextlib.suppress(Exception):
                return f"the installed package {each.metadata['Name']}"
            return "an installed package"
    return None
