"""What the tests of the contract share: keys, providers, ways to ask, and words for the author."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import secrets
import string
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from vectorshift._platform.background import BackgroundTask
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST, Result
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vectorshift.credentials.provider import CredentialProvider, Description
    from vectorshift.testing.contract.hooks import SourceHooks

__all__ = ["Probe", "named", "printed"]

T = TypeVar("T")

_BROKEN = "test_a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
_LETTERS = string.ascii_letters + string.digits
_TELLING = 8
"""So many characters of a secret in a row give too much of it away."""


class Probe:
    """One test's dealings with a source and its provider.

    Args:
        contract: the author's class, with its hooks.
        test: the name of the test.
    """

    def __init__(self, contract: SourceHooks, test: str = "") -> None:
        self.contract = contract
        self._test, self._broken = test, False
        self._keys: list[str] = []
        self._made: list[CredentialProvider] = []

    # --- The source ---

    def new_key(self) -> str:
        """Return a key that was never seen before."""
        self._keys.append("vs-" + "".join(secrets.choice(_LETTERS) for _ in range(28)))
        return self._keys[-1]

    def put(self) -> str:
        """Store a new key and return it."""
        key = self.new_key()
        self.contract.put(key)
        return key

    def rotate(self) -> str:
        """Store another key in place of the first and return it."""
        key = self.new_key()
        self.contract.rotate(key)
        return key

    def bring_about(self, state: str) -> None:
        """Bring the source into a state: `found`, `removed`, `broken` or `refused`."""
        hooks = self.contract
        changes = {"removed": hooks.remove, "broken": self.break_source, "refused": hooks.deny}
        if state in changes:
            changes[state]()

    def break_source(self) -> None:
        """Make the source fail."""
        self._broken = True
        self.contract.break_source()

    def counted(self) -> int:
        """Return how often the source was read; skip if nobody counts."""
        count = self.contract.reads()
        if count is None:
            pytest.skip(
                f"{type(self.contract).__name__} leaves out the hook reads(), which counts reads of"
                " the source."
            )
        return count

    # --- The provider ---

    def provider(self) -> CredentialProvider:
        """Make a provider; it is closed at the end of the test."""
        return self.keep(self.contract.make())

    def keep(self, provider: CredentialProvider) -> CredentialProvider:
        """Return a provider that was made; it is closed at the end of the test."""
        self._made.append(provider)
        return provider

    def close(self) -> None:
        """Close what was made."""
        for provider in self._made:  # what it raises, or that it hangs, is for a test of its own
            BackgroundTask(provider.close).start().wait(self.contract.patience)

    def ask(self, provider: CredentialProvider) -> Result:
        """Return what the provider answers now, past any cache of ours."""
        return self.done(lambda: adapt(provider).resolve(DEFAULT_REQUEST))

    async def aask(self, provider: CredentialProvider) -> Result:
        """Return what the provider answers an async caller, past any cache of ours."""
        return await adapt(provider).aresolve(DEFAULT_REQUEST)

    def both(self, provider: CredentialProvider) -> dict[str, Result]:
        """Return what the provider answers to sync and async callers, by the name of the
        getter.
        """
        return {
            "get_credential": self.ask(provider),
            "aget_credential": self.run(lambda: self.aask(provider)),
        }

    def done(self, does: Callable[[], T]) -> T:
        """Do it in a thread, and return or raise what it does. What hangs is a fault, and left to
        itself.
        """
        flight = BackgroundTask(does, context=contextvars.copy_context()).start()
        if not flight.wait(self.contract.patience):
            self._hung()
        return self._result(flight)

    def _result(self, flight: BackgroundTask[T]) -> T:
        try:
            return flight.result()
        except (Exception, KeyboardInterrupt, pytest.fail.Exception, pytest.skip.Exception):
            raise
        except BaseException as error:
            kind = type(error).__name__
        return self.fault(
            expected="a Credential, or a CredentialError.",
            happened=f"{kind} was raised.",
            mend=(
                "Raise a CredentialError. What is no Exception ends the caller's thread or process."
            ),
        )

    def run(self, main: Callable[[], Awaitable[T]], *, patience: float | None = None) -> T:
        """Run it in an event loop of asyncio, in a thread, as `done` does."""
        answers: list[T] = []

        async def kept() -> None:
            answers.append(await main())

        flight = BackgroundTask(
            lambda: asyncio.run(kept()), context=contextvars.copy_context()
        ).start()
        ended = flight.wait(self.contract.patience if patience is None else patience)
        if not answers and not ended:
            self._hung()
        if not answers:
            self._result(flight)
        return answers[0]

    def _hung(self) -> NoReturn:
        if self._broken and self._test != _BROKEN:
            self.left_to(_BROKEN)
        self.fault(
            expected="an answer, or an error.",
            happened=f"it had neither after {self.contract.patience:g} s.",
            mend=(
                "Give a time limit to whatever waits, well below the 10 seconds that a caller waits"
                " for the whole chain, and raise CredentialStoreUnavailableError at its end."
            ),
        )

    def found(self, provider: CredentialProvider) -> Credential:
        """Return the credential; skip if there is none, as another test tells of that."""
        answer = self.ask(provider)
        if not isinstance(answer, Credential) or answer.secret.reveal() not in self._keys:
            self.left_to("test_a_key_that_is_there_is_found")
        if answer.expires_at is not None and answer.expires_at <= datetime.now(timezone.utc):
            self.left_to("test_an_expiry_is_ahead")
        return answer

    def experienced(self) -> CredentialProvider:
        """Return a provider that found a key, and then the one in its place: it had something to
        keep. Else skip.
        """
        self.put()
        provider = self.provider()
        self.found(provider)
        self.both(provider)
        key = self.rotate()
        for answer in self.both(provider).values():
            if not isinstance(answer, Credential) or answer.secret.reveal() != key:
                self.left_to("test_a_rotated_key_is_found_by_the_next_read")
        return provider

    def described(self, provider: CredentialProvider) -> Description:
        """Return what the provider tells of itself; skip if it cannot, as another test tells of
        that.
        """
        try:
            return provider.describe()
        except Exception:
            self.left_to("test_describe_answers_without_contact_and_does_not_raise")

    def left_to(self, test: str) -> NoReturn:
        """Skip, so that one fault fails one test."""
        pytest.skip(f"{test} fails, and this test needs what it proves.")

    # --- Words ---

    def shown_in(self, text: str, *known: str) -> str | None:
        """Return the place in a text where a secret shows, masked, or None.

        Args:
            text: what to look through.
            known: parts of it that another test looks at.
        """
        for part in known:
            for form in (part, repr(part)[1:-1]):
                text = text.replace(form, "") if form else text
        hidden = self.redacted(text)
        if hidden == text:
            return None
        at = next(
            index
            for index, (old, new) in enumerate(zip(text, hidden + "\0", strict=False))
            if old != new
        )
        return " ".join(hidden[max(0, at - 60) : at + 60].split())

    def redacted(self, text: str) -> str:
        """Return a text without the keys of this test, or anything that would give one away."""
        for secret in (*self._keys, *self.contract.secrets()):
            raw = secret.encode()
            for form in (secret, base64.b64encode(raw).decode(), raw.hex(), secret[::-1]):
                text = text.replace(form, f"<{Secret(secret)}>")
            for start in range(3, len(secret) - _TELLING + 1):
                text = text.replace(secret[start : start + _TELLING], "<...>")
        return text

    def fault(self, *, expected: str, happened: str, mend: str) -> NoReturn:
        """Fail the test with words for the author, without a traceback, which could show a key."""
        words = f"Expected: {expected}\nHappened: {happened}\nTo mend:  {mend}"
        pytest.fail(self.redacted(words), pytrace=False)


def named(answer: Result) -> str:
    """Return what an answer is, for a sentence; mask it before it is shown."""
    if isinstance(answer, CredentialError):
        return f"{type(answer).__name__}: {answer.message}"
    return f"the credential {answer}"


def printed(value: object, how: Callable[[object], str] = repr) -> str:
    """Return how a value prints, or nothing if it cannot."""
    try:
        return how(value)
    except Exception:
        return ""
