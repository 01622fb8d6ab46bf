"""The contract of a provider: every source of a key fulfils it."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, Final, Literal

from vectorshift._platform import public
from vectorshift._platform.public import Self

__all__ = [
    "CredentialProvider",
    "Description",
    "MissingGetterError",
    "PolicyError",
    "check_policies",
]

POLICIES: Final = ("on_error", "on_missing")
_WORDS: Final = ("stop", "continue")
_LONGEST_WORD = 24


class PolicyError(ValueError):
    """`on_error` or `on_missing` of a provider is neither `stop` nor `continue`."""


class MissingGetterError(TypeError):
    """A provider defines neither `get_credential` nor `aget_credential`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A provider's description of itself, made without contacting anything.

    Args:
        configured: whether it is configured; if not, it is not asked.
        source: the printable source that it reads.
        detail: a sentence for a person, without a secret in it.
        locator: whether the user configured it as a store, so that a chain warns when it is passed
            over. A remote provider always counts as one.
    """

    configured: bool
    source: str
    detail: str = ""
    locator: bool = False


class CredentialProvider(ABC):  # noqa: B024  # one of two methods is enough
    """Asks one source for a credential. Subclass it and write one of the two getters; the base
    class derives the other.

    Threads and event loops share an instance. A getter raises `CredentialNotFoundError` when
    nothing is configured or the place is empty (a chain moves on), and another `CredentialError`
    when it failed (a chain stops). `OSError` and `TimeoutError` count as an unavailable store, and
    any other exception as a configuration error. Only its type and line are printed.

    Attributes:
        name: a short lower-case name for `VECTORSHIFT_PROVIDERS` and messages; a plugin has the
            name of its entry point.
        remote: whether answers are cached by a `CachingProvider`; a provider that is not remote is
            asked on every call.
        ttl: seconds for which the key of a remote provider is fresh, or None for the common
            setting.
        on_error: `"continue"` lets a chain ask the next source when this one fails.
        on_missing: `"stop"` keeps a chain from asking the next source when this one is empty.

    Raises:
        ValueError: `on_error` or `on_missing` is set to another word, on a class or an instance.
    """

    name: str = ""
    remote: bool = True
    ttl: float | None = None
    on_error: Literal["stop", "continue"] = "stop"
    on_missing: Literal["stop", "continue"] = "continue"

    def __init_subclass__(cls) -> None:
        cls.name = (
            cls.__dict__.get("name") or cls.name or cls.__name__.removesuffix("Provider").lower()
        )
        if ABC not in cls.__bases__ and not (
            _writes(cls, "get_credential") or _writes(cls, "aget_credential")
        ):
            raise MissingGetterError(
                f"{cls.__name__} must define get_credential or aget_credential."
            )
        for name in POLICIES:
            value = cls.__dict__.get(name)
            # a property or a dataclass field has its value on instances only
            if name in cls.__dict__ and isinstance(value, str | int | float | bytes | None):
                _check_policy(cls, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in POLICIES:
            _check_policy(type(self), name, value)
        super().__setattr__(name, value)

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self | None:
        """Return the provider that the settings ask for, or None if they do not configure it.
        Contacts nothing.

        This is called when `VECTORSHIFT_PROVIDERS` names a plugin. By default, it calls the class
        without arguments. A plugin with its own settings reads them from `settings` with
        `PluginSettings`.

        Raises:
            CredentialConfigurationError: the settings are wrong.
        """
        return cls()

    def describe(self) -> Description:
        """Return whether this is configured, and which source it reads. Contacts nothing; does not
        raise or block.
        """
        return Description(configured=True, source=self.name)

    def get_credential(self) -> public.Credential:
        """Return the current credential. May block; thread-safe.

        Raises:
            CredentialNotFoundError: nothing is configured here, or the place is empty.
            CredentialConfigurationError: the settings, or the value in the store, are wrong.
            CredentialDeniedError: the store denied access.
            CredentialRevokedError: the store says that this secret is gone.
            CredentialStoreUnavailableError: the store is down, slow or throttling.
        """
        from vectorshift.credentials.guard import get_by_async_getter, unwrap

        return unwrap(get_by_async_getter(self))

    async def aget_credential(self) -> public.Credential:
        """Return the current credential without blocking the event loop. Raises as
        `get_credential`.
        """
        from vectorshift.credentials.guard import aget_by_sync_getter, unwrap

        return unwrap(await aget_by_sync_getter(self))

    # a provider without a cache has nothing to do
    def invalidate(self, rejected: public.Credential) -> None:  # noqa: B027
        """Note that the server rejected this key, or that the user asks for a fresh read. Does no
        I/O; wrappers pass it on.
        """

    def close(self) -> None:  # noqa: B027
        """Release resources such as connections. The provider may be asked again afterwards."""

    async def aclose(self) -> None:
        """Release resources such as connections, from an event loop."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        from vectorshift.credentials.guard import described

        # a debugger may call this in `__init__`: `described` catches missing attributes
        return f"<{type(self).__name__} {described(self).source}>"


def _writes(cls: type[CredentialProvider], getter: str) -> bool:
    """Return whether a class overrides this getter."""
    return getattr(cls, getter) is not getattr(CredentialProvider, getter)


def check_policies(provider: CredentialProvider) -> None:
    """Check policies that were set after the class was defined, or that are properties.

    Raises:
        PolicyError: `on_error` or `on_missing` is neither `stop` nor `continue`.
    """
    for name in POLICIES:
        _check_policy(type(provider), name, getattr(provider, name))


def _check_policy(cls: type[CredentialProvider], name: str, value: object) -> None:
    if isinstance(value, str) and value in _WORDS:
        return
    # a longer text may be a key
    is_word = isinstance(value, str) and len(value) <= _LONGEST_WORD
    shown = ascii(value) if is_word or isinstance(value, bool | None) else type(value).__name__
    del value  # a traceback may show locals
    raise PolicyError(f"{name} of {cls.__name__} should be 'stop' or 'continue', not {shown}.")
