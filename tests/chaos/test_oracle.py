"""The oracle of the chaos campaign refuses what nothing explains."""

from __future__ import annotations

import pytest
from tests.chaos.oracle import MAX_STALE, Call, Fault, Oracle

CUT = Fault("vault", "cut", 100, 110)
SPOILT = Fault("vault", "corrupt", 100, 110)
API = Fault("api", "cut", 100, 110)
FAILING = Fault("api", "5xx", 100, 110)
JUMP = Fault("clock", "+2 d", 105, 105, size=2 * MAX_STALE)
EARLY_JUMP = Fault("clock", "+2 d", 20, 20, size=2 * MAX_STALE)
SMALL_JUMP = Fault("clock", "+1 h", 105, 105, size=3600)
REVOKED = Fault("key of vault", "revoked", 105, 105)
REVOKED_ELSEWHERE = Fault("key of aws", "revoked", 105, 105)


@pytest.mark.parametrize(
    ("error", "warm", "at", "faults", "allowed"),
    [
        ("ApiConnectionError", True, 105, [API], True),
        ("ApiTimeoutError", True, 105, [API], True),
        ("ApiConnectionError", True, 111, [API], False),
        ("ApiConnectionError", True, 105, [CUT], False),
        ("InternalServerError", True, 105, [FAILING], True),
        ("InternalServerError", True, 105, [API], False),
        ("CredentialStoreUnavailableError", False, 105, [CUT], True),
        ("CredentialStoreUnavailableError", False, 111, [CUT], False),
        ("CredentialStoreUnavailableError", True, 106, [CUT], False),
        ("CredentialStoreUnavailableError", True, 106, [CUT, SMALL_JUMP], False),
        ("CredentialStoreUnavailableError", True, 106, [CUT, JUMP], True),
        ("CredentialStoreUnavailableError", True, 180, [CUT, JUMP], True),
        ("CredentialStoreUnavailableError", True, 190, [CUT, JUMP], False),
        ("CredentialStoreUnavailableError", True, 106, [CUT, EARLY_JUMP], False),
        ("CredentialStoreUnavailableError", True, 106, [JUMP], False),
        ("CredentialConfigurationError", False, 105, [CUT], False),
        ("CredentialConfigurationError", False, 105, [SPOILT], True),
        ("AuthenticationError", True, 106, [REVOKED, CUT], True),
        ("AuthenticationError", True, 106, [REVOKED], False),
        ("AuthenticationError", True, 106, [CUT], False),
        ("AuthenticationError", True, 106, [REVOKED_ELSEWHERE, CUT], False),
        ("AuthenticationError", True, 104, [REVOKED, CUT], False),
        ("CredentialNotFoundError", False, 105, [CUT, API, JUMP, REVOKED], False),
        ("CredentialDeniedError", False, 105, [CUT, API, JUMP, REVOKED], False),
        ("KeyError", False, 105, [CUT, API, JUMP, REVOKED], False),
    ],
)
def test_a_failure_is_allowed_only_if_something_explains_it(
    error: str, warm: bool, at: float, faults: list[Fault], allowed: bool
) -> None:
    call = Call("vault", warm, at, at + 0.5, error)
    assert Oracle([*faults]).allows(call) is allowed
