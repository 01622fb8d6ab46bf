"""What is open when a loop or the process ends is closed, and nothing is said of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults import FaultServer, answer, hang

from vectorshift.client.async_ import LoopBoundContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AsyncExitStack


# --- An interpreter that ends, and an event loop that ends ---


ROOT = Path(__file__).parents[2]


PROLOGUE = """
import asyncio, sys
import anyio, trio
import vectorshift
from vectorshift.testing import ManualClock
from vectorshift import AsyncVectorShift, Pipeline, Settings, VectorShift
from vectorshift.client.default import async_client, sync_client
import httpcore
"""


EACH = """
import json, os, signal, sys
for line in sys.stdin:
    url, said, code = json.loads(line)
    if not (child := os.fork()):
        os.dup2(os.open(said, os.O_CREAT | os.O_WRONLY), 2)
        signal.alarm(60)
        break
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
else:
    sys.exit()
exec(code)
"""


BEGIN = '''
vectorshift.configure(settings=Settings(base_url=url), credentials="k")

async def main():
    """Leave a task to the loop that has only begun."""
    begun = anyio.Event()
    if run is trio.run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, begun)
            await begun.wait()
            nursery.cancel_scope.cancel()
    else:
        asyncio.get_running_loop().kept = asyncio.create_task(work(begun))
        await begun.wait()
'''


HELD = """
        async def main():
            global held
            held = pieces()
            await anext(held)
        run(main)
        del held
