"""When a token is renewed and when it has ended: the rules alone, without a server."""

from __future__ import annotations

import pytest

from vectorshift.credentials import Secret
from vectorshift.providers.vault.tokens import TokenLease

TOKEN = Secret("hvs.token-a1b2c3d4e5")


def grant(life: float | None, full: float | None = None) -> TokenLease:
    return TokenLease(
        token=TOKEN, life=life, full=life if full is None else full, since=(1000.0, 50.0)
    )


@pytest.mark.parametrize(
    ("life", "age", "half", "ended"),
    [
        (3600, 0, False, False),
        (3600, 1799, False, False),
        (3600, 1800, True, False),
        (3600, 3589, True, False),
        (3600, 3590, True, True),
        (60, 53, True, False),
        (60, 54, True, True),
        (1, 0.8, True, False),
        (1, 0.95, True, True),
        (None, 1e9, False, False),
    ],
)
def test_half_and_end_of_a_life(life: float | None, age: float, half: bool, ended: bool) -> None:
    for now in (
        (1000 + age, 50 + age),
        (1000 + age, 50.0),
        (0.0, 50 + age),
    ):  # together, suspended, wall set back
        assert (grant(life).past_half(now), grant(life).has_ended(now)) == (half, ended)


def test_half_of_the_first_life_counts_for_a_token_that_was_renewed_for_less() -> None:
    assert grant(600, 3600).past_half((1000.0, 50.0))


@pytest.mark.parametrize(("life", "half"), [(3600, False), (1801, False), (1800, True), (1, True)])
def test_a_renewal_that_brings_half_of_the_first_life_or_less_brings_nothing(
    life: int, half: bool
) -> None:
    after = grant(3600).renewed({"lease_duration": life, "renewable": True})
    assert (after.life, after.full, after.past_half(after.since)) == (life, 3600, half)


@pytest.mark.parametrize("life", [0, -1, None, "3600", True, [], 1.5])
def test_a_life_that_is_no_positive_whole_number_is_no_end(life: object) -> None:
    found = TokenLease.granted(TOKEN, {"lease_duration": life, "renewable": "yes"})
    assert (found.life, found.renewable) == (None, False)


def test_what_is_looked_up_counts_the_first_life_or_the_period() -> None:
    unknown = TokenLease(token=TOKEN, known=False)
    data = {"ttl": 100, "creation_ttl": 3600, "renewable": True}
    assert unknown.looked_up(data) == TokenLease(token=TOKEN, life=100, full=3600, renewable=True)
    assert unknown.looked_up({**data, "period": 7200}).full == 7200
    assert unknown.looked_up({}) == TokenLease(token=TOKEN)


def test_less_than_a_second_is_not_taken_for_ever() -> None:
    now = (1000.0, 50.0)
    assert grant(3600).renewed({"lease_duration": 0, "renewable": True}).has_ended(now)
    assert grant(None).looked_up({"ttl": 0, "creation_ttl": 3600}).has_ended(now)
    assert not grant(None).looked_up({"ttl": 0, "creation_ttl": 0}).has_ended(now)


def test_a_grant_does_not_show_its_token() -> None:
    assert TOKEN.reveal() not in repr(grant(1))
