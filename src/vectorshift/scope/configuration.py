"""The configuration of the process: settings, and the credentials in force outside any block."""

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

    from vectorshift.credentials.provider import Description
    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = ["Configured", "ForwardingProvider", "failing"]

_REQUIRE_USING = "VECTORSHIFT_REQUIRE_USING"
_SAY_SO = (_REQUIRE_USING, "VECTORSHIFT_ENV_FILE")
"""The variables by which an environment can say that calls need a `using` block."""


def failing(message: str) -> FailingProvider:
    """Return what fails every call with this configuration error, so that no source answers it."""
    return FailingProvider(CredentialConfigurationError(message, source="using", provider="using"))


class ForwardingProvider(BaseProvider):
    """Answers as another provider does, whichever that is at the time."""

    remote = False
    stands_for_another = True

    @abstractmethod
    def resolved_or_none(self) -> BaseProvider | None:
        """Return the provider, or None if it must be created first."""

    @abstractmethod
    def resolved(self) -> BaseProvider:
        """Return who answers. May block."""

    @abstractmethod
    async def aresolved(self) -> BaseProvider:
        """Return who answers, without blocking the event loop."""

    def describe(self) -> Description:
        """Describe who answers."""
        return self.resolved().describe()

    def invalidate(self, rejected: Credential) -> None:
        """Tell who answers that the server refused `rejected`."""
        self.resolved().invalidate(rejected)

    def is_previous(self, credential: Credential) -> bool:
        """Return whether this is the key before the newest one of its source."""
        provider = self.resolved_or_none()
        return provider is not None and provider.is_previous(credential)

    def get_cached(self) -> Result | None:
        """Answer at once, or None where that takes `resolve`."""
        provider = self.resolved_or_none()
        return None if provider is None else provider.get_cached()

    def resolve(self, request: LookupRequest) -> Result:
        """Answer; may block."""
        return self.resolved().resolve(request)

    async def aresolve(self, request: LookupRequest) -> Result:
        """Answer without blocking the event loop."""
        return await (await self.aresolved()).aresolve(request)


class Configured(ForwardingProvider):
    """Settings and credentials that belong together. Thread-safe and fork-safe.

    It is immutable: `configure` replaces it. A running call or a handler keeps the one that it has.

    Args:
        settings: in place of those of the environment, which are read at first use.
        credentials: in place of a chain of the settings, which is built at first use.
        read: those of the environment, if they have been read.
        require_using: what `configure` said of whether calls need a `using` block, or None.
        process: gives what is configured for the process, where this belongs to one client: what
            the process requires holds for its clients as well.
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
        self._building = SharedWork(self.resolved)
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here

    @property
    def current(self) -> Configured:
        """This; an `DefaultScope` names another one when something is configured."""
        return self

    @property
    def _of_process(self) -> Configured:
        return self if self._process is None else self._process()

    @property
    def loaded(self) -> Settings | None:
        """The settings, as far as they were read; does no I/O."""
        return self._settings

    @property
    def settings(self) -> Settings:
        """The settings that were given, else those of the environment at first use. May block."""
        settings = self._settings
        if settings is None:
            plain = cast("Settings | None", plain_settings(os.environ))
            fresh = plain or _model().load()
            with self._lock:
                settings = self._settings = self._settings or fresh
        return settings

    @property
    def requires_using(self) -> bool:
        """Return whether calls outside a `using` block fail. May block at first."""
        if self.require_using is not None:
            return self.require_using
        if self._of_process is not self and self._of_process.requires_using:
            return True
        if self._settings is None and not any(os.environ.get(each, "").strip() for each in _SAY_SO):
            return False  # no need to read settings that cannot say so
        settings = self.settings
        if self.chosen is None or "require_using" in settings.model_fields_set:
            return settings.require_using
        if self._of_process is not self:  # it was asked above, and has read the variable
            return False
        said = os.environ.get(_REQUIRE_USING, "")  # settings in code that are silent do not undo it
        return _model().load({_REQUIRE_USING: said}).require_using

    def resolved_or_none(self) -> BaseProvider | None:
        """Return the credentials that were given, or the chain, if it has been built."""
        process, provider = self.found
        return provider if process is self._of_process else None

    def resolved(self) -> BaseProvider:
        """Return the credentials that were given, or the chain, or what fails where calls need a
        `using` block. May block at first.
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
        """The words by which calls were made to need a `using` block."""
        if self.require_using:
            return "configure(require_using=True)"
        if self.chosen is not None and self.chosen.require_using:
            return "Settings(require_using=True)"
        return _REQUIRE_USING if self._of_process is self else self._of_process.required_by

    async def aresolved(self) -> BaseProvider:
        """Return what `resolved` does; what may block is done in a thread."""
        while (provider := self.resolved_or_none()) is None:
            if being_made():  # who is asked by what it makes cannot wait until that is made
                return self.resolved()
            await self._building.ajoin()
        return provider

    def close(self) -> None:
        """Close the chain, if it has been built; the credentials that were given stay open."""
        if self._chain is not None:
            self._chain.close()

    def __repr__(
        self,
    ) -> str:  # what shows locals must not read settings, or raise what is wrong with them
        return "<Configured>"


def _model() -> type[Settings]:
    """Import the settings. pydantic reads the entry points of all installed packages for that, and
    trips over one.
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
    """Return what to call the first installed package whose entry points cannot be read, or
    None.
    """
    from importlib.metadata import distributions

    for each in distributions():
        try:
            _ = each.entry_points
        except Exception:
            with contextlib.suppress(Exception):
                return f"the installed package {each.metadata['Name']}"
            return "an installed package"
    return None
