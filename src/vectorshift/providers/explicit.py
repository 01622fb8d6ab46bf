"""A key that is set in code."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from vectorshift._platform import public
from vectorshift._platform.arguments import UNSET, Unset
from vectorshift._platform.background import arun_blocking, run_async
from vectorshift._platform.public import Self
from vectorshift.credentials.events import log_safely
from vectorshift.credentials.guard import unforeseen
from vectorshift.credentials.provider import Description
from vectorshift.credentials.resolving import BaseProvider, LookupRequest, Result
from vectorshift.credentials.values import Credential, Secret, Unusable, kind_of, masked
from vectorshift.errors import CredentialNotFoundError

__all__ = ["Assignable", "ExplicitProvider"]

Assignable = str | Secret | Callable[[], "str | Secret | Awaitable[str | Secret | None] | None"]
"""A key, or a sync or async function that returns one."""

_SLOT = "api_key"
_SET_TO_NONE = "_api_key_set_to_none"
"""This entry means that None was assigned, and that no warning was logged yet."""


class ExplicitProvider(BaseProvider):
    """Return a key that is set in code.

    A callable is called on each request, in the caller's context. For an async caller, a sync
    callable runs in a worker thread. For a sync caller, an async callable runs in an event loop of
    its own. If it returns None, or raises that it found nothing, the chain stops: a failed look-up
    of a tenant's key must not fall back to another key.

    Args:
        value: the key, or a callable, sync or async, that returns one. If omitted, there is no key.
        held: a mapping whose entry `api_key` is read on each call instead of `value`.

    Raises:
        TypeError: `value` is of another type, or None: a look-up that failed must not reach the
            next source.
    """

    name = "explicit"
    remote = False
    source = "explicit:api_key"
    __reduce__ = object.__reduce__  # type: ignore[assignment]  # a pickle holds the fingerprint of the key

    def __init__(
        self, value: Assignable | Unset = UNSET, *, held: MutableMapping[str, Any] | None = None
    ) -> None:
        if cast("object", value) is None:
            raise TypeError(
                "ExplicitProvider takes a key or a callable that returns one, not None. For a"
                " provider without a key: ExplicitProvider()."
            )
        value = masked(value, Unset)
        given = None if isinstance(value, Unset) else value
        if isinstance(cast("object", given), Unusable):
            raise TypeError(
                "ExplicitProvider takes a key or a callable that returns one, not"
                f" {kind_of(given)}."
            )
        self._held: MutableMapping[str, Any] = {_SLOT: given} if held is None else held
        self._parsed: tuple[object, Result] | None = None
        self._unset = self.not_found("vectorshift.api_key is not set.", self.source)

    @classmethod
    def from_settings(cls, settings: public.Settings) -> Self:
        """Return a provider without a key: a key is not a setting."""
        return cls()

    def describe(self) -> Description:
        """Tell whether a key or a callable is set."""
        value = self._held.get(_SLOT)
        detail = "not set" if value is None else "callable" if callable(value) else "set"
        return Description(configured=value is not None, source=self.source, detail=detail)

    @property
    def changes_silently(self) -> bool:  # type: ignore[override]
        """True for a callable: it may serve many tenants, so a new key of it is no event."""
        return callable(self._held.get(_SLOT))

    def get_cached(self) -> Result | None:
        """Return the key, or None if there is a callable to call."""
        value = self._held.get(_SLOT)
        if value is None:  # once None was set, the chain must find out who answers
            return None if _SET_TO_NONE in self._held else self._unset
        return None if callable(value) else self._given(value)

    def passed_over(self, winner: Credential) -> None:
        """Warn once that another source answers, after `vectorshift.api_key` was set to None."""
        if self._held.pop(_SET_TO_NONE, False):
            log_safely(
                logging.WARNING,
                "vectorshift.api_key was set to None, which unsets it: %s is used now. If that "
                "None came from a look-up, the look-up found no key. To unset the key without "
                "this warning: del vectorshift.api_key.",
                winner.source,
            )

    def _given(self, value: object) -> Result:
        if value is None:
            return self._unset
        parsed = self._parsed
        if parsed is None or parsed[0] is not value:
            parsed = self._parsed = (value, self._credential(value))
        return parsed[1]

    def resolve(self, request: LookupRequest) -> Result:
        """Call the callable, in the caller's context."""
        value = self._held.get(_SLOT)
        if not callable(value):
            return self._given(value)
        try:
            answer = value()
            if inspect.isawaitable(answer):
                answer = run_async(_awaiting(answer))
        except Exception as error:
            return self._raised(error, value)
        return self._returned(answer)

    async def aresolve(self, request: LookupRequest) -> Result:
        """Call the callable in the caller's context; a sync one in a thread."""
        value = self._held.get(_SLOT)
        if not callable(value):
            return self._given(value)
        try:
            answer = value() if _is_async(value) else await arun_blocking(value)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:
            return self._raised(error, value)
        return self._returned(answer)

    def _raised(self, error: Exception, value: Callable[[], Any]) -> Result:
        if isinstance(error, TypeError) and _needs_arguments(value):
            return self.wrong("The API key's callable needs arguments. It is called without any.")
        failure = unforeseen(error, self, _file_of(value))
        if not isinstance(failure, CredentialNotFoundError):
            return failure
        return self.wrong(
            "The API key's callable found no key. No other source is asked. "
            f"{failure.message}".rstrip()
        )

    def _returned(self, answer: object) -> Result:
        if answer is None:
            return self.wrong(
                "The API key's callable returned None. No other source is asked. Return the key, "
                "or raise your own error."
            )
        return self._credential(answer)

    def _credential(self, value: object) -> Result:
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str):
            return self.wrong(
                f"The API key that was given in code is of type {type(value).__name__}, not str. "
                "Give a string, or a callable that returns one."
            )
        return self.keyed(text, self.source)


def _is_async(value: Callable[[], Any]) -> bool:
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)


def _needs_arguments(value: Callable[[], Any]) -> bool:
    try:
        inspect.signature(value).bind()
    except TypeError:
        return True
    except ValueError:  # a callable written in C may have no signature
        pass
    return False


def _file_of(value: Callable[[], Any]) -> str:
    code = getattr(value, "__code__", None) or getattr(type(value).__call__, "__code__", None)
    return code.co_filename if code else ""


def _awaiting(answer: Awaitable[Any]) -> Callable[[], Any]:
    async def wait() -> Any:
        return await answer

    return wait
