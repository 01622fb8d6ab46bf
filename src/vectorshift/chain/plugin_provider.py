"""Providers of other packages. A chain imports a plugin when it first asks it.

An entry point of the group `vectorshift.providers` leads to a class with `from_settings(settings)`,
or to any callable without arguments that returns a provider.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.plugin_names import being_made, making, prefix_of
from vectorshift.cache.provider import CachingProvider
from vectorshift.credentials.adapter import (
    GuardedProvider,
    PolicyOfTheWrapped,
    adapt,
    flaw_of_ttl,
)
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.guard import class_of, line_of, no_thread
from vectorshift.credentials.provider import (
    CredentialProvider,
    Description,
    MissingGetterError,
    PolicyError,
)
from vectorshift.credentials.resolving import NOT_ASKED, BaseProvider, LookupRequest, Result
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.static import FailingProvider, UnconfiguredProvider
from vectorshift.settings.plugin import CommonSettings, declared, for_instance
from vectorshift.settings.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift._platform.entry_points import PluginEntry
    from vectorshift.credentials.values import Credential
    from vectorshift.settings import Settings

__all__ = ["PluginProvider"]

_MODULE = re.compile(r"[\w.]{1,100}", re.ASCII)
_SHORT = 0.05
"""Seconds by which a wait may end early."""
_CALLS_THE_CLASS = CredentialProvider.from_settings.__func__  # type: ignore[attr-defined]
_NOT_MADE = UnconfiguredProvider("", "")
"""Stands in for a plugin that is not made yet: it has the default policies."""


class PluginProvider(BaseProvider):
    """A plugin in a chain. It is imported and made when the chain first asks it.

    Import, `from_settings` and the first `describe()` run in their own thread. A caller waits at
    most `load_timeout` for them. A plugin that is not configured is then an `UnconfiguredProvider`,
    one that fails a `FailingProvider`. A remote plugin gets a cache.

    Args:
        entry: the plugin, with the name that it has in the chain.
        settings: those of the chain.
    """

    remote = False
    on_error: Any = PolicyOfTheWrapped()
    on_missing: Any = PolicyOfTheWrapped()

    def __init__(self, entry: PluginEntry, settings: Settings) -> None:
        self.name, self._entry, self._settings = entry.name, entry, settings
        self._made: BaseProvider | None = None
        self._ttl: float | None = None
        self._doing = "import"
        try:
            common = CommonSettings.of(settings, entry.name)
        except CredentialError as error:
            self._made = _failing(_failure(entry, error))
        else:
            _set_attributes(self, on_error=common.on_error, on_missing=common.on_missing)
            self._ttl = common.cache_ttl
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._task: BackgroundTask[None] | None = None
        self._began = 0.0

    @property
    def provider(self) -> BaseProvider:
        """The plugin's provider, or one without a key until it is made."""
        return self._made or _NOT_MADE

    @property
    def actual(self) -> BaseProvider:
        """The plugin's provider, or this one until it is made."""
        return self._made or self

    def describe(self) -> Description:
        """Describe the plugin, without importing it."""
        if self._made is not None:
            return self._made.describe()
        detail = "not imported yet: no call has needed it"
        if self._task is not None:
            detail = self._not_ended()
        return Description(configured=True, source=self.name, detail=detail, locator=True)

    # --- Asking it ---

    def get_cached(self) -> Result | None:
        """Return its cached answer without I/O, or None."""
        return None if self._made is None else self._made.get_cached()

    def resolve(self, request: LookupRequest) -> Result:
        """Ask the plugin; import and make it first."""
        return self.not_ready(request) or self.provider.resolve(request)

    async def aresolve(self, request: LookupRequest) -> Result:
        """Ask the plugin; import and make it first, in a thread."""
        if self._made is None:
            task = self._begun(request)
            if not isinstance(task, BackgroundTask):
                return task
            if not await task.wait_async(self.patience(request)):
                return self._too_slow()
        return await self.provider.aresolve(request)

    def maker(self) -> BaseProvider | None:
        """Return a provider that makes the plugin when it is asked; None if it is made."""
        return _Maker(self) if self._made is None else None

    def not_ready(self, request: LookupRequest) -> CredentialError | None:
        """Import and make the plugin. Return the reason if it is not ready in time, else None."""
        if self._made is not None:
            return None
        task = self._begun(request)
        if not isinstance(task, BackgroundTask):
            return task
        return None if task.wait(self.patience(request)) else self._too_slow()

    def _begun(self, request: LookupRequest) -> BackgroundTask[None] | CredentialError:
        """Return the task that makes the plugin, and start it if needed; or the error that prevents
        it.
        """
        if request.local:
            return NOT_ASKED
        if self.name in being_made():
            why = (
                "it asks for a credential while it is imported or created, which would call itself."
            )
            return _broken(self._entry, why)
        with self._lock:
            if self._task is None:
                self._task, self._began = BackgroundTask(self._make), time.monotonic()
            task = self._task
        try:
            return task.start()
        except CredentialStoreUnavailableError:
            return no_thread(self)

    def patience(self, request: LookupRequest) -> float:
        """Return how many seconds a caller waits: until the time limit of the task, or its own."""
        until = self._began + self._settings.load_timeout
        until = until if request.deadline is None else min(until, request.deadline)
        return max(0.0, until - time.monotonic())

    def _not_ended(self) -> str:
        took = time.monotonic() - self._began
        return f"its {self._doing} has not ended after {took:.1f} s, and goes on"

    def _too_slow(self) -> CredentialStoreUnavailableError:
        """Return the error of a plugin that is not ready in time."""
        took = time.monotonic() - self._began
        if took < self._settings.load_timeout - _SHORT:
            why = f"its {self._doing} did not end within {took:.1f} s, the time that was left for"
            why += " the whole chain."
        else:
            why = f"{self._not_ended()}. It should contact nothing."
        return CredentialStoreUnavailableError(
            f"The provider {self.name} of {self._entry.origin} is not ready: {why}"
            " More time for all sources: VECTORSHIFT_LOAD_TIMEOUT.",
            source=self.name,
            provider=self.name,
        )

    def _make(self) -> None:
        """Import and make the plugin. Runs in its own thread."""
        with making(self.name):
            self._made = self._loaded()

    def _loaded(self) -> BaseProvider:
        entry, settings = self._entry, self._settings
        if _without_variables(entry.name, settings):
            about = entry.name, entry.origin, _taken(entry.name)
            log_safely(logging.WARNING, "The plugin %s of %s gets no variables: %s", *about)
        try:
            found = _imported(entry)
            self._doing = "from_settings"
            made = _made(entry, found, settings)
            if made is None:
                return UnconfiguredProvider(entry.name, _hint(entry, settings))
            self._doing = "describe()"
            return self._adapted(made)
        except BaseException as error:  # SystemExit too: a plugin must not end the process
            failure = _failure(entry, error)
        log_safely(logging.WARNING, "%s", failure)
        return _failing(failure)

    def _adapted(self, provider: CredentialProvider) -> BaseProvider:
        adapted = adapt(provider)
        _set_attributes(provider, name=self.name)
        # set on the wrapper only: a factory may return the same provider to every chain
        _set_attributes(adapted, name=self.name, ttl=self._ttl)
        if isinstance(adapted, GuardedProvider):
            adapted.keep_description()
        if not adapted.remote:
            return adapted
        return CachingProvider(
            adapted,
            ttl=self._settings.cache_ttl,
            max_stale=self._settings.cache_max_stale,
            load_timeout=self._settings.load_timeout,
        )

    # --- Passed on to the plugin ---

    def keeps_previous(self, credential: Credential) -> bool:
        """Return the plugin's answer."""
        return self.provider.keeps_previous(credential)

    def is_previous(self, credential: Credential) -> bool:
        """Return the plugin's answer."""
        return self.provider.is_previous(credential)

    def winner_warning(self, below: list[str]) -> str | None:
        """Return the plugin's warning."""
        return self.provider.winner_warning(below)

    def invalidate(self, rejected: Credential) -> None:
        """Tell the plugin that the server rejected this key."""
        self.provider.invalidate(rejected)

    def close(self) -> None:
        """Close the plugin."""
        self.provider.close()

    async def aclose(self) -> None:
        """Close the plugin."""
        await self.provider.aclose()


