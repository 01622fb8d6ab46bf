"""Tests of a provider's other duties: it describes itself, notes a rejection, and closes."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialConfigurationError, CredentialStoreUnavailableError
from vectorshift.settings import Settings
from vectorshift.testing.contract.hooks import SourceHooks, is_written
from vectorshift.testing.contract.probe import Probe, has_key, named
from vectorshift.testing.contract.process import CONTACT, audited, environment_read
from vectorshift.testing.contract.sharing import together
from vectorshift.testing.contract.watch import watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.resolving import Result

__all__ = ["LifeTests"]


class LifeTests(SourceHooks):
    """Being made, describing, invalidating, closing."""

    def test_the_settings_make_it_without_contact(self, probe: Probe) -> None:
        """`from_settings` makes a provider that `VECTORSHIFT_PROVIDERS` names."""
        settings = self.settings()
        probe.put()
        provider, before = probe.provider(), self.reads()
        _made(provider, settings)  # imports are done
        with audited() as events, environment_read() as names:
            made, wrong = _made(provider, settings)
        if contact := [event for event, _ in events if event in CONTACT]:
            wrong = wrong or f"it contacted something: {contact[0]}."
        elif names:
            wrong = wrong or f"it read {min(names)} from the environment, and not the settings."
        if not wrong and not isinstance(made, CredentialProvider):
            wrong = f"from_settings(settings()) returned {type(made).__name__}."
        elif made is not None and probe.source(made) != probe.source(provider):
            wrong = f"it reads {probe.source(made)}, not where the provider of make() does."
        elif before is not None and self.reads() != before:
            wrong = f"it read the source, as reads() went from {before} to {self.reads()}."
        wrong = wrong or _made(provider, Settings())[1]
        probe.check(
            wrong,
            expected=(
                "a provider like that of make() from the settings of settings(), without "
                "contact. From settings without it: None, a provider or "
                "CredentialConfigurationError."
            ),
            mend=(
                "Read the settings with PluginSettings.of. Return None if they have no "
                "locator. Read the source only in the getter."
            ),
        )

    def test_what_the_settings_make_finds_the_key_of_its_place(self, probe: Probe) -> None:
        """A setting that `from_settings` forgets, such as a token, fails this test."""
        settings, key = self.settings(), probe.put()
        places = {"settings()": (probe.of_settings(settings), key)}
        if is_written(self, "second_settings"):
            other = probe.new_key()
            second = probe.of_settings(self.second_settings(other))
            places["second_settings()"] = second, other
        probe.check(
            _not_its_own(probe, places),
            expected=(
                "a provider from from_settings that finds the key of the place that the "
                "settings name."
            ),
            mend=(
                "Create a new provider in each call of from_settings, and pass it all "
                "settings: the place, and the token for the store."
            ),
        )

    def test_two_providers_of_two_places_find_a_key_each(self, probe: Probe) -> None:
        """A process has several organisations, and so several providers of one class."""
        key, provider = probe.put(), probe.provider()
        probe.found(provider)
        wrong = _mixed_up(probe, provider, key) or _mixed_up_at_once(probe, provider, key)
        self.remove()
        answer = probe.ask(provider)
        if not wrong and isinstance(answer, Credential) and not has_key(answer, key):
            wrong = "the key of the other place was found, as the own one was empty."
        probe.check(
            wrong,
            expected=(
                "two providers of two places to find their own key, in any order and at the "
                "same time."
            ),
            mend=(
                "Keep arguments and cached answers on the instance (self), not on its class "
                "or module."
            ),
        )

    def test_describe_answers_without_contact_and_does_not_raise(self, probe: Probe) -> None:
        """It is called on event loops, on every walk of a chain, and by `repr`."""
        probe.put()
        provider, before = probe.provider(), self.reads()
        told, wrong = _called(probe, provider.describe)
        if not wrong and not isinstance(told, Description):
            wrong = f"it answered with {type(told).__name__}."
        elif isinstance(told, Description) and not str(told.detail).isprintable():
            wrong = "its detail has a line break or another control character."
        _judge(probe, "describe()", wrong, before)
        if isinstance(probe.ask(provider), Credential) and not provider.describe().configured:
            probe.fault(
                expected="describe().configured to be True, because the getter has found a key.",
                happened=(
                    "it is False, so explain and the CLI would say that this provider is not asked."
                ),
                mend=(
                    "Return Description(configured=True, ...): from_settings returns None for "
                    "what is not configured."
                ),
            )

    def test_describe_answers_while_the_source_is_broken(self, probe: Probe) -> None:
        """It says where a provider looks, and not what is there."""
        probe.put()
        provider = probe.provider()
        first = probe.source(provider)
        self.break_source()
        before = self.reads()
        told, wrong = _called(probe, provider.describe)
        if not wrong and isinstance(told, Description) and told.source != first:
            wrong = f"the source was {first} and is {told.source} now."
        _judge(probe, "describe()", wrong, before)

    def test_describe_shows_no_key(self, probe: Probe) -> None:
        """It is shown by `explain`, in messages and in warnings."""
        probe.put()
        provider = probe.provider()
        credential = probe.found(provider)
        told = provider.describe()
        known = () if probe.shown_in(credential.source) is None else (credential.source,)
        probe.check(
            probe.shown_in(f"{told!r} {told.detail}", *known),
            expected="a Description without the key or another secret.",
            mend="Say where you look, and with what kind of access.",
        )

    def test_invalidate_reads_nothing_and_does_not_raise(self, probe: Probe) -> None:
        """It is called on event loops when the API has refused a key; the next read comes by
        itself.
        """
        probe.put()
        provider = probe.provider()
        credential, before = probe.found(provider), self.reads()
        _, wrong = _called(probe, lambda: provider.invalidate(credential))
        _judge(probe, "invalidate()", wrong, before)
        answer = probe.ask(provider)
        if not isinstance(answer, Credential) or answer.secret != credential.secret:
            probe.fault(
                expected="the key that the source still holds, after invalidate().",
                happened="another key." if isinstance(answer, Credential) else f"{named(answer)}.",
                mend=(
                    "Forget the rejected credential. The chain decides whether the key is used "
                    "again."
                ),
            )

    def test_a_closed_provider_can_be_closed_again_and_asked_again(self, probe: Probe) -> None:
        """Closing gives back what is held; clients close, and are used again, in any order."""
        probe.put()
        provider = probe.provider()
        probe.found(provider)

        async def aclosed() -> None:
            await provider.aclose()
            await provider.aclose()

        def closed() -> None:
            provider.close()
            provider.close()

        other = probe.provider()
        probe.found(other)
        ways: dict[str, Callable[[], object]] = {
            "close()": closed,
            "aclose()": lambda: probe.run(aclosed),
            "close() of another": probe.provider().close,
        }
        wrong = ""
        for what, does in ways.items():
            try:
                probe.done(does)
                for each in (provider, other):
                    answer = probe.ask(each)
                    if not isinstance(answer, Credential):
                        wrong = wrong or f"asked after {what}, it gave {named(answer)}."
            except Exception as error:
                wrong = wrong or f"{what} raised {type(error).__name__}."
        probe.check(
            wrong or _closed_while_read(probe, provider),
            expected="a provider that can be closed at any time, twice, and asked afterwards.",
            mend=(
                "In close(), drop only what this provider created. A running read keeps its "
                "own resources, and the next read creates new ones."
            ),
        )


def _closed_while_read(probe: Probe, provider: CredentialProvider) -> str:
    """Close it again and again while threads ask it; return what was wrong."""
    wrong: list[str] = []

    def ask_or_close(closes: bool) -> Result:
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            if closes:
                provider.close()
                time.sleep(0.002)
                continue
            answer = adapt(provider).resolve(DEFAULT_REQUEST)
            if not isinstance(answer, Credential | CredentialStoreUnavailableError):
                wrong.append(f"asked while it was closed, it gave {named(answer)}.")
        return adapt(provider).resolve(DEFAULT_REQUEST)

    together(probe, [partial(ask_or_close, each) for each in (True, False, False, False)])
    return next(iter(wrong), "")


def _mixed_up(probe: Probe, first: CredentialProvider, key: str) -> str:
    """Ask two providers of two places in turn; return what was wrong."""
    other = probe.new_key()
    second = probe.keep(probe.contract.make_second(other))
    places = {"make()": (first, key), "make_second()": (second, other)}
    return _not_its_own(probe, places) or _not_its_own(
        probe, {"make_second()": (second, other), "make()": (probe.provider(), key)}
    )


def _mixed_up_at_once(probe: Probe, first: CredentialProvider, key: str) -> str:
    """Ask two providers of two places from threads of their own; return what was wrong."""
    other = probe.new_key()
    second = probe.keep(probe.contract.make_second(other))
    wrong: list[str] = []

    def ask(of: str, provider: CredentialProvider, own: str) -> Result:
        answer = adapt(provider).resolve(DEFAULT_REQUEST)
        if not isinstance(answer, Credential):
            wrong.append(f"asked at once, the provider of {of} gave {named(answer)}.")
        elif answer.secret.reveal() != own:
            wrong.append(f"asked at once, the provider of {of} gave another key.")
        return answer

    askers = [("make()", first, key), ("make_second()", second, other)] * 4
    together(probe, [partial(ask, *each) for each in askers])
    return next(iter(wrong), "")


def _not_its_own(probe: Probe, places: dict[str, tuple[CredentialProvider, str]]) -> str:
    """Ask each provider, and each again; return which one did not answer with its own key."""
    keys = {key: of for of, (_, key) in places.items()}
    for of, (provider, key) in [*places.items(), *places.items()]:
        answer = probe.ask(provider)
        if not isinstance(answer, Credential):
            return f"the provider of {of} gave {named(answer)}."
        if (found := answer.secret.reveal()) != key:
            whose = f"the key of {keys[found]}" if found in keys else "another key"
            return f"the provider of {of} gave {whose}."
    return ""


def _made(
    provider: CredentialProvider, settings: Settings
) -> tuple[CredentialProvider | None, str]:
    """Return what the settings make, and what was wrong."""
    try:
        return type(provider).from_settings(settings), ""
    except CredentialConfigurationError as error:
        return None, (
            ""
            if not settings.model_fields_set
            else f"from_settings(settings()) said: {error.message}"
        )
    except (Exception, SystemExit) as error:
        return None, f"from_settings raised {type(error).__name__}."


def _called(probe: Probe, does: Callable[[], object]) -> tuple[object, str]:
    """Call it on a watched event loop; return its answer and what was wrong."""

    async def call() -> object:
        return does()

    try:
        with audited() as events:
            answer, place = probe.run(lambda: watched(call))
    except Exception as error:
        return None, f"it raised {type(error).__name__}."
    if contact := [event for event, _ in events if event in CONTACT]:
        return answer, f"it contacted something: {contact[0]}."
    return answer, f"it blocked: {place}." if place else ""


def _judge(probe: Probe, what: str, wrong: str, before: int | None) -> None:
    after = probe.contract.reads()
    if not wrong and before is not None and after is not None and after > before:
        wrong = f"it read the source, as reads() went from {before} to {after}."
    probe.check(
        wrong,
        expected=f"{what} to return at once, without contact, and without raising.",
        mend="Use what the provider was made with, and read nothing.",
    )
