"""`auth in-use`: how many of the processes that reported still use a key."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, start_http_server
from tests.cli.program import piped, started
from tests.docs.blocks import ROOT, blocks_of
from tests.fakes import RawServer

from vectorshift import Pipeline, VectorShift
from vectorshift.cli.in_use import show_in_use
from vectorshift.credentials.values import fingerprint
from vectorshift.integrations.opentelemetry import VectorShiftInstrumentor, instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vectorshift.testing import FakeVectorShift


@pytest.fixture
def serve() -> Iterator[Callable[[str], str]]:
    """Serve a text, and return its address."""
    servers: list[ThreadingHTTPServer] = []

    def add(text: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        # a shorter poll: `shutdown` waits for the next one
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/metrics"

    yield add
    for server in servers:
        server.shutdown()
        server.server_close()


def gauge(key: str, value: int, **labels: str) -> str:
    told = {"vectorshift_credential_fingerprint": key, **labels}
    inner = ",".join(f'{name}="{text}"' for name, text in told.items())
    return f"vectorshift_credential_in_use{{{inner}}} {value} 1796061102000\n"


def test_a_process_that_uses_the_key_is_counted_in_a_real_scrape(api: FakeVectorShift) -> None:
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    instrument(meter_provider=provider)
    server, thread = start_http_server(0, "127.0.0.1", registry=REGISTRY)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    key = api.create_key()
    try:
        with VectorShift(key, base_url=api.base_url) as client:
            Pipeline.list(client=client)
        used = piped("auth", "in-use", fingerprint(key), url)
        other = piped("auth", "in-use", "#00000000", url, "--json")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        VectorShiftInstrumentor().uninstrument()
        provider.shutdown()
    assert used.returncode == 1
    assert f"1 of 1 processes that reported use {fingerprint(key)}: {url}." in used.stdout
    told = json.loads(other.stdout)
    assert (other.returncode, told["reported"], told["using"]) == (0, 1, 0)
    assert told["message"].startswith("No instrumented process used #00000000 since ")
    assert "1 reported" in told["message"]
    assert "safe" not in told["message"]


SERVED = """
import os, sys
from prometheus_client import start_http_server
from vectorshift import VectorShift

vectorshift.metrics()
with VectorShift(os.environ["KEY"], base_url=sys.argv[1]) as client:
    client.request("GET", "/pipelines")
