"""Tests of a provider's results: the kind of failure, and a credential that names its source."""

from __future__ import annotations

from datetime import datetime, timezone

from vectorshift.chain.chain import ProviderChain
from vectorshift.chain.order import BUILT_IN
from vectorshift.credentials.values import Credential
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.manners import is_ours
from vectorshift.testing.contract.probe import Probe, has_key

__all__ = ["OutcomeTests"]


class OutcomeTests(SourceHooks):
    """Outcomes."""

    def test_a_key_that_is_there_is_found(self, probe: Probe) -> None:
        """The text that `put` stores is the key."""
        key = probe.put()
        probe.gives(
            probe.provider(),
            lambda answer: has_key(answer, key),
            expected="a Credential with the key that put() stored.",
            mend="Return Credential(secret=..., source=..., provider=self.name) with the stored "
            "text as it is.",
        )

    def test_a_credential_names_its_provider(self, probe: Probe) -> None:
        """Messages and events name a provider as the chain's setting does."""
        probe.put()
        provider = probe.provider()
        credential = probe.found(provider)
        if isinstance(provider, ProviderChain):
            return
        place = credential.source.partition(":")[0]
        if credential.provider != provider.name or (place in BUILT_IN and not is_ours(provider)):
            probe.fault(
                expected=f"a credential of {provider.name!r}, whose source no built-in one has.",
                happened=f"its provider is {credential.provider!r}, and its source begins with"
                f" {place!r}.",
                mend="Say provider=self.name, and source=f'{self.name}:...'.",
            )

    def test_a_source_is_printable_and_shows_neither_key_nor_version(self, probe: Probe) -> None:
        """The source is a place, and stays the same when the key in it changes."""
        probe.put()
        provider = probe.provider()
        first = probe.found(provider)
        probe.rotate()
        second = probe.found(provider)
        happened = ""
        if probe.shown_in(first.source):
            happened = "the source shows the key or another secret."
        elif flaws := [
            # a credential's source is printable by now: describe() is asked past the framework
            each
            for each in (first.source, probe.source(provider))
            if not each.strip() or not each.isprintable()
        ]:
            happened = f"the source is {flaws[0]!r}."
        elif (
            first.source != second.source
        ):  # as it does if it shows a version that is one of the key
            happened = (
                f"after a rotation the source changed from {first.source} to {second.source}."
            )
        probe.check(
            happened,
            expected=(
                "a printable place as the source, such as mine:prod/key, without key and version."
            ),
            mend=(
                "Build the source from the address, not from the content; version= is a "
                "separate field."
            ),
        )

    def test_a_source_is_the_one_that_describe_tells(self, probe: Probe) -> None:
        """`explain` shows the same source before a read as the credential after it."""
        probe.put()
        provider = probe.provider()
        told, credential = probe.source(provider), probe.found(provider)
        if told != credential.source:
            probe.fault(
                expected=f"describe().source to be {credential.source!r}, like the credential.",
                happened=f"it is {told!r}.",
                mend=(
                    "Define describe() with Description(configured=True, source=...), and use that"
                    " source for both."
                ),
            )

    def test_an_empty_place_is_not_found(self, probe: Probe) -> None:
        """Only *not found* lets a chain move on."""
        probe.gives(
            probe.provider(),
            lambda answer: isinstance(answer, CredentialNotFoundError),
            expected="CredentialNotFoundError, because the source is empty.",
            mend="Raise CredentialNotFoundError when the place is empty. Each test begins with an "
            "empty source.",
        )

    def test_a_broken_source_is_unavailable_or_misconfigured_and_never_not_found(
        self, probe: Probe
    ) -> None:
        """A store that is down must not let another source answer, and is not hidden behind its
        last answer.
        """
        provider = probe.experienced()
        self.break_source()
        right = CredentialStoreUnavailableError | CredentialConfigurationError
        probe.gives(
            provider,
            lambda answer: isinstance(answer, right),
            expected="CredentialStoreUnavailableError or CredentialConfigurationError.",
            mend="Raise CredentialNotFoundError only when the source says that it is empty. Let "
            "OSError pass. Keep no key: vectorshift serves the last one for as long as the "
            "user allows.",
            both=True,
        )

    def test_a_refused_access_is_denied_and_never_not_found(self, probe: Probe) -> None:
        """A store that refuses us must not let another source answer, and says nothing about the
        key.
        """
        provider = probe.experienced()
        self.deny()
        probe.gives(
            provider,
            lambda answer: type(answer) is CredentialDeniedError,
            expected="CredentialDeniedError, because the source refuses access.",
            mend="Map the refusal (401, 403, EACCES) to CredentialDeniedError, and keep no key."
            " CredentialRevokedError means that the key itself was deleted, and"
            " CredentialNotFoundError would let another source answer.",
            both=True,
        )

    def test_a_source_that_recovers_is_read_again(self, probe: Probe) -> None:
        """A failure is not kept: how soon to ask again is decided outside the provider."""
        provider = probe.reader("broken")
        self.restore()
        probe.gives(
            provider,
            lambda answer: isinstance(answer, Credential),
            expected="the key, because the source works again.",
            mend="Keep no failure. After a failed connection, open a new one.",
        )

    def test_a_rotated_key_is_found_by_the_next_read(self, probe: Probe) -> None:
        """Caching is done outside the provider: it reads its source each time it is asked."""
        provider = probe.reader()
        probe.both(provider)
        key = probe.rotate()
        probe.gives(
            provider,
            lambda answer: has_key(answer, key),
            expected="the new key after rotate(), and not the old one.",
            mend="Keep no key in the provider. One with remote = True is cached for you.",
            both=True,
        )

    def test_a_removed_key_is_served_no_more(self, probe: Probe) -> None:
        """A key that was removed is a failure of some kind, at the next read."""
        provider = probe.experienced()
        self.remove()
        probe.gives(
            provider,
            lambda answer: not isinstance(answer, Credential),
            expected="a CredentialError after remove(), of any kind.",
            mend="Keep no key in the provider, and hide no failure behind the last answer.",
            both=True,
        )

    def test_an_expiry_is_ahead(self, probe: Probe) -> None:
        """An answer that has expired counts as revoked, so a new one must not have."""
        probe.put()
        answer = probe.ask(probe.provider())
        expires_at = answer.expires_at if isinstance(answer, Credential) else None
        if expires_at is not None and expires_at <= datetime.now(timezone.utc):
            probe.fault(
                expected="expires_at in the future, or None, for a key that was just stored.",
                happened=f"it is {expires_at.isoformat()}.",
                mend="Give the time after which the key must not be used, as an aware datetime.",
            )
