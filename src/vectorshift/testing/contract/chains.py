"""How a provider behaves in a chain: it never swaps one source for another silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.values import Credential
from vectorshift.providers.explicit import ExplicitProvider
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, has_key

if TYPE_CHECKING:
    from vectorshift.credentials.provider import CredentialProvider

__all__ = ["ChainTests"]


class ChainTests(SourceHooks):
    """Behaviour in a chain."""

    def test_a_chain_moves_on_when_the_place_is_empty(self, probe: Probe) -> None:
        """An empty place is no failure, unless the user says so."""
        _moves_on(
            probe,
            probe.provider(),
            why="this one is empty",
            mend="Leave on_missing at 'continue': 'stop' is for the user to say.",
        )

    def test_a_chain_stops_when_the_source_is_broken(self, probe: Probe) -> None:
        """Another source may hold the key of another organisation."""
        provider = probe.reader("broken")
        answer = probe.ask(ProviderChain([provider, ExplicitProvider(probe.new_key())]))
        if isinstance(answer, Credential):
            probe.fault(
                expected="the failure of this provider, not the key of the next one.",
                happened="the next provider was asked.",
                mend="Leave on_error at 'stop': 'continue' is for the user to say.",
            )

    def test_a_chain_goes_past_a_broken_source_if_the_user_says_so(self, probe: Probe) -> None:
        """`on_error="continue"` is an attribute that the user sets."""
        provider = probe.reader("broken")
        try:
            provider.on_error = "continue"
        except Exception:
            # read-only, as in a frozen dataclass: it is set around the provider, as for a plugin
            provider = adapt(provider)
            provider.on_error = "continue"
        why, mend = "on_error is 'continue'", "Leave on_error a plain attribute."
        _moves_on(probe, provider, why=why, mend=mend)


def _moves_on(probe: Probe, provider: CredentialProvider, *, why: str, mend: str) -> None:
    key = probe.new_key()
    probe.gives(
        ProviderChain([provider, ExplicitProvider(key)]),
        lambda answer: has_key(answer, key),
        expected=f"the key of the next provider in the chain, because {why}.",
        mend=mend,
    )
