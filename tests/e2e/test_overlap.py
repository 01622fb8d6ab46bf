"""A key reaches OpenBao, or a key file, before the API knows it: no call fails under traffic, and
each rotation costs a read or two more than one that the API knows in time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from tests.e2e.stage import Rotation, atraffic, traffic, wait_until

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    AuthenticationError,
    CredentialEvent,
    EnvProvider,
    Pipeline,
    ProviderChain,
    VectorShift,
    on_event,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vectorshift.testing import FakeVectorShift, OpenBaoServer

NEW = "vs-written-before-the-api-knows-it"


@pytest.fixture
def rejections() -> Iterator[list[CredentialEvent]]:
    seen: list[CredentialEvent] = []
    stop = on_event(lambda event: seen.append(event) if event.kind == "rejected" else None)
    yield seen
    stop()


@pytest.fixture
def process(chain: ProviderChain) -> Iterator[None]:
    """The chain of OpenBao as that of the process, for `refresh`."""
    vectorshift.configure(credentials=chain)
    yield
    vectorshift.reset()


@pytest.mark.usefixtures("process")
def test_16_threads_lose_no_call_while_a_new_key_in_openbao_is_not_known_yet(
    rotation: Rotation, chain: ProviderChain, rejections: list[CredentialEvent]
) -> None:
    client, old = VectorShift(chain, base_url=rotation.api.base_url), rotation.keys[0]
    with client, traffic(16, lambda: Pipeline.list(client=client)) as threads:
        threads.turn()
        rotation.put(NEW)
        assert vectorshift.refresh().secret.reveal() == NEW
        for _ in range(5):
            threads.turn()
        rotation.api.create_key(key=NEW)
        wait_until(lambda: NEW in rotation.accepted())
        threads.turn()  # no call meets both the late key and the revocation
        rotation.api.revoke_key(old)
        threads.turn()
    assert threads.failures == []
    assert [event.previous_fingerprint is not None for event in rejections[:1]] == [True]


@pytest.mark.usefixtures("process")
def test_200_tasks_lose_no_call_while_a_new_key_in_openbao_is_not_known_yet(
    rotation: Rotation, chain: ProviderChain, openbao: OpenBaoServer, path: str
) -> None:
    async def main() -> None:
        client, old = AsyncVectorShift(chain, base_url=rotation.api.base_url), rotation.keys[0]
        async with client, atraffic(200, lambda: Pipeline.alist(client=client)) as tasks:
            await tasks.turn()
            await anyio.to_thread.run_sync(rotation.put, NEW)
            assert (await vectorshift.arefresh()).secret.reveal() == NEW
            reads = openbao.reads(path)
            await tasks.turn()
            assert openbao.reads(path) <= reads + 8  # pauses double: no more in two minutes
            rotation.api.create_key(key=NEW)
            with anyio.fail_after(60):
                while NEW not in rotation.accepted():
                    await anyio.sleep(0.01)
            await tasks.turn()
            rotation.api.revoke_key(old)
            await tasks.turn()
        assert tasks.failures == []

    asyncio.run(main())


def test_threads_lose_no_call_while_a_new_key_in_a_file_is_not_known_yet(
    api: FakeVectorShift, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    rotation = Rotation(api, file.write_text)
    client = VectorShift(EnvProvider(file=file), base_url=api.base_url)
    with client, traffic(8, lambda: Pipeline.list(client=client)) as threads:
        threads.turn()
        new = tmp_path / "new"
        new.write_text(NEW)
        new.replace(file)
        wait_until(lambda: any(sent.key and sent.key.reveal() == NEW for sent in api.requests))
        for _ in range(5):
            threads.turn()
        api.create_key(key=NEW)
        wait_until(lambda: NEW in rotation.accepted())
    assert threads.failures == []


@pytest.mark.usefixtures("process")
def test_a_key_that_openbao_has_deleted_ends_both(
    rotation: Rotation, chain: ProviderChain, openbao: OpenBaoServer, path: str
) -> None:
    client = VectorShift(chain, base_url=rotation.api.base_url)
    Pipeline.list(client=client)
    rotation.put(NEW)
    vectorshift.refresh()
    Pipeline.list(client=client)
    openbao.delete(path)
    for _ in range(2):
        with pytest.raises(vectorshift.CredentialRevokedError):
            vectorshift.refresh()
        with pytest.raises(vectorshift.CredentialRevokedError):
            Pipeline.list(client=client)
    rotation.put(NEW)
    vectorshift.refresh()
    with pytest.raises(AuthenticationError):
        Pipeline.list(client=client)