class _Maker(BaseProvider):
    """Makes a plugin without asking it for a key. As a provider, it works sync and async."""

    name = "maker"
    remote = False

    def __init__(self, plugin: PluginProvider) -> None:
        self._plugin = plugin

    def resolve(self, request: LookupRequest) -> Result:
        """Make the plugin. Return *not found* if it is ready, else the reason why not."""
        return self._plugin.not_ready(request) or CredentialNotFoundError()


class _UnusableError(Exception):
    """Says why a plugin cannot be used. The text is ours, and shows no secret."""


def _imported(entry: PluginEntry) -> Callable[..., object]:
    module, _, path = (part.strip() for part in entry.target.partition("[")[0].partition(":"))
    if not module or module.startswith("."):
        raise _UnusableError(f"its entry point, {entry.target}, names no module.")
    found: object = import_module(module)
    for name in path.split(".") if path else ():
        found = getattr(found, name, None)
    if not callable(found):
        raise _UnusableError(f"{entry.target} is neither a class nor a function.")
    return found


def _made(
    entry: PluginEntry, found: Callable[..., object], settings: Settings
) -> CredentialProvider | None:
    settings = for_instance(settings, entry.name)
    make: Any = getattr(found, "from_settings", None)
    plain = make is None or getattr(make, "__func__", None) is _CALLS_THE_CLASS
    make, given = (found, ()) if plain else (make, (settings,))
    if not _takes(make, *given):
        what = "a from_settings(settings)" if given else "one that can be called without arguments"
        raise _UnusableError(f"{entry.target} has the wrong arguments: there should be {what}.")
    provider: object = make(*given)
    if provider is None:
        return None
    if inspect.iscoroutine(provider):
        provider.close()
    if not isinstance(provider, CredentialProvider):
        raise _UnusableError(
            f"{entry.target} gave {type(provider).__name__}, not a CredentialProvider."
        )
    if flaw := flaw_of_ttl(provider.ttl):
        raise _UnusableError(flaw)
    return provider


