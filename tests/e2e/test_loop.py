"""The event loop never waits: not for a slow store, and not for a file, a socket or a lock on the
way to a key.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from tests.e2e.stage import Gate

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    Pipeline,
    ProviderChain,
    Settings,
    VaultProvider,
    VectorShift,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stage import Rotation

    from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer


def test_200_tasks_cold_on_a_slow_store_hold_up_no_other_task(
    openbao: OpenBaoServer, path: str, rotation: Rotation
) -> None:
    """The store answers only when another task, which looks after the load has begun, lets it.
    Observation to fail, in a copy of the tree, with an `aresolve` that waits as `resolve` does: the
    store never answers."""

    async def main(gate: Gate) -> None:
        chain = ProviderChain([VaultProvider(path, addr=gate.address, token=openbao.root_token)])
        async with AsyncVectorShift(chain, base_url=rotation.api.base_url, timeout=60) as client:
            await client.aprepare()
            calls = [asyncio.create_task(Pipeline.alist(client=client)) for _ in range(200)]
            while not gate.visits:
                await asyncio.sleep(0.001)
            for _ in range(100):  # turns of the loop, while the store says nothing
                await asyncio.sleep(0)
            assert not any(call.done() for call in calls)
            gate.open.set()
            assert [each.raw["status"] for each in await asyncio.gather(*calls)] == [
                "success"
            ] * 200

    with Gate(openbao.address) as gate:
        gate.open.clear()
        asyncio.run(main(gate))
    assert openbao.reads(path) == 1


def work_of(calls: int, api: FakeVectorShift) -> int:
    """Make so many calls at once; return how many functions the loop's thread called for it."""
    count = 0

    def called(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    async def main() -> None:
        async with AsyncVectorShift(api.create_key(), base_url=api.base_url, timeout=120) as client:
            sys.setprofile(called)
            try:
                await asyncio.gather(*(Pipeline.alist(client=client) for _ in range(calls)))
            finally:
                sys.setprofile(None)

    asyncio.run(main())
    return count


def test_300_calls_at_once_take_no_more_work_for_each_than_10(api: FakeVectorShift) -> None:
    """Observation to fail, in a copy of the tree, with one httpx client for all of a loop: 20 times
    the work.
    """
    work_of(1, api)  # what is imported and made once
    assert work_of(300, api) / 300 < 2 * work_of(10, api) / 10


@pytest.fixture
def source(
    request: pytest.FixtureRequest,
    api: FakeVectorShift,
    openbao: OpenBaoServer,
    moto: MotoServer,
    path: str,
    tmp_path: Path,
) -> dict[str, str]:
    """Put a key into one source; return the environment that leads there."""
    key = api.create_key()
    if request.param == "env":
        return {"VECTORSHIFT_API_KEY": key}
    if request.param == "key file":
        (tmp_path / "key").write_text(key)
        return {"VECTORSHIFT_API_KEY_FILE": str(tmp_path / "key")}
    if request.param == "dotenv":
        (tmp_path / ".env").write_text(f"VECTORSHIFT_API_KEY={key}\n")
        return {}
    if request.param == "vault":
        openbao.write(path, {"api_key": key})
        return {"VECTORSHIFT_VAULT_PATH": path, **openbao.environment()}
    moto.put(path, key)
    return {"VECTORSHIFT_AWS_SECRET_ID": path, **moto.environment()}


sources = pytest.mark.parametrize(
    "source", ["env", "key file", "dotenv", "vault", "aws"], indirect=True
)


@sources
def test_a_cold_look_up_makes_no_blocking_call_on_the_loop(
    source: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observation to fail, in a copy of the tree, with files that are looked at on the loop, and
    with loads that run there.
    """
    for name, value in source.items():
        monkeypatch.setenv(name, value)
    chain = ProviderChain.from_settings(Settings.load())

    async def main() -> None:
        for _ in range(2):
            await chain.aget_credential()

    with blockbuster_ctx("vectorshift"):
        asyncio.run(main())
    chain.close()


@sources
def test_a_call_after_awarm_up_makes_no_blocking_call_on_the_loop(
    source: dict[str, str], api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**source, "VECTORSHIFT_BASE_URL": api.base_url}.items():
        monkeypatch.setenv(name, value)
    vectorshift.reset()

    async def main() -> None:
        await vectorshift.awarm_up()
        with blockbuster_ctx("vectorshift"):
            for _ in range(3):
                assert (await Pipeline.alist()).raw["status"] == "success"
        await vectorshift.aclose()

    try:
        asyncio.run(main())
    finally:
        vectorshift.reset()


def test_sync_and_async_calls_in_a_running_loop_work_side_by_side_as_in_a_notebook(
    chain: ProviderChain, rotation: Rotation, openbao: OpenBaoServer, path: str
) -> None:
    async def cells() -> None:
        with VectorShift(chain, base_url=rotation.api.base_url) as client:
            async with AsyncVectorShift(chain, base_url=rotation.api.base_url) as aclient:
                for _ in range(2):
                    assert Pipeline.list(client=client).raw["status"] == "success"
                    rotation.rotate()
                    assert (await Pipeline.alist(client=aclient)).raw["status"] == "success"
                    rotation.rotate()

    asyncio.run(cells())
    assert openbao.reads(path) == 1 + 3


def test_the_watch_for_blocking_calls_watches() -> None:
    """`open` below a function of ours, on the loop, is noticed."""

    async def main() -> None:
        with blockbuster_ctx("vectorshift"):
            Settings.load({"VECTORSHIFT_ENV_FILE": __file__})

    with pytest.raises(BlockingError):
        asyncio.run(main())
