"""How a provider behaves in a chain: it never swaps one source for another silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.values import Credential
from vectorshift.errors import CredentialNotFoundError
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, named

if TYPE_CHECKING:
    from vectorshift.credentials.resolving import Result

__all__ = ["ChainTests"]


class ChainTests(SourceHooks):
    """Behaviour in a chain."""

    def test_a_chain_moves_on_when_the_place_is_empty(self, probe: Probe) -> None:
        """An empty place is no failure, unless the user says so."""
        provider = probe.provider()
        if not isinstance(probe.ask(provider), CredentialNotFoundError):
            probe.left_to("test_an_empty_place_is_not_found")
        key = probe.new_key()
        answer = probe.ask(probe.chain(provider, ExplicitProvider(key)))
        if not isinstance(answer, Credential) or answer.secret.reveal() != key:
            probe.fault(
                expected="the key of the next provider in the chain, as this one is empty.",
                happened=f"{named(answer)}.",
                mend="Leave on_missing at 'continue': 'stop' is for the user to say.",
            )

    def test_a_chain_stops_when_the_source_is_broken(self, probe: Probe) -> None:
        """Another source may hold the key of another organisation."""
        probe.put()
        provider = probe.provider()
        probe.break_source()
        _check_that_it_fails(probe, probe.ask(provider))
        answer = probe.ask(probe.chain(provider, ExplicitProvider(probe.new_key())))
        if isinstance(answer, Credential):
            probe.fault(
                expected="the failure of this provider, and not the key of the next one.",
                happened="the next provider was asked.",
                mend="Leave on_error at 'stop': 'continue' is for the user to say.",
            )

    def test_a_chain_goes_past_a_broken_source_if_the_user_says_so(self, probe: Probe) -> None:
        """`on_error="continue"` is an attribute that the user sets."""
        probe.put()
        provider = probe.provider()
        probe.break_source()
        _check_that_it_fails(probe, probe.ask(provider))
        try:
            provider.on_error = "continue"
        except Exception:
            # read-only, as in a frozen dataclass: it is set around the provider, as for a plugin
            provider = adapt(provider)
            provider.on_error = "continue"
        key = probe.new_key()
        answer = probe.ask(probe.chain(provider, ExplicitProvider(key)))
        if not isinstance(answer, Credential) or answer.secret.reveal() != key:
            probe.fault(
                expected="the key of the next provider, as on_error is 'continue'.",
                happened=f"{named(answer)}.",
                mend="Leave on_error a plain attribute.",
            )


def _check_that_it_fails(probe: Probe, answer: Result) -> None:
    if isinstance(answer, Credential | CredentialNotFoundError):
        probe.left_to("test_a_broken_source_is_unavailable_or_misconfigured_and_never_not_found")
