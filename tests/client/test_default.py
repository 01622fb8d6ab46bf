"""With a client that was configured, what is shown and warmed up is what its calls use."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from tests.call_styles import CallStyle
from tests.fakes import Rotating
from tests.organisations import process

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    MissingCredentialError,
    Pipeline,
    Settings,
    VectorShift,
    using,
)
from vectorshift.scope.current import DEFAULT_SCOPE
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
OWN = "vs-of-the-client"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch, "environment") as running:
        yield running


def environment() -> str:
    return DEFAULT_SCOPE.current.get_credential().secret.reveal()


async def shown(style: CallStyle) -> str:
    """Return the key that is shown as that of a call."""
    return str((await style.call(vectorshift, "get_credential")).secret.reveal())


async def used(style: CallStyle) -> str:
    """Return the organisation that a call acts on."""
    pipelines = await style.call(Pipeline, "list", verbose=True)
    return str(pipelines[0].raw["org_name"])


async def test_the_credential_that_is_shown_is_the_one_that_calls_use(
    style: CallStyle, api: FakeVectorShift
) -> None:
    own = api.create_key(org="own")
    vectorshift.configure(client=style.kind(own))
    assert (await used(style), await shown(style)) == ("own", own)
    assert (await used(style.other), await shown(style.other)) == ("environment", environment())
    assert vectorshift.api_key == (environment() if style.prefix else own)
    vectorshift.reset()
    assert await shown(style) == environment()
    await vectorshift.aclose()


async def test_a_block_does_not_change_what_a_client_with_credentials_uses(
    style: CallStyle, api: FakeVectorShift
) -> None:
    vectorshift.configure(client=style.kind(OWN))
    with using("vs-of-the-block"):
        assert await shown(style) == OWN


async def test_a_client_without_credentials_shows_those_of_the_block_or_of_its_settings(
    style: CallStyle, api: FakeVectorShift
) -> None:
    vectorshift.configure(client=style.kind())
    assert await shown(style) == environment()
    with using("vs-of-the-block"):
        assert await shown(style) == "vs-of-the-block"
    vectorshift.configure(client=style.kind(settings=Settings(providers=("explicit",))))
    with pytest.raises(MissingCredentialError):
        await shown(style)


def test_the_attribute_reads_as_none_where_the_client_finds_nothing(api: FakeVectorShift) -> None:
    vectorshift.configure(client=VectorShift(settings=Settings(providers=("explicit",))))
    assert vectorshift.api_key is None


async def test_warming_up_warms_the_client_and_needs_no_other_key(
    style: CallStyle, api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VECTORSHIFT_API_KEY")
    store = Rotating(api.create_key(org="own"), remote=True)
    vectorshift.configure(client=style.kind(store))
    await style.call(vectorshift, "warm_up")
    assert (store.asked, api.requests) == (1, [])
    assert await used(style) == "own"
    assert store.asked == 1


# --- An assigned key that has no effect -----------------------------------------------------------


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("first", ["key", "client"])
async def test_an_assigned_key_beside_a_client_with_its_own_is_told_once(
    style: CallStyle, first: str, api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    given = style.kind(OWN)
    if first == "client":
        vectorshift.configure(client=given)
    vectorshift.api_key = "vs-assigned"
    if first == "key":
        vectorshift.configure(client=given)
    vectorshift.api_key = "vs-assigned-again"
    (warning,) = told(caplog)
    assert warning.startswith(
        f"vectorshift.api_key is set and has no effect on calls of {type(given).__name__}: "
    )
    assert await shown(style) == OWN


def test_beside_clients_of_both_kinds_it_has_no_effect_at_all(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.configure(client=VectorShift(OWN))
    vectorshift.configure(client=AsyncVectorShift(OWN))
    vectorshift.api_key = "vs-assigned"
    assert told(caplog)[0].startswith(
        "vectorshift.api_key is set and has no effect: configure(client=...)"
    )


def test_beside_a_client_without_credentials_it_counts_and_nothing_is_told(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    vectorshift.configure(client=VectorShift())
    vectorshift.api_key = "vs-assigned"
    assert (vectorshift.get_credential().secret.reveal(), told(caplog)) == ("vs-assigned", [])


def test_what_was_read_of_a_client_and_is_assigned_again_leaves_no_trace(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectorshift.configure(client=VectorShift(OWN))
    with monkeypatch.context() as patch:
        patch.setattr(vectorshift, "api_key", "vs-patched")
        assert vectorshift.api_key == OWN
    vectorshift.reset()
    assert asyncio.run(vectorshift.aget_credential()).secret.reveal() == environment()


def test_an_async_look_at_the_key_of_a_configured_client_starts_no_thread(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectorshift.configure(client=AsyncVectorShift(OWN))

    async def main() -> None:
        started: list[object] = []
        monkeypatch.setattr(threading.Thread, "start", started.append)
        assert (await vectorshift.aget_credential()).secret.reveal() == OWN
        assert started == []

    asyncio.run(main())
