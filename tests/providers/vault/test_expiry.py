"""A key that ends: by its secret's custom metadata, or by the version's own deletion time."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from vectorshift import ProviderChain, errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.providers.vault.classify import parse_time
from vectorshift.providers.vault.value import read_expiry

if TYPE_CHECKING:
    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
NOON = datetime(2031, 5, 6, 12, tzinfo=timezone.utc)


def mark(server: OpenBaoServer, path: str, **metadata: Any) -> None:
    server.call("POST", f"secret/metadata/{path}", metadata)


def test_the_custom_metadata_of_the_secret_say_when_the_key_ends(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    assert provider(openbao, stored).get_credential().expires_at is None
    mark(
        openbao, stored, custom_metadata={"expires_at": "2031-05-06T14:00:00+02:00", "owner": "me"}
    )
    before = openbao.calls(f"secret/metadata/{stored}")
    assert provider(openbao, stored).get_credential().expires_at == NOON
    assert provider(openbao, stored, version=1).get_credential().expires_at == NOON
    assert openbao.calls(f"secret/metadata/{stored}") == before, "the read itself tells"


def test_a_version_that_deletes_itself_ends_then_if_that_is_earlier(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    mark(
        openbao,
        stored,
        delete_version_after="1h",
        custom_metadata={"expires_at": "2091-01-01T00:00:00Z"},
    )
    openbao.write(stored, {"api_key": KEY})
    ends = provider(openbao, stored).get_credential().expires_at
    assert ends is not None
    assert timedelta(minutes=59) < ends - datetime.now(timezone.utc) <= timedelta(hours=1)


def test_a_key_that_has_ended_is_revoked(
    openbao: OpenBaoServer, stored: str, provider: MakeProvider
) -> None:
    mark(openbao, stored, custom_metadata={"expires_at": "2021-01-01T00:00:00Z"})
    with pytest.raises(errors.CredentialRevokedError, match="had expired"):
        ProviderChain([provider(openbao, stored)]).get_credential()


@pytest.mark.parametrize(
    "value", ["soon-7777", "2031-05-06", "2031-05-06T12:00:00", "2031-13-06T12:00:00Z"]
)
def test_a_malformed_time_is_a_configuration_error_that_names_the_key_and_not_its_value(
    value: str, openbao: OpenBaoServer, stored: str, provider: MakeProvider, failure: Failure
) -> None:
    mark(openbao, stored, custom_metadata={"expires_at": value})
    said = failure(provider(openbao, stored), errors.CredentialConfigurationError)
    assert "custom metadata's 'expires_at'" in said
    assert f"-custom-metadata=expires_at=... {stored}" in said
    assert value not in said


def test_a_malformed_deletion_time_and_strange_metadata_are_passed_over(tiny: MakeTiny) -> None:
    for metadata in (
        {"version": 1, "deletion_time": "x", "custom_metadata": None},
        {"custom_metadata": ["expires_at"]},
    ):
        with tiny(
            200, json.dumps({"data": {"data": {"api_key": KEY}, "metadata": metadata}})
        ) as server:
            assert (
                VaultProvider("vs", addr=server.address, token="t").get_credential().expires_at
                is None
            )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2031-05-06T12:00:00Z", NOON),
        ("2031-05-06t12:00:00z", NOON),
        ("2031-05-06 12:00:00.123456789Z", NOON),
        ("2031-05-06T07:30:00-04:30", NOON),
        (" 2031-05-06T12:00:00+00:00\n", NOON),
        ("2031-05-06T12:00:00+0000", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("2031-05-06T12:00:60Z", None),
        ("２031-05-06T12:00:00Z", None),
        (1_936_000_000, None),
        (None, None),
    ],
)
def test_times_are_read_as_rfc_3339_has_them(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@given(
    st.datetimes(
        timezones=st.timezones(), min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)
    )
)
def test_every_aware_time_that_python_writes_in_whole_minutes_is_read(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    if offset.total_seconds() % 60 == 0:
        assert parse_time(moment.isoformat()) == moment.astimezone(timezone.utc).replace(
            microsecond=0
        )


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_no_metadata_break_it(value: object) -> None:
    metadata = {"custom_metadata": {"expires_at": value}, "deletion_time": value}
    with suppress(ValueError):
        assert isinstance(read_expiry(metadata), datetime | None)
