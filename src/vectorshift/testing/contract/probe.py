"""What the tests of the contract share: keys, providers, ways to ask, and words for the author."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import secrets
import string
import threading
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import pytest

from vectorshift._platform.background import BackgroundTask
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST, Result
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError
from vectorshift.settings.plugin import declared
from vectorshift.testing.contract.hooks import SourceHooks, is_written
from vectorshift.testing.contract.process import restore, snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from vectorshift.credentials.provider import CredentialProvider, Description
    from vectorshift.settings import Settings

__all__ = ["BROKEN", "LeftToAnother", "Probe", "Skipped", "lacking", "named", "printed"]

T = TypeVar("T")


class LeftToAnother(pytest.skip.Exception):  # type: ignore[misc, name-defined]
    """Skips a test that needs what another one proves."""


Skipped = pytest.skip.Exception

BROKEN = "test_a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
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
        self._settings: Settings | None = None
        self.initial = snapshot()

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

    def may_be(self, state: str) -> str:
        """Return a state of the source; skip if the hook that brings it about is left out."""
        if state == "refused" and not is_written(self.contract, "deny"):
            self.contract.deny()
        return state

    def counted(self) -> int:
        """Return how often the source was read; skip if nobody counts."""
        count = self.contract.reads()
        if count is None:
            self.lack(
                "reads",
                f"{type(self.contract).__name__} leaves out the hook reads(), which counts reads of"
                " the source.",
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
        """Close what was made, and bring the state of the process back.

        What `close` raises, or that it hangs, is for a test of its own.
        """
        kind = type(self.contract)
        for provider in self._made:
            task = BackgroundTask(provider.close).start()
            if not task.wait(0 if "_close_hangs" in vars(kind) else self.contract.patience):
                kind._close_hangs = True  # type: ignore[attr-defined]  # the others do not wait
        restore(self.initial)

    def chain(self, *providers: CredentialProvider) -> ProviderChain:
        """Return a chain; skip if it does not take them, as another test tells of that."""
        try:
            return ProviderChain(providers)
        except ValueError:
            self.left_to("test_its_attributes_are_such_as_a_chain_takes")

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
        except (Exception, pytest.fail.Exception, pytest.skip.Exception):
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
        over = threading.Event()  # what a getter leaves running may keep the loop from its end

        async def kept() -> None:
            answers.append(await main())
            over.set()

        def run() -> None:
            try:
                asyncio.run(kept())
            finally:
                over.set()

        flight = BackgroundTask(run, context=contextvars.copy_context()).start()
        if not over.wait(self.contract.patience if patience is None else patience):
            self._hung()
        if not answers:
            flight.wait(self.contract.patience)
            self._result(flight)
        return answers[0]

    def leaves_its_loop(self, main: Callable[[], Awaitable[object]]) -> bool:
        """Return whether an event loop can be closed after this has run in it."""
        task = BackgroundTask(lambda: asyncio.run(cast("Any", main)()))
        return task.start().wait(self.contract.patience)

    def _hung(self) -> NoReturn:
        if self._broken and self._test != BROKEN:
            self.left_to(BROKEN)
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

    def need(self, package: str, why: str) -> None:
        """Skip if a package is not installed, or something else is not there."""
        if find_spec(package) is None:
            self.lack(package, f"{package} is not installed: {why}")

    def lack(self, what: str, words: str) -> NoReturn:
        """Skip, as something is not there."""
        skipped = pytest.skip.Exception(words)
        skipped.package = what  # type: ignore[attr-defined]
        raise skipped

    def left_to(self, test: str) -> NoReturn:
        """Skip, so that one fault fails one test."""
        raise LeftToAnother(f"{test} fails, and this test needs what it proves.")

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
        for secret in (*self._keys, *self.contract.secrets(), *self._declared()):
            raw = secret.encode()
            # what stands before it in a longer text, such as `user:key`, shifts its base64
            coded = [
                base64.b64encode(b"\0" * shift + raw).decode()[skipped:-4]
                for shift, skipped in ((0, 0), (1, 2), (2, 3))
            ]
            for form in (secret, *coded, raw.hex(), secret[::-1]):
                text = text.replace(form, f"<{Secret(secret)}>")
            for start in range(3, len(secret) - _TELLING + 1):
                text = text.replace(secret[start : start + _TELLING], "<...>")
        return text

    def _declared(self) -> Iterator[str]:
        """Yield the settings that the author calls a `Secret`, as far as they were read."""
        if not is_written(self.contract, "settings"):
            return
        if self._settings is None:
            self._settings = self.contract.settings()
        for name, values in self._settings.plugins.items():
            fields = declared.get(name, {})
            for key, value in values.items():
                if isinstance(value, Secret) and "Secret" in str(
                    getattr(fields.get(key), "annotation", "")
                ):
                    yield value.reveal()

    def fault(self, *, expected: str, happened: str, mend: str) -> NoReturn:
        """Fail the test with words for the author, without a traceback, which could show a key."""
        words = f"Expected: {expected}\nHappened: {happened}\nTo mend:  {mend}"
        pytest.fail(self.redacted(words), pytrace=False)


def lacking(skipped: BaseException) -> str:
    """Return what a skipped test lacks: a package, or the hook in which it was skipped."""
    package = getattr(skipped, "package", None)
    if isinstance(package, str):
        return package
    found, trace = "", skipped.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_name
        found = name if name in vars(SourceHooks) and not name.startswith("_") else found
        trace = trace.tb_next
    return found


def named(answer: Result) -> str:
    """Return what an answer is, for a sentence; mask it before it is shown."""
    if isinstance(answer, CredentialError):
        return f"{type(answer).__name__}: {answer.message}".rstrip(".")
    return f"the credential {answer}"


def printed(value: object, how: Callable[[object], str] = repr) -> str:
    """Return how a value prints, or nothing if it cannot."""
    try:
        return how(value)
    except Exception:
        return ""
