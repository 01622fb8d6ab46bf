"""The attempts of a walk, and the words for their failures."""

from __future__ import annotations

import pytest
from tests.fakes import Nothing, Rotating

from vectorshift import Attempt, errors
from vectorshift.chain.outcomes import attempts_of, nothing_found, outcome_of


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (errors.CredentialNotFoundError, "not found"),
        (errors.MissingCredentialError, "not found"),
        (errors.CredentialConfigurationError, "configuration"),
        (errors.CredentialRevokedError, "revoked"),
        (errors.CredentialDeniedError, "denied"),
        (errors.CredentialStoreUnavailableError, "unavailable"),
        (errors.CredentialError, "unavailable"),
    ],
)
def test_each_failure_has_a_word(kind: type[errors.CredentialError], word: str) -> None:
    assert outcome_of(Nothing(), kind("no")) == word


@pytest.mark.parametrize(
    ("said", "source"), [("fake:version-2", "fake:version-2"), (None, "fake:store")]
)
def test_an_attempt_has_the_source_of_the_error_else_that_of_the_provider(
    said: str | None, source: str
) -> None:
    error = errors.CredentialDeniedError("no", source=said)
    (attempt,) = attempts_of(Rotating("k"), error, 1.5)
    assert attempt == Attempt(
        provider="rotating", source=source, outcome="denied", reason="no", seconds=1.5
    )


def test_a_chain_tells_of_its_members_and_an_author_s_error_of_itself() -> None:
    (inner,) = attempts_of(Rotating("k"), errors.CredentialNotFoundError("no"), 1.5)
    assert attempts_of(Nothing(), nothing_found((inner,), ""), 9) == (inner,)
    (own,) = attempts_of(Nothing(), errors.MissingCredentialError("mine"), 9)
    assert (own.provider, own.reason, own.seconds) == ("nothing", "mine", 9)
