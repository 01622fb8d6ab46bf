"""The contract that every source of a key keeps, and that authors of providers write to."""

from __future__ import annotations

from abc import ABC
from types import TracebackType
from typing import Any, Final, Literal

from vectorshift._platform import public
from vectorshift._platform.public import Self
from vectorshift.credentials.description import Description

__all__ = ["CredentialProvider", "Description", "PolicyError", "check_policies"]

POLICIES: Final = ("on_error", "on_missing")
_WORDS: Final = ("stop", "continue")
_LONGEST_WORD = 24


class PolicyError(ValueError):
    """`on_error` or `on_missing` of a provider is neither `stop` nor `continue`."""


class CredentialProvider(ABC):  # noqa: B024  # one of two methods is enough
    """Asks one source for a credential. Subclass it and write one of the two getters; the other is
    given.

    Instances are shared by threads and event loops. A getter raises `CredentialNotFoundError` when
    nothing is configured or the place is empty (a chain moves on), and another `CredentialError`
    when it failed (a chain stops). Any other exception counts as a configuration error, `OSError`
    and `TimeoutError` as an unavailable store, and of those only type and line are printed.

    Attributes:
        name: a short lower-case name, as `VECTORSHIFT_PROVIDERS` and messages use it; a plugin that
            is named there gets that of its entry point.
        remote: whether answers are cached by a `CachingProvider`; a provider that is not remote is
            asked on every call.
        ttl: seconds for which an answer of a remote provider is fresh, or None for the common
            setting.
        on_error: `"continue"` is the user's word that another source may answer when this one
            fails.
        on_missing: `"stop"` is the user's word that no other may answer when this one is empty.

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
            raise TypeError(f"{cls.__name__} must define get_credential or aget_credential.")
        for name in POLICIES:
            value = cls.__dict__.get(name)
            # a property, or the field of a dataclass, has its value on instances only
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

        This is called when `VECTORSHIFT_PROVIDERS` names a plugin. By default the class is called
        without arguments; with settings of its own, a plugin reads them from `settings` by a
        `PluginSettings`.

        Raises:
            CredentialConfigurationError: configured, and wrong.
        """
        return cls()

    def describe(self) -> Description:
        """Say whether this is configured and where it looks, without contact. Does not raise or
        block.
        """
        return Description(configured=True, source=self.name)

    def get_credential(self) -> public.Credential:
        """Return the credential of this moment. May block; thread-safe.

        Raises:
            CredentialNotFoundError: nothing is configured here, or the place is empty.
            CredentialConfigurationError: configured, and wrong.
            CredentialDeniedError: the store refused us.
            CredentialRevokedError: the store says that this secret is gone.
            CredentialStoreUnavailableError: the store is down, slow or throttling.
        """
        from vectorshift.credentials.guard import get_by_async_getter, unwrap

        return unwrap(get_by_async_getter(self))

    async def aget_credential(self) -> public.Credential:
        """Return the credential of this moment without blocking the event loop. Raises as
        `get_credential`.
        """
        from vectorshift.credentials.guard import aget_by_sync_getter, unwrap

        return unwrap(await aget_by_sync_getter(self))

    # a provider without memory has nothing to do
    def invalidate(self, rejected: public.Credential) -> None:  # noqa: B027
        """Take note that the server refused `rejected`, or that the user asks for a fresh read.
        Does no I/O; wrappers pass it on.
        """

    def close(self) -> None:  # noqa: B027
        """Give back what this provider holds. It may be asked again afterwards."""

    async def aclose(self) -> None:
        """Give back what this provider holds, from an event loop."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        from vectorshift.credentials.guard import described

        # a tool that shows locals may find an instance that is half made: `described` bears that
        return f"<{type(self).__name__} {described(self).source}>"


def _writes(cls: type[CredentialProvider], getter: str) -> bool:
    """Return whether a class has a getter of its own, and not the one that is given."""
    return getattr(cls, getter) is not getattr(CredentialProvider, getter)


def check_policies(provider: CredentialProvider) -> None:
    """Check what a class may have got after its definition, or a property may give.

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
