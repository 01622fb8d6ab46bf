"""Shared parts of the contract's tests: keys, providers, ways to ask, and messages."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import secrets
import string
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import pytest

from vectorshift._platform.background import BackgroundTask
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.resolving import DEFAULT_REQUEST, Result
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError
from vectorshift.settings.plugin import declared
from vectorshift.testing.contract.hooks import SourceHooks, is_written
from vectorshift.testing.contract.process import restore, snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.settings import Settings

__all__ = [
    "LeftToAnother",
    "Probe",
    "Skipped",
    "Unmet",
    "amiss",
    "has_key",
    "lacking",
    "named",
    "printed",
]

T = TypeVar("T")


class Unmet(pytest.fail.Exception):  # type: ignore[misc, name-defined]
    """Fails a test that could not begin, as the provider does not do what the test builds on."""


class LeftToAnother(pytest.skip.Exception):  # type: ignore[misc, name-defined]
    """Skips a test that needs what a failed one proves."""


Skipped = pytest.skip.Exception

_LETTERS = string.ascii_letters + string.digits
_TELLING = 8
"""So many characters of a secret in a row give too much of it away."""


class Probe:
    """One test's dealings with a source and its provider.

    Args:
        contract: the author's class, with its hooks.
    """

    def __init__(self, contract: SourceHooks) -> None:
        self.contract = contract
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
        changes = {"removed": hooks.remove, "broken": hooks.break_source, "refused": hooks.deny}
        if state in changes:
            changes[state]()

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
        if hasattr(provider, "close"):  # a test tells of what is no provider
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

    def reader(self, state: str = "found") -> CredentialProvider:
        """Return a provider that has found a key, and bring its source into a state, in which the
        provider finds none.
        """
        self.put()
        provider = self.provider()
        self.found(provider)
        self.bring_about(state)
        with _beginning():
            if state != "found" and isinstance(self.ask(provider), Credential):
                self.fault(
                    expected=f"no key, as the source is {state}.",
                    happened="a key was found.",
                    mend="Keep no key in the provider.",
                )
        return provider

    def of_settings(self, settings: Settings) -> CredentialProvider:
        """Return what `from_settings` makes of these settings."""
        kind = type(self.provider())
        made = self.done(lambda: kind.from_settings(settings))
        if made is None:
            self.fault(
                expected="a provider from the settings of settings() and second_settings().",
                happened="from_settings returned None.",
                mend="Return None only if the settings do not say where to look.",
            )
        return self.keep(made)

    def made_of_settings(self) -> list[CredentialProvider]:
        """Return what `from_settings` makes, if the author wrote `settings` and it makes any."""
        if not is_written(self.contract, "settings"):
            return []
        try:
            return [self.of_settings(self.contract.settings())]
        except (Exception, pytest.fail.Exception):
            return []  # another test tells of that

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

    def source(self, provider: CredentialProvider) -> str:
        """Return the source that a provider describes."""
        try:
            return provider.describe().source
        except Exception as error:
            raise Unmet(f"describe() raised {type(error).__name__}.", pytrace=False) from None

    def gives(
        self,
        provider: CredentialProvider,
        right: Callable[[Result], bool],
        *,
        expected: str,
        mend: str,
        both: bool = False,
    ) -> None:
        """Ask a provider, sync and async if `both`, and tell of an answer that is not right."""
        answers = self.both(provider) if both else {"get_credential": self.ask(provider)}
        for getter, answer in answers.items():
            if not right(answer):
                self.fault(expected=expected, happened=f"{getter} gave {named(answer)}.", mend=mend)

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
            mend="Raise a CredentialError. A BaseException ends the caller's thread or process.",
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
        self.fault(
            expected="an answer, or an error.",
            happened=f"it had neither after {self.contract.patience:g} s.",
            mend=(
                "Give every wait a time limit well below the 10 seconds of the whole chain. At "
                "its end, raise CredentialStoreUnavailableError."
            ),
        )

    def found(self, provider: CredentialProvider) -> Credential:
        """Return the credential that the provider finds."""
        with _beginning():
            answer = self.ask(provider)
            if not isinstance(answer, Credential) or answer.secret.reveal() not in self._keys:
                self.fault(
                    expected="the key that put() stored, each time that a provider is asked.",
                    happened=f"{named(answer)}.",
                    mend="Read the source each time, and return what is there.",
                )
        return answer

    def experienced(self) -> CredentialProvider:
        """Return a provider that found a key, and then the one in its place: it had something to
        keep.
        """
        provider = self.reader()
        with _beginning():
            self.both(provider)
            self.rotate()
            self.both(provider)
        return provider

    def need(self, package: str, why: str) -> None:
        """Skip if a package is not installed, or something else is not there."""
        if find_spec(package) is None:
            self.lack(package, f"{package} is not installed: {why}")

    def lack(self, what: str, words: str) -> NoReturn:
        """Skip, as something is not there."""
        skipped = pytest.skip.Exception(words)
        skipped.package = what  # type: ignore[attr-defined]
        raise skipped

    # --- Words ---

    def shown_in(self, text: str, *known: str) -> str | None:
        """Return the place in a text where a secret shows, redacted, or None.

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

    def check(self, happened: str | None, *, expected: str, mend: str) -> None:
        """Fail the test as `fault` does, if something happened that should not."""
        if happened:
            self.fault(expected=expected, happened=happened, mend=mend)

    def fault(self, *, expected: str, happened: str, mend: str) -> NoReturn:
        """Fail the test with words for the author, without a traceback, which could show a key."""
        words = f"Expected: {expected}\nHappened: {happened}\nTo fix:  {mend}"
        pytest.fail(self.redacted(words), pytrace=False)


@contextlib.contextmanager
def _beginning() -> Generator[None, None, None]:
    """Call a failure of this block an unmet condition: it is not the fault that a test is about."""
    try:
        yield
    except pytest.fail.Exception as error:
        raise Unmet(error.msg, pytrace=False) from None


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


def amiss(answers: Iterable[Result], key: str | None = None) -> str:
    """Describe the first answer that is no credential, or not the one with this key; "" if there is
    none.
    """
    for each in answers:
        if not isinstance(each, Credential) or (key is not None and not has_key(each, key)):
            return f"one of them got {named(each)}."
    return ""


def has_key(answer: Result, key: str) -> bool:
    """Return whether an answer is a credential with this key."""
    return isinstance(answer, Credential) and answer.secret.reveal() == key


def named(answer: Result) -> str:
    """Describe a result in a sentence; redact it before it is shown."""
    if isinstance(answer, CredentialError):
        return f"{type(answer).__name__}: {answer.message}".rstrip(".")
    return f"the credential {answer}"


def printed(value: object, how: Callable[[object], str] = repr) -> str:
    """Return how a value prints, or nothing if it cannot."""
    try:
        return how(value)
    except Exception:
        return ""
