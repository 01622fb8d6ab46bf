"""None is what a look-up of a tenant returns that found nothing. It never leads to another key."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from tests.fakes import Nothing
from tests.organisations import seen

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    CredentialAuth,
    EnvProvider,
    ExplicitProvider,
    MissingCredentialError,
    ProviderChain,
    VectorShift,
    get_credential,
    httpx2_auth,
    using,
)
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "VECTORSHIFT_API_KEY"
none: Any = None


# --- Every way in ---


@pytest.mark.parametrize(
    "use",
    [
        lambda: vectorshift.configure(credentials=none),
        lambda: vectorshift.configure(settings=none),
        lambda: vectorshift.configure(client=none),
        lambda: vectorshift.configure(require_using=none),
        lambda: vectorshift.configure(credentials="vs-a", client=none),
        lambda: using(none),
        lambda: VectorShift(none),
        lambda: VectorShift(credentials=none),
        lambda: AsyncVectorShift(none),
        lambda: CredentialAuth(none, origin="https://api.vectorshift.ai"),
        lambda: httpx2_auth(none, origin="https://api.vectorshift.ai"),
        lambda: ExplicitProvider(none),
        lambda: CachingProvider(none),
        lambda: ProviderChain(none),
        lambda: ProviderChain([none]),
        lambda: ProviderChain([EnvProvider("TENANT_KEY"), none]),
    ],
)
def test_none_is_a_type_error_and_changes_nothing(
    api: FakeVectorShift, use: Callable[[], object]
) -> None:
    vectorshift.configure(credentials=api.create_key(org="configured"))
    with pytest.raises(TypeError, match="None"):
        use()
    assert seen() == "configured"


@pytest.mark.parametrize(
    "empty", [ProviderChain([]), ExplicitProvider(), ProviderChain([Nothing(), ProviderChain([])])]
)
def test_what_is_empty_finds_nothing_and_reaches_no_other_key(
    api: FakeVectorShift, empty: Any
) -> None:
    with using(empty), pytest.raises(MissingCredentialError):
        seen()
    with VectorShift(empty) as client, pytest.raises(MissingCredentialError):
        seen(client)
    vectorshift.configure(credentials=empty)
    with pytest.raises(MissingCredentialError):
        seen()
    assert api.requests == []


# --- vectorshift.api_key = None ---


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


CALLS: dict[str, Callable[[], object]] = {
    "a call": seen,
    "get_credential": vectorshift.get_credential,
    "aget_credential": lambda: asyncio.run(vectorshift.aget_credential()),
    "warm_up": vectorshift.warm_up,
}


@pytest.mark.parametrize("way", CALLS)
@pytest.mark.parametrize("before", ["nothing", "a key", "in use"])
def test_the_first_call_after_none_was_assigned_warns_of_the_source_that_answers(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture, way: str, before: str
) -> None:
    if before == "a key":
        vectorshift.api_key = api.create_key(org="assigned")
    elif before == "in use":
        assert seen() == "process"
    vectorshift.api_key = None
    assert warnings(caplog) == []
    CALLS[way]()
    (warning,) = warnings(caplog)
    assert warning.startswith("vectorshift.api_key was set to None")
    assert f"env:{NAME} is used now" in warning
    caplog.clear()
    for call in CALLS.values():
        call()
    assert warnings(caplog) == []
    vectorshift.api_key = None
    seen()
    assert len(warnings(caplog)) == 1


def test_deleting_the_key_says_nothing(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.api_key = api.create_key(org="assigned")
    assert seen() == "assigned"
    del vectorshift.api_key
    assert seen() == "process"
    vectorshift.api_key = None
    del vectorshift.api_key
    assert seen() == "process"
    assert [each for each in warnings(caplog) if "None" in each] == []


def test_a_key_that_is_assigned_after_none_says_nothing(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.api_key = None
    vectorshift.api_key = api.create_key(org="assigned")
    assert seen() == "assigned"
    del vectorshift.api_key
    assert seen() == "process"
    assert [each for each in warnings(caplog) if "None" in each] == []


def test_nothing_is_said_while_no_other_source_answers(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME)
    vectorshift.api_key = None
    with pytest.raises(MissingCredentialError):
        seen()
    with using(api.create_key(org="tenant")):
        assert seen() == "tenant"
    assert warnings(caplog) == []
    monkeypatch.setenv(NAME, api.create_key(org="late"))
    assert seen() == "late"
    assert len(warnings(caplog)) == 1


def test_a_patch_that_is_undone_says_nothing_if_a_key_could_be_read(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
        assert seen() == "assigned"
    assert seen() == "process"
    with mock.patch("vectorshift.api_key", api.create_key(org="assigned")):
        assert seen() == "assigned"
    assert seen() == "process"


def test_threads_that_call_at_once_warn_once(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(8)

    def call() -> None:
        together.wait(30)
        vectorshift.get_credential()

    vectorshift.api_key = None
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(warnings(caplog)) == 1


def test_explain_shows_the_source_and_leaves_the_warning_to_the_call(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.api_key = None
    report = vectorshift.explain()
    assert report.winner is not None
    assert report.winner.source == f"env:{NAME}"
    assert warnings(caplog) == []
    seen()
    assert len(warnings(caplog)) == 1


A, B = "vs-organisation-a", "vs-organisation-b"


def key() -> str:
    return get_credential().secret.reveal()


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
def test_none_is_not_the_key_of_the_process(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", B)
    tenants: dict[str, str] = {}
    with pytest.raises(TypeError, match="not NoneType"):
        kind(tenants.get("key"))
