"""The stand-in API as a server: many callers at once, start, stop, and what it needs to be
installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.testing.plain import names

from vectorshift.testing import FakeVectorShift

# --- Many at once ---------------------------------------------------------------------------------


def test_64_threads_each_see_their_own_organisation(api: FakeVectorShift) -> None:
    together = threading.Barrier(64)

    def caller(number: int) -> list[list[str]]:
        org = f"org{number % 16}"
        key = api.create_key(org=org)
        with httpx.Client(base_url=api.base_url, trust_env=False, verify=False) as client:
            together.wait(30)
            api.add_pipeline("elsewhere", f"p{number}", shared_with=[org])
            return [names(client, key) for _ in range(5)]

    with ThreadPoolExecutor(64) as pool:
        seen = list(pool.map(caller, range(64)))
    for number, lists in enumerate(seen):
        assert lists == [[f"org{number % 16}-assistant", f"org{number % 16}-summary"]] * 5
    assert Counter((request.org, request.status) for request in api.requests) == {
        (f"org{number}", 200): 20 for number in range(16)
    }


def test_1000_tasks_are_answered_and_recorded(api: FakeVectorShift) -> None:
    keys = {org: api.create_key(org=org) for org in ("acme", "globex")}
    api.add_pipeline("globex", "third")

    async def call(number: int, open_files: asyncio.Semaphore) -> int:
        key = keys["globex" if number % 2 else "acme"]
        async with open_files:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", httpx.URL(api.base_url).port
            )
            head = f"GET /v1/pipelines HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 200")
        return (
            answer.count(b'"') // 2 - 3
        )  # strings in the body but for "status", "success", "object_ids"

    async def main() -> list[int]:
        open_files = asyncio.Semaphore(250)
        return await asyncio.gather(*(call(number, open_files) for number in range(1_000)))

    assert asyncio.run(main()) == [2, 3] * 500
    assert Counter(request.org for request in api.requests) == {"acme": 500, "globex": 500}


def test_an_answer_does_not_wait_for_a_delayed_acknowledgement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the server asks of the connections it takes: with Nagle's algorithm an answer comes 40
    ms late.
    """
    given: list[tuple[object, ...]] = []
    plain = socket.socket.setsockopt

    def setsockopt(self: socket.socket, *option: Any) -> None:
        given.append(option)
        plain(self, *option)

    monkeypatch.setattr(socket.socket, "setsockopt", setsockopt, raising=False)
    with FakeVectorShift() as api:
        port = httpx.URL(api.base_url).port or 0
        given.clear()
        with socket.socket() as client:  # one that asks for nothing of the kind itself
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /v1/pipelines HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(9) == b"HTTP/1.1 "
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in given


# --- Life -----------------------------------------------------------------------------------------


def test_closing_waits_for_no_answer_and_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    threads = set(threading.enumerate())
    api = FakeVectorShift(latency=60.0).start()
    port = httpx.URL(api.base_url).port
    assert port is not None
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    idle[0].sendall(b"GET /v1/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    idle[1].sendall(b"GET /v1/pipelines HTTP/1.1\r\nHost: x\r\n\r\n")
    while api.in_flight == 0:
        time.sleep(0.001)
    api.close()
    assert [request.status for request in api.requests] == [], (
        "it did not wait for the answer, due in a minute"
    )
    assert [connection.recv(100) for connection in idle[1:]] == [b""] * 4
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
    for connection in idle:
        connection.close()
    assert set(threading.enumerate()) == threads
    assert [
        record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")
    ] == []
    assert logging.getLogger(
        "uvicorn.access"
    ).propagate  # another uvicorn in this process still logs
    gc.collect()  # an unclosed socket or transport warns here, and a warning fails the test


def test_closing_under_fire_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    ceased = threading.Event()

    def fire(port: int) -> None:
        while not ceased.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 30) as connection,
            ):
                connection.sendall(b"GET /v1/pipelines HTTP/1.1\r\nHost: x\r\n\r\n")
                connection.recv(1)

    for number in range(20):
        ceased.clear()
        with ThreadPoolExecutor(6) as pool, FakeVectorShift(latency=0.002 * (number % 3)) as api:
            for _ in range(6):
                pool.submit(fire, httpx.URL(api.base_url).port or 0)
            while len(api.requests) < 20:
                time.sleep(0.001)
            api.close()
            ceased.set()
    assert caplog.records == []
    gc.collect()


def test_it_comes_back_on_its_port_with_what_it_knew() -> None:
    api = FakeVectorShift()
    with pytest.raises(RuntimeError, match="no address yet"):
        _ = api.base_url
    with api:
        url, key = api.base_url, api.create_key()
        with pytest.raises(RuntimeError, match="runs already"):
            api.start()
        with httpx.Client(base_url=url, trust_env=False) as http:
            assert names(http, key)
            api.close()
            with pytest.raises(httpx.TransportError):
                http.get("/pipelines")
            assert api.start().base_url == url
            assert names(http, key)
    api.close()
    assert [request.status for request in api.requests] == [200, 200]


def test_starting_again_says_so_when_the_port_is_taken() -> None:
    api = FakeVectorShift().start()
    api.close()
    with (
        socket.create_server(("127.0.0.1", httpx.URL(api.base_url).port or 0)),
        pytest.raises(OSError),
    ):
        api.start()
    with api:
        assert httpx.get(f"{api.base_url}/pipelines", trust_env=False).status_code == 401


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_importing_the_package_imports_no_server() -> None:
    code = (
        "import sys, vectorshift.testing; print({'starlette', 'uvicorn', 'boto3', 'hvac'} &"
        " set(sys.modules))"
    )
    assert run(code).stdout == "set()\n"


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_says_what_to_install(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\nfrom vectorshift.testing import"
        " FakeVectorShift"
    )
    said = run(code).stderr.splitlines()
    assert said[-1].startswith("ImportError: ")
    assert package in said[-1]
    assert "pip install 'vectorshift[testing]>=2'" in said[-1]
    assert not any("ModuleNotFoundError" in line for line in said)
