"""Forks of a process with warm connections and a refresh in flight, and gunicorn, which forks its
workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.e2e.stage import Gate, Rotation, environment, script, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vectorshift.testing import OpenBaoServer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def mirror() -> Iterator[str]:
    """An API that answers each request with the port that it came from and the key that it had."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A body would wait 40 ms for the client to confirm the head.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = json.dumps(
                {"port": self.client_address[1], "key": self.headers["Authorization"]}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


FORKING = """
    import asyncio, json, multiprocessing, os, sys, threading, time, warnings
    from vectorshift import AsyncVectorShift, ProviderChain, Settings, VaultProvider, VectorShift
    from vectorshift.testing import ManualClock

    # It forks with threads, on purpose.
    warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
    how, address, token, path = sys.argv[1:]
    clock = ManualClock()
    vault = VaultProvider(path, addr=address, token=token)
    chain = ProviderChain([vault], max_stale=305, clock=clock)
    client, aclient = VectorShift(chain), AsyncVectorShift(chain)

    def ask() -> dict:
        return client.request("GET", "/who")

    def aask() -> dict:
        return asyncio.run(aclient.request("GET", "/who"))

    def child(write) -> None:
        if how == "late":
            clock.advance(5)  # the cached key is past its end: only its own load helps
        write(json.dumps({"pid": os.getpid(), "sync": ask(), "async": aask()}))

    def forked() -> str:
        if how == "multiprocessing":
            context = multiprocessing.get_context("fork")
            ours, theirs = context.Pipe()
            process = context.Process(target=child, args=(theirs.send,))
            process.start()
            assert ours.poll(60), "the child hangs"
            said = ours.recv()
            process.join()
            return said
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                child(lambda said: os.write(write, said.encode()))
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            said = pipe.read()
        os.waitpid(pid, 0)
        return said

    before = ask()
    print("warm", flush=True)
    sys.stdin.readline()          # the store is held from here on
    clock.advance(301)
    ask()                         # begins a refresh
    sys.stdin.readline()          # it has arrived at the store, which lets later ones through
    said = forked()
    found = {"before": before, "after": ask(), "child": json.loads(said)}
    print(json.dumps({"pid": os.getpid(), **found}), flush=True)
"""


@pytest.mark.parametrize("how", ["os", "multiprocessing", "late"])
def test_a_child_of_a_process_with_warm_connections_and_a_refresh_in_flight_works_and_harms_nobody(
    how: str, mirror: str, rotation: Rotation, openbao: OpenBaoServer, path: str, tmp_path: Path
) -> None:
    """Observation to fail, in a copy of the tree: without `Pool._after_fork` the child answers from
    its parent's port; without that of `CachingProvider` the late child waits for a thread that it
    does not have."""
    with Gate(openbao.address) as gate:
        command = [*script(tmp_path, FORKING), how, gate.address, openbao.root_token, path]
        process = subprocess.Popen(
            command,
            env=environment(VECTORSHIFT_BASE_URL=mirror),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                assert process.stdout.readline() == "warm\n"
                gate.hang_up()
                gate.held, visits = True, gate.visits
                process.stdin.write("hold\n")
                process.stdin.flush()
                wait_until(lambda: gate.visits > visits)
                gate.held = False
                said, _ = process.communicate("fork\n", timeout=120)
            finally:
                process.kill()
    told = json.loads(said)
    child = told["child"]
    assert child["pid"] != told["pid"]
    assert told["before"]["port"] == told["after"]["port"]
    assert len({told["before"]["port"], child["sync"]["port"], child["async"]["port"]}) == 3
    keys = {each["key"] for each in (told["before"], told["after"], child["sync"], child["async"])}
    assert keys == {f"Bearer {rotation.keys[0]}"}


# --- gunicorn ---

APPLICATION = """
    import json, os
    import vectorshift
    from vectorshift import Pipeline

    vectorshift.warm_up()
    Pipeline.list()  # the master's connection is warm
    MASTER = os.getpid()

    def application(environ, start_response):
        status = Pipeline.list().raw["status"]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"status": status, "pid": os.getpid(), "master": MASTER}).encode()]
"""


def gunicorn(folder: Path, variables: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    script(folder, APPLICATION)
    log = (folder / "gunicorn.log").open("wb")
    with log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "--preload",
                "--bind=127.0.0.1:0",
                *options,
                "program:application",
            ],
            cwd=folder,
            env=variables,
            stdout=log,
            stderr=log,
        )


def address_of(folder: Path, workers: int) -> str | None:
    """Return where gunicorn listens, once all its workers are there."""
    log = (folder / "gunicorn.log").read_text()
    if log.count("Booting worker") < workers:
        return None
    return log.partition("Listening at: ")[2].partition(" ")[0]


def test_gunicorn_workers_of_a_preloaded_application_work_and_pick_up_rotations(
    rotation: Rotation, openbao: OpenBaoServer, path: str, tmp_path: Path
) -> None:
    """Two workers inherit the master's key and read the store only when the key is refused: once
    each a rotation.
    """
    pytest.importorskip("gunicorn")
    variables = environment(
        VECTORSHIFT_BASE_URL=rotation.api.base_url,
        VECTORSHIFT_VAULT_PATH=path,
        VECTORSHIFT_VAULT_ADDR=openbao.address,
        VECTORSHIFT_VAULT_TOKEN=openbao.root_token,
    )
    process = gunicorn(tmp_path, variables, "--workers=2", "--threads=4")
    try:
        wait_until(lambda: address_of(tmp_path, workers=2))
        url = address_of(tmp_path, workers=2)
        assert url is not None
        with httpx.Client(trust_env=False, headers={"Connection": "close"}) as http:

            def spread() -> set[int]:
                """Call until both workers have answered; return who did."""
                pids: set[int] = set()
                for _ in range(10_000):  # who takes a connection is the system's choice
                    answer = http.get(url)
                    assert answer.status_code == 200, (tmp_path / "gunicorn.log").read_text()
                    told = answer.json()
                    assert told["status"] == "success"
                    assert told["pid"] != told["master"]
                    pids.add(told["pid"])
                    if len(pids) == 2:
                        break
                return pids

            workers = spread()
            assert len(workers) == 2
            assert openbao.reads(path) == 1
            for number in range(1, 4):
                rotation.rotate()
                assert spread() == workers
                assert openbao.reads(path) == 1 + 2 * number
    finally:
        process.terminate()
        process.wait(60)
