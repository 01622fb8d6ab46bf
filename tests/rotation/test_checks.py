"""A key of another organisation is not written by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import checks

from vectorshift import ApiConnectionError, Pipeline, Secret, VectorShift
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from tests.rotation.stage import Keys


def compared(keys: Keys, old: str, new: str, *, unverified: bool = False) -> str:
    return checks(keys.settings()).compare(Secret(old), Secret(new), unverified=unverified)


def test_two_keys_of_one_organisation_see_the_same(keys: Keys) -> None:
    assert compared(keys, keys.old, keys.new) == "Both keys see the same 2 pipeline(s)."


def test_the_same_key_is_refused_also_unverified(keys: Keys) -> None:
    for unverified in (False, True):
        with pytest.raises(RotationError, match="The new key is the same as the old one"):
            compared(keys, keys.old, keys.old, unverified=unverified)


def test_a_key_that_does_not_work_is_refused_also_unverified(keys: Keys) -> None:
    for unverified in (False, True):
        with pytest.raises(RotationError, match="refuses the new key"):
            compared(keys, keys.old, "vs-nobody-knows-it", unverified=unverified)


def test_doubts_stop_it_unless_they_are_accepted(keys: Keys) -> None:
    unscoped = keys.api.create_key(scopes=())
    revoked = keys.api.create_key()
    keys.api.revoke_key(revoked)
    for old, new, doubt in [
        (keys.old, keys.foreign, "see no pipeline in common"),
        (keys.old, unscoped, "does not let it list pipelines"),
        (unscoped, keys.new, "does not let it list pipelines"),
        (revoked, keys.new, "refuses the old key"),
    ]:
        with pytest.raises(RotationError, match=doubt) as raised:
            compared(keys, old, new)
        assert "--unverified." in raised.value.message
        assert "--unverified accepts that" in compared(keys, old, new, unverified=True)


def test_two_empty_lists_are_a_doubt(keys: Keys) -> None:
    empty = [keys.api.create_key(org="empty") for _ in range(2)]
    with VectorShift(empty[0], settings=keys.settings()) as client:
        for pipeline in Pipeline.list(client=client):
            pipeline.delete()
    with pytest.raises(RotationError, match="Neither key sees a pipeline"):
        compared(keys, *empty)


def test_an_api_that_does_not_answer_stops_it(keys: Keys) -> None:
    keys.api.close()
    with pytest.raises(ApiConnectionError):
        compared(keys, keys.old, keys.new)