server, _ = start_http_server(0, "127.0.0.1")
print(server.server_port, flush=True)
sys.stdin.read()
"""


def test_a_process_without_opentelemetry_reports_by_the_recipe_of_the_docs(
    api: FakeVectorShift,
) -> None:
    blocks = blocks_of(ROOT / "docs" / "operations.md")
    recipe = next(block.code for block in blocks if "GaugeMetricFamily" in block.code)
    key, command = api.create_key(), [sys.executable, "-c", recipe + SERVED, api.base_url]
    with started(*command, KEY=key) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/metrics"
        done = piped("auth", "in-use", fingerprint(key), url)
    assert f"1 of 1 processes that reported use {fingerprint(key)}: {url}." in done.stdout


def test_the_processes_of_a_federation_are_told_apart(serve: Callable[[str], str]) -> None:
    text = "".join(
        gauge(key, value, job="web", instance=f"10.0.0.{number}:9464")
        for number in range(3)
        for key, value in (("#1a2b3c4d", int(number == 2)), ("#5e6f7a8b", 1))
    )
    prometheus = serve(text)
    done = piped("auth", "in-use", "1a2b3c4d", prometheus, serve(gauge("#5e6f7a8b", 1)))
    assert done.returncode == 1
    assert (
        "message: 1 of 4 processes that reported use #1a2b3c4d:"
        f" web 10.0.0.2:9464 at {prometheus}.\n"
    ) in done.stdout
    assert "in_use: #1a2b3c4d by 1, #5e6f7a8b by 4\n" in done.stdout


@pytest.mark.parametrize("used", [0, 1])
@pytest.mark.parametrize("mistyped", ["#1a2b3c4e", "#1a2b4c3d", "#1a2bc4d0"])
def test_a_mistyped_fingerprint_is_no_key_out_of_use(
    serve: Callable[[str], str], mistyped: str, used: int
) -> None:
    done = piped("auth", "in-use", mistyped, serve(gauge("#1a2b3c4d", used)))
    assert done.returncode == 5
    said = f"No process reported {mistyped}, but one reported #1a2b3c4d. Is it mistyped?"
    assert said in done.stdout


def test_the_keys_in_use_are_named_beside_one_that_is_not(serve: Callable[[str], str]) -> None:
    page = serve(gauge("#5e6f7a8b", 1) + gauge("#0c1d2e3f", 0))
    done = piped("auth", "in-use", "#0c1d2e3f", page, page)
    assert done.returncode == 0
    assert "; 1 reported. In use now: #5e6f7a8b by 1. Processes" in done.stdout


def test_a_key_that_no_process_knows_any_more_may_be_mistyped(serve: Callable[[str], str]) -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", serve(gauge("#5e6f7a8b", 1)))
    assert done.returncode == 0
    assert "#1a2b3c4d was used more than 10 minutes ago, or is mistyped." in done.stdout


def test_an_address_without_the_metric_is_named_and_is_no_all_clear(
    serve: Callable[[str], str],
) -> None:
    silent = serve("up 1\n")
    done = piped("auth", "in-use", "#1a2b3c4d", serve(gauge("#5e6f7a8b", 1)), silent, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["silent"], told["since"]) == (5, [silent], None)
    assert told["message"].startswith(f"No metric in_use at {silent}, so nobody knows")


def test_of_many_keys_in_use_a_few_are_named(serve: Callable[[str], str]) -> None:
    page = serve("".join(gauge(f"#5e6f7a{number:02x}", 1) for number in range(9)))
    done = piped("auth", "in-use", "#1a2b3c4d", page, "--json")
    told = json.loads(done.stdout)
    assert len(told["in_use"]) == 9
    assert "#5e6f7a04 by 1 and 4 more. " in told["message"]


def test_the_query_of_an_address_is_not_shown(serve: Callable[[str], str]) -> None:
    page = serve(gauge("#1a2b3c4d", 1))
    done = piped("auth", "in-use", "#1a2b3c4d", f"{page}?token=sesame", f"{page}?token=other")
    assert (done.returncode, "sesame" in done.stdout) == (1, False)
    assert f"2 of 2 processes that reported use #1a2b3c4d: {page} (address 1)," in done.stdout


def test_a_label_with_a_line_separator_hides_no_process(serve: Callable[[str], str]) -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", serve(gauge("#1a2b3c4d", 1, pod="a\u2028b")))
    assert done.returncode == 1


def test_silence_is_no_sign_of_disuse(serve: Callable[[str], str]) -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", serve("up 1\n"))
    assert done.returncode == 5
    assert "No process reported" in done.stdout
    gone = piped("auth", "in-use", "#1a2b3c4d", "http://127.0.0.1:1/metrics")
    assert gone.returncode == 3
    assert "http://127.0.0.1:1/metrics cannot be read: no answer" in gone.stderr


def test_a_process_that_uses_more_keys_than_it_names_may_use_this_one(
    serve: Callable[[str], str],
) -> None:
    text = gauge("#5e6f7a8b", 1) + gauge("other", 1)
    done = piped("auth", "in-use", "#1a2b3c4d", serve(text), serve(gauge("#5e6f7a8b", 1)))
    assert done.returncode == 5
    assert "1 of 2 processes that reported use more keys than they name" in done.stdout
    assert "No instrumented process" not in done.stdout


def test_a_host_that_cannot_be_looked_up_does_not_answer() -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", f"http://{'a' * 64}/metrics")
    assert (done.returncode, "/metrics cannot be read: no answer." in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@127.0.0.1/metrics",
        "http://127.0.0.1:sesame/metrics",
        "http://127.0.0.1/metrics?sesame sesame",
        "http://[::1/sesame",
        "http://127.0.0.1:99999/sesame",
    ],
)
def test_what_is_no_address_is_not_shown(url: str) -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", url)
    assert done.returncode == 3
    assert "must begin with http:// or https:// and a host" in done.stderr
    assert "sesame" not in done.stderr


def is_no_answer(sent: bytes) -> None:
    with RawServer(sent) as server:
        url = f"{server.origin}/metrics"
        done = piped("auth", "in-use", "#1a2b3c4d", url)
    assert done.returncode == 3
    assert f"{url} cannot be read: no answer" in done.stderr


def test_a_part_of_an_answer_is_no_all_clear() -> None:
    part = gauge("#5e6f7a8b", 1).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    is_no_answer(head + part)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vectorshift.cli.in_use._TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection, contextlib.suppress(OSError):
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for _ in range(50):
                    connection.sendall(b"#\n")
                    time.sleep(0.1)

        thread = threading.Thread(target=answer)
        thread.start()
        began = time.monotonic()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
        assert show_in_use("#1a2b3c4d", [url], as_json=False) == 3
        assert time.monotonic() - began < 3
        thread.join()


def test_an_answer_that_is_no_metrics_is_said(serve: Callable[[str], str]) -> None:
    done = piped("auth", "in-use", "#1a2b3c4d", serve("vectorshift_credential_in_use +-e\n"))
    assert done.returncode == 5
    is_no_answer(b"no HTTP at all\r\n\r\n")


def test_a_key_in_place_of_a_fingerprint_is_not_shown() -> None:
    done = piped("auth", "in-use", "vs-a-whole-key", "http://127.0.0.1:1/metrics")
    assert done.returncode == 64
    assert "vs-a-whole-key" not in done.stdout + done.stderr
    wrong = piped("auth", "in-use", "#1a2b3c4d", "file:///etc/passwd")
    assert wrong.returncode == 3
