"""A key that is assigned and has no effect is told of: it may be of another organisation than the
one in use.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import vectorshift
from vectorshift.credentials.values import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, OTHER = "vs-assigned", "vs-configured"


@pytest.fixture(autouse=True)
def _fresh(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, "vectorshift")
    vectorshift.reset()
    yield
    vectorshift.api_key = None
    vectorshift.reset()


def test_assigning_a_key_after_credentials_were_configured_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = KEY
    (warning,) = caplog.messages
    assert "vectorshift.api_key is set and has no effect" in warning
    assert KEY not in warning
    assert vectorshift.get_credential().fingerprint == fingerprint(OTHER)


def test_configuring_credentials_over_an_assigned_key_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vectorshift.api_key = KEY
    vectorshift.configure(credentials=OTHER)
    assert "has no effect" in caplog.text


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = KEY
    vectorshift.api_key = "vs-a-third"
    vectorshift.configure(settings=vectorshift.Settings())
    assert len(caplog.messages) == 1


def test_an_assigned_key_that_is_used_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.api_key = KEY
    vectorshift.get_credential()
    vectorshift.api_key = OTHER
    vectorshift.configure(settings=vectorshift.Settings())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_unsetting_the_key_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    vectorshift.configure(credentials=OTHER)
    vectorshift.api_key = None
    del vectorshift.api_key
    assert caplog.messages == []
