"""The first async call of a process: nothing is imported, read or looked up on the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interpreter import printed

if TYPE_CHECKING:
    from vectorshift.testing import FakeVectorShift

SCRIPT = """
import sys, threading
loop, first = sys.argv[1:]
if loop == "asyncio without trio":
    sys.modules["trio"] = None
import asyncio
if loop == "trio":
    import trio
import vectorshift
from vectorshift import AsyncVectorShift, Pipeline, VectorshiftError
from vectorshift import aget_credential, awarm_up

async def call():
    assert (await Pipeline.alist()).raw["status"] == "success"

async def warm_up():
    await awarm_up()
    await call()

async def credential():
    assert await aget_credential()

async def client():
    async with AsyncVectorShift() as client:
        assert (await client.request("GET", "/pipelines"))["status"] == "success"

async def tenant():
    with vectorshift.using(lambda: "vs-wrong"):
        try:
            await Pipeline.alist()
        except VectorshiftError as error:
            assert error.status_code == 401, error

async def stream():
    async with AsyncVectorShift() as client:
        async with client.stream("GET", "/pipelines") as answer:
            assert [line async for line in answer.aiter_lines()]

async def retry():
    await call()

watched, seen = None, []

def watch(event, args):
    numeric = event == "socket.getaddrinfo" and args[0] == "127.0.0.1"  # it looks nothing up
    if threading.get_ident() == watched and event in EVENTS and not numeric:
        seen.append((event, str(args[0])))

EVENTS = {"import", "open", "os.listdir", "os.scandir", "subprocess.Popen", "socket.getaddrinfo",
          "socket.gethostbyname", "time.sleep"}
sys.addaudithook(watch)

async def main():
    global watched
    watched = threading.get_ident()
    try:
        await globals()[first]()
    finally:
        watched = None
    await vectorshift.aclose()

trio.run(main) if loop == "trio" else asyncio.run(main())
assert not seen, seen
"""


@pytest.mark.parametrize("loop", ["asyncio", "asyncio without trio", "trio"])
@pytest.mark.parametrize(
    "first", ["call", "warm_up", "credential", "client", "tenant", "stream", "retry"]
)
def test_nothing_is_imported_or_read_on_the_event_loop(
    api: FakeVectorShift, loop: str, first: str
) -> None:
    if first == "retry":
        api.fail_next(503)
    key = api.create_key(org="acme")
    printed(SCRIPT, loop, first, VECTORSHIFT_BASE_URL=api.base_url, VECTORSHIFT_API_KEY=key)


BLOCKBUSTER = """
import asyncio, sys
if sys.argv[1] == "without trio":
    sys.modules["trio"] = None
from blockbuster import blockbuster_ctx
import vectorshift
from vectorshift import AsyncVectorShift, Pipeline

async def main():
    for _ in range(2):
        await Pipeline.alist()
    async with AsyncVectorShift() as client:
        async with client.stream("GET", "/pipelines") as answer:
            assert [piece async for piece in answer.aiter_bytes()]
    await vectorshift.awarm_up()
    await vectorshift.aclose()

with blockbuster_ctx():
    asyncio.run(main())
"""


@pytest.mark.parametrize("settings", [{}, {"VECTORSHIFT_TIMEOUT": "9"}], ids=["plain", "settings"])
@pytest.mark.parametrize("trio", ["with trio", "without trio"])
def test_blockbuster_finds_no_blocking_call_in_any_package(
    api: FakeVectorShift, trio: str, settings: dict[str, str]
) -> None:
    settings = {**settings, "VECTORSHIFT_API_KEY": api.create_key(org="acme")}
    printed(BLOCKBUSTER, trio, VECTORSHIFT_BASE_URL=api.base_url, **settings)
