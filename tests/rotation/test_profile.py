"""The key of a profile is replaced where it is: in a real keyring, or in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import planned, rotated

from vectorshift import Secret
from vectorshift._platform.urls import origin
from vectorshift.providers.profiles import read_profile, write_profile
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from tests.rotation.stage import Keys


def store(keys: Keys, key: str, *, in_file: bool) -> None:
    write_profile("acme", Secret(key), origin=origin(keys.api.base_url), in_file=in_file)


def test_a_profile_in_the_file_is_rotated(keys: Keys) -> None:
    store(keys, keys.old, in_file=True)
    write_profile("other", Secret("vs-other"), origin="https://api.vectorshift.ai", in_file=True)
    done = rotated(keys.settings(profile="acme"), keys.new, "login")
    assert done.chain == "A call uses the new key, from login:acme."
    assert "within 300 s" in done.wait
    profile, key = read_profile("acme")
    assert (profile.keyring, key.reveal()) == (None, keys.new)
    assert read_profile("other")[1].reveal() == "vs-other"


@pytest.mark.usefixtures("keyring")
def test_a_profile_in_a_keyring_stays_there(keys: Keys) -> None:
    store(keys, keys.old, in_file=False)
    rotated(keys.settings(profile="acme"), keys.new, "login")
    profile, key = read_profile("acme")
    assert (profile.keyring, key.reveal()) == ("Secret Service", keys.new)


def test_a_key_for_another_api_is_not_sent_to_this_one(keys: Keys) -> None:
    write_profile("acme", Secret(keys.old), origin="https://api.vectorshift.ai", in_file=True)
    with pytest.raises(RotationError, match=r"is for https://api\.vectorshift\.ai"):
        rotated(keys.settings(profile="acme"), keys.new, "login")
    assert keys.api.requests == []


def test_a_profile_that_somebody_else_changed_meanwhile_stays_theirs(keys: Keys) -> None:
    store(keys, keys.old, in_file=True)
    plan = planned(keys.settings(profile="acme"), keys.new, "login")
    store(keys, "vs-of-somebody-else", in_file=True)
    with pytest.raises(RotationError, match="somebody else changed it"):
        plan.target.write(plan.key)
    assert read_profile("acme")[1].reveal() == "vs-of-somebody-else"


def test_without_a_profile_there_is_nothing_to_write(keys: Keys) -> None:
    with pytest.raises(RotationError, match="There is no profile acme"):
        rotated(keys.settings(profile="acme"), keys.new, "login")