"""
LEFT_OPEN = {
    "the ambient sync client": "sync_client().request('GET', '/x')",
    "a stream of the ambient client that was begun": (
        """
        block = sync_client().stream("GET", "/slow")
        stream = block.__enter__()
        next(stream.iter_bytes())
    """
    ),
    "a stream of a client that was dropped": (
        """
        block = VectorShift("k", base_url=url).stream("GET", "/slow")
        stream = block.__enter__()
        next(stream.iter_bytes())
    """
    ),
    "the ambient async client": (
        """
        async def main():
            await async_client().request("GET", "/x")
        run(main)
    """
    ),
    "a stream of the ambient async client that was begun": (
        """
        async def main():
            global block
            block = async_client().stream("GET", "/slow")
            stream = await block.__aenter__()
            async for piece in stream.aiter_bytes():
                break
        run(main)
    """
    ),
    "a stream that a daemon thread has in its hands": (
        """
        import threading
        begun, never = threading.Event(), threading.Event()

        def read():
            with sync_client().stream("GET", "/slow") as stream:
                next(stream.iter_bytes())
                begun.set()
                never.wait()

        threading.Thread(target=read, daemon=True).start()
        begun.wait()
    """
    ),
    "a stream that is found again when half of the interpreter is gone": (
        """
        import threading
        block = sync_client().stream("GET", "/slow")
        next(block.__enter__().iter_bytes())
        threading.current_thread().kept = block
        del block
    """
    ),
    "a block that was dropped": (
        """
        stream = sync_client().stream("GET", "/slow").__enter__()
    """
    ),
    "a task in the middle of a stream": (
        """
        async def work(begun):
            async with async_client().stream("GET", "/slow") as stream:
                async for piece in stream.aiter_lines():
                    begun.set()
        run(main)
    """
    ),
    "a call in the middle of a retry": (
        """
        class Endless(ManualClock):
            async def asleep(self, seconds):
                self.begun.set()
                await anyio.sleep_forever()

        async def work(begun):
            clock = Endless()
            clock.begun = begun
            await AsyncVectorShift("k", base_url=url, clock=clock).request("GET", "/busy")
        run(main)
    """
    ),
    "a streamed run that is held": (
        """
        async def main():
            global chunks
            chunks = Pipeline("p").astream()
            await anext(chunks)
        run(main)
        del chunks
    """
    ),
    "a streamed run whose loop was left": (
        """
        async def main():
            async for chunk in Pipeline("p").astream():
                break
            await anyio.sleep(0)
        run(main)
    """
    ),
    "a streamed run whose loop was left at the very end": (
        """
        async def main():
            async for chunk in Pipeline("p").astream():
                break
        run(main)
    """
    ),
    "a streamed run of a client that was dropped with it": (
        """
        async def main():
            async for chunk in Pipeline("p", client=AsyncVectorShift("k", base_url=url)).astream():
                break
        run(main)
    """
    ),
    "a task in the middle of a streamed run": (
        """
        async def work(begun):
            async for chunk in Pipeline("p").astream():
                begun.set()
        run(main)
    """
    ),
    "a generator around a streamed run that is held": (
        """
        async def pieces():
            async for chunk in Pipeline("p").astream():
                yield chunk
    """
        + HELD
    ),
    "a generator around a block of a stream that is held": (
        """
        async def pieces():
            async with async_client().stream("GET", "/slow") as stream:
                async for piece in stream.aiter_bytes():
                    yield piece
    """
        + HELD
    ),
    "a block that is held and of which nothing was read": (
        """
        async def main():
            global block
            block = async_client().stream("GET", "/slow")
            await block.__aenter__()
        run(main)
        del block
    """
    ),
    "an async block that was dropped": (
        """
        async def main():
            await async_client().stream("GET", "/slow").__aenter__()
        run(main)
    """
    ),
    "a generator of a stream that nobody finished": (
        """
        block = sync_client().stream("GET", "/slow")
        lines = block.__enter__().iter_lines()
        next(lines)
    """
    ),
}


EVENTS = b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"n": 1}\n\n'


EPILOGUE = """
import gc
gc.collect()
"""


RunsToItsEnd = Callable[[str, str], tuple[int, str]]


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunsToItsEnd]:
    """Run code in an interpreter that has imported all there is to import, and ends after it;
    return its status and what it said.
    """
    said = tmp_path_factory.mktemp("ending")
    python = [sys.executable, "-W", "error", "-c"]
    none = ("VECTORSHIFT_", "HTTP_PROXY", "ALL_PROXY")  # no test has scrubbed it yet
    with subprocess.Popen(
        [*python, PROLOGUE + EACH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={n: value for n, value in os.environ.items() if not n.upper().startswith(none)},
    ) as forking:
        pieces, statuses = forking.stdin, forking.stdout
        assert pieces
        assert statuses

        def run(code: str, url: str) -> tuple[int, str]:
            file = said / uuid.uuid4().hex
            print(json.dumps([url, str(file), code]), file=pieces, flush=True)
            return int(statuses.readline()), file.read_text()

        yield run
        pieces.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("what", list(LEFT_OPEN))
def test_it_ends_without_a_warning_and_without_an_open_socket(
    what: str, loop: str, ending: RunsToItsEnd
) -> None:
    code = textwrap.dedent(LEFT_OPEN[what])
    if loop == "trio" and "run(" not in code:
        pytest.skip("sync code has no event loop")
    if "half of the interpreter" in what and sys.version_info < (3, 11):
        pytest.skip(
            "Python 3.10 empties modules, contextlib among them, before it ends the generators that"
            " use them"
        )
    runner = "run = trio.run\n" if loop == "trio" else "def run(main): asyncio.run(main())\n"
    slow = hang(after=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nbegun\n")
    fault = answer(503, b"{}") if "/busy" in code else slow if "/slow" in code else answer()
    if "astream" in code:
        fault = hang(after=EVENTS)
    with FaultServer(fault) as server:
        assert ending(BEGIN + runner + code + EPILOGUE, server.origin) == (0, "")
    assert server.received


# --- `LoopBoundContext` ---


async def both(first: str) -> tuple[list[str], list[Any]]:
    """Leave a block while the event loop closes what it has; return what happened, and what the
    loop complains of.
    """
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    seen: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        await go_on.wait()
        seen.append("closed")

    async def begin(held: AsyncExitStack) -> str:
        held.push_async_callback(close)
        return "open"

    async def leave() -> None:
        await opening.__aexit__(None, None, None)
        seen.append("left")

    async def end() -> None:
        await loop.shutdown_asyncgens()
        seen.append("ended")

    opening = LoopBoundContext(begin)
    assert await opening.__aenter__() == "open"
    tasks = [asyncio.create_task(leave() if first == "leave" else end())]
    await begun.wait()
    tasks.append(asyncio.create_task(end() if first == "leave" else leave()))
    for _ in range(5):
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*tasks)
    return seen, complaints


def test_an_event_loop_that_ends_waits_for_the_block_that_is_being_left() -> None:
    seen, complaints = asyncio.run(both("leave"))
    assert (seen[0], sorted(seen), complaints) == ("closed", ["closed", "ended", "left"], [])


def test_a_block_that_is_left_while_the_event_loop_ends_closes_nothing_twice() -> None:
    seen, complaints = asyncio.run(both("end"))
    assert (sorted(seen), complaints) == (["closed", "ended", "left"], [])


def test_what_was_begun_is_closed_when_opening_fails() -> None:
    closed: list[int] = []

    async def begin(held: AsyncExitStack) -> None:
        held.callback(closed.append, 1)
        raise ValueError("no")

    async def main() -> None:
        async with LoopBoundContext(begin):
            pass

    with pytest.raises(ValueError, match="no"):
        asyncio.run(main())
    assert closed == [1]


def test_a_loop_that_ends_and_a_block_that_is_left_do_not_meet_in_the_keeper() -> None:
    async def begin(held: AsyncExitStack) -> str:
        return "nothing that takes time to close"

    async def main() -> None:
        opening = LoopBoundContext(begin)
        await opening.__aenter__()
        await asyncio.gather(
            opening.__aexit__(None, None, None), opening._finalizer._generator.aclose()
        )

    asyncio.run(main())
