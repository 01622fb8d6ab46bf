"""What a provider does besides answering: it tells of itself, takes note of a refusal, and is
closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialConfigurationError
from vectorshift.settings import Settings
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import named
from vectorshift.testing.contract.watch import watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.testing.contract.probe import Probe

__all__ = ["LifeTests"]


class LifeTests(SourceHooks):
    """Being made, describing, invalidating, closing."""

    def test_the_settings_make_it_without_contact(self, probe: Probe) -> None:
        """Where `VECTORSHIFT_PROVIDERS` names a provider, `from_settings` makes it."""
        settings = self.settings()
        probe.put()
        provider, before = probe.provider(), self.reads()
        made, wrong = _made(provider, settings)
        if not wrong and not isinstance(made, CredentialProvider):
            wrong = f"from_settings(settings()) returned {type(made).__name__}."
        elif made is not None and probe.described(made).source != probe.described(provider).source:
            wrong = (
                f"it looks at {probe.described(made).source}, and not where the one of make() does."
            )
        elif before is not None and self.reads() != before:
            wrong = f"it read the source, as reads() went from {before} to {self.reads()}."
        wrong = wrong or _made(provider, Settings())[1]
        if wrong:
            probe.fault(
                expected=(
                    "a provider like that of make() from the settings of settings(), without"
                    " contact; and None, a provider or CredentialConfigurationError from settings"
                    " that say nothing of it."
                ),
                happened=wrong,
                mend=(
                    "Read the settings with PluginSettings.of, return None if they do not say where"
                    " to look, and read the source in the getter alone."
                ),
            )

    def test_describe_answers_without_contact_and_does_not_raise(self, probe: Probe) -> None:
        """It is called on event loops, on every walk of a chain, and by `repr`."""
        probe.put()
        provider, before = probe.provider(), self.reads()
        told, wrong = _called(probe, provider.describe)
        if not wrong and not isinstance(told, Description):
            wrong = f"it answered with {type(told).__name__}."
        _judge(probe, "describe()", wrong, before)
        if isinstance(probe.ask(provider), Credential) and not provider.describe().configured:
            probe.fault(
                expected="describe().configured to be True, as the getter has found a key.",
                happened=(
                    "it is False, and explain and the CLI would tell a user that this is not asked."
                ),
                mend=(
                    "Say Description(configured=True, ...): from_settings returns None for what is"
                    " not configured."
                ),
            )

    def test_describe_answers_while_the_source_is_broken(self, probe: Probe) -> None:
        """It says where a provider looks, and not what is there."""
        probe.put()
        provider = probe.provider()
        first = probe.described(provider).source
        probe.break_source()
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
        told = probe.described(provider)
        known = () if probe.shown_in(credential.source) is None else (credential.source,)
        if shown := probe.shown_in(f"{told!r} {told.detail}", *known):
            probe.fault(
                expected="a Description without the key or another secret.",
                happened=shown,
                mend="Say in it where you look, and with what kind of access.",
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
                    "Forget what you keep of the rejected credential; whether to serve the key is"
                    " not yours to say."
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

        ways: dict[str, Callable[[], None]] = {
            "close()": closed,
            "aclose()": lambda: probe.run(aclosed),
        }
        for what, does in ways.items():
            try:
                probe.done(does)
                answer = probe.ask(provider)
                wrong = (
                    ""
                    if isinstance(answer, Credential)
                    else f"asked after {what}, it gave {named(answer)}."
                )
            except Exception as error:
                wrong = f"{what} raised {type(error).__name__}."
            if wrong:
                probe.fault(
                    expected="a provider that can be closed twice, and asked afterwards.",
                    happened=wrong,
                    mend="Let close() drop what is held, and the next getter make it anew.",
                )


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
        answer, place = probe.run(lambda: watched(call))
    except Exception as error:
        return None, f"it raised {type(error).__name__}."
    return answer, f"it blocked at {place}." if place else ""


def _judge(probe: Probe, what: str, wrong: str, before: int | None) -> None:
    after = probe.contract.reads()
    if not wrong and before is not None and after is not None and after > before:
        wrong = f"it read the source, as reads() went from {before} to {after}."
    if wrong:
        probe.fault(
            expected=f"{what} to return at once, without contact, and not to raise.",
            happened=wrong,
            mend="Use what the provider was made with, and read nothing.",
        )