def _takes(called: Callable[..., object], *given: object) -> bool:
    try:
        # not the wrapped function's signature: a decorator may supply an argument
        inspect.signature(called, follow_wrapped=False).bind(*given)
    except (TypeError, ValueError) as error:
        return isinstance(error, ValueError)  # its signature is unknown: try it
    return True


def _set_attributes(provider: CredentialProvider, **values: object) -> None:
    """Set each attribute whose value is not None: the name in the chain, or a user's setting."""
    for attribute, value in values.items():
        if value is not None:
            with contextlib.suppress(Exception):  # read-only; the adapter has its own
                setattr(provider, attribute, value)


# --- A plugin that fails --------------------------------------------------------------------------


def _failing(error: CredentialError) -> FailingProvider:
    return FailingProvider(error, locator=True)


def _broken(entry: PluginEntry, why: str) -> CredentialConfigurationError:
    return CredentialConfigurationError(
        f"The provider {entry.name} of {entry.origin} cannot be used: {why}",
        source=entry.name,
        provider=entry.name,
    )


def _failure(entry: PluginEntry, error: BaseException) -> CredentialConfigurationError:
    if isinstance(error, CredentialError):  # its author wrote the text for users
        return _broken(entry, error.message)
    if isinstance(
        error, MissingGetterError | PolicyError | _UnusableError
    ):  # the text is ours, and quotes no long value
        return _broken(entry, str(error))
    module = (error.name or "") if isinstance(error, ImportError) else ""
    if _MODULE.fullmatch(module):
        if isinstance(error, ModuleNotFoundError):
            return _broken(
                entry,
                f"the module {module} is not installed. Install it, or reinstall "
                f"{entry.distribution}.",
            )
        return _broken(
            entry,
            f"something that it needs from the module {module} is missing. The versions may not "
            "match.",
        )
    return _broken(
        entry,
        f"it raised {class_of(error)} at {line_of(error)}. Its text is withheld: it may "
        "hold a secret.",
    )


def _without_variables(name: str, settings: Settings) -> bool:
    """Return whether variables of this package begin with the plugin's prefix."""
    return any(variable.startswith(prefix_of(name)) for variable in variables_of(type(settings)))


def _taken(name: str) -> str:
    return (
        f"{prefix_of(name)}... belongs to this package. Settings(plugins={{'{name}': {{...}}}})"
        " sets it in code."
    )


def _hint(entry: PluginEntry, settings: Settings) -> str:
    prefix = prefix_of(entry.name)
    all_of_it = ", ".join(f"{prefix}{key.upper()}" for key in declared.get(entry.name, ()))
    if given := settings.plugins.get(entry.name):
        names = " and ".join(f"{prefix}{key.upper()}" for key in sorted(given))
        others = [each for each in declared.get(entry.name, ()) if each not in given]
        rest = ", ".join(f"{prefix}{key.upper()}" for key in others)
        return (
            f"from_settings of {entry.origin} returned None although {names}"
            f" {'is' if len(given) == 1 else 'are'} set{'. Other variables: ' * bool(rest)}{rest}"
        )
    if _without_variables(entry.name, settings):
        return f"it gets no variables: {_taken(entry.name)}"
    reads = f"reads {all_of_it}" if all_of_it else "says which it needs"
    return f"no {prefix}... variable is set; {entry.origin} {reads}"
