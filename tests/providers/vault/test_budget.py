"""One look-up takes ten seconds at most, with its retries and its login, whatever the server does."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from vectorshift import errors
from vectorshift.providers.answering import Ask
from vectorshift.providers.vault import VaultProvider
from vectorshift.providers.vault.exchange import TOTAL, Budget, Trouble, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    MakeTiny = Callable[..., AbstractContextManager[Any]]

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"
BOTH = json.dumps({"auth": {"client_token": TOKEN}, "data": {"data": {"api_key": KEY}, "metadata": {"version": 7}}})


def asked_with(vault: VaultProvider, seconds: float) -> tuple[object, float]:
    """Ask with a deadline; return the answer and how long it took."""
    begun = time.monotonic()
    answer = vault.lookup(Ask(deadline=begun + seconds))
    return answer, time.monotonic() - begun


def approle(address: str) -> VaultProvider:
    return VaultProvider("vs", addr=address, auth="approle", role_id="r", secret_id="s")


def test_a_look_up_has_ten_seconds_unless_its_caller_has_less() -> None:
    assert TOTAL == 10
    assert 9.9 < Budget().left() <= 10
    assert Budget(deadline=time.monotonic() + 99).left() <= 10
    assert Budget(deadline=time.monotonic() + 1).left() <= 1
    assert Budget(deadline=time.monotonic() - 1).left() == 0
    assert Budget(deadline=time.monotonic() + 1).part(3).left() <= 1


@pytest.mark.parametrize("slow", ["login", "read", "both"])
def test_login_and_read_share_one_deadline(slow: str, tiny: MakeTiny) -> None:
    over = threading.Event()
    with tiny(200, BOTH) as server:

        def hold() -> None:
            is_login = "login" in server.seen[-1][0]
            if slow == "both":
                over.wait(0.7)
            elif is_login == (slow == "login"):
                over.wait(9)

        server.before = hold
        answer, seconds = asked_with(approle(server.address), 1)
        over.set()
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert seconds < 1.3


def test_nothing_is_asked_when_the_time_is_over(tiny: MakeTiny) -> None:
    with tiny(200, BOTH) as server:
        answer, _ = asked_with(approle(server.address), -1)
        assert not server.seen
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert "10 s in all" in str(answer)


def test_retries_end_with_the_deadline(tiny: MakeTiny) -> None:
    with tiny(503, "{}", before=lambda: time.sleep(0.2)) as server:
        answer, seconds = asked_with(VaultProvider("vs", addr=server.address, token=TOKEN), 0.5)
        assert len(server.seen) < 3
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert seconds < 0.8


def test_no_pause_outlasts_the_budget() -> None:
    def broken(timeouts: object) -> None:
        raise requests.exceptions.ConnectionError

    begun = time.monotonic()
    assert isinstance(exchange(broken, Budget(0.04)), Trouble)
    assert time.monotonic() - begun < 0.05


@pytest.fixture(params=["a byte now and then", "chunks now and then", "too much"])
def endless(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The address of a server whose answer does not end, and what is to be said of it."""
    kind: str = request.param
    length = b"Transfer-Encoding: chunked" if kind.startswith("chunks") else b"Content-Length: 99999999"
    piece = {"a": b"x", "c": b"1\r\nx\r\n", "t": b"x" * 65_536}[kind[0]]
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
            try:
                while True:
                    connection.sendall(piece)
                    time.sleep(0 if kind == "too much" else 0.05)
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    said = "sends too much" if kind == "too much" else "no whole answer in time"
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", said
    thread.join()
    listening.close()


def test_an_answer_without_an_end_is_cut_off(endless: tuple[str, str]) -> None:
    address, said = endless
    answer, seconds = asked_with(VaultProvider("vs", addr=address, token=TOKEN), 0.6)
    assert isinstance(answer, errors.CredentialError)
    assert said in str(answer)
    assert seconds < 1


@pytest.mark.parametrize(
    ("status", "body", "contacts"), [(503, "{}", 3), (429, "{}", 3), (412, "{}", 3), (500, "{}", 1), (502, "", 1)]
)
def test_a_login_is_tried_again_only_if_the_server_surely_did_nothing(
    status: int, body: str, contacts: int, tiny: MakeTiny
) -> None:
    with tiny(status, body) as server:
        answer, _ = asked_with(approle(server.address), 5)
        assert len(server.seen) == contacts
    assert isinstance(answer, errors.CredentialStoreUnavailableError)


def test_a_login_passes_over_a_short_failure(tiny: MakeTiny) -> None:
    with tiny(503, "{}") as server:

        def recover() -> None:
            if len(server.seen) == 2:
                server.answer = (200, BOTH, {})

        server.before = recover
        assert approle(server.address).get_credential().version == "7"


def test_a_second_look_up_waits_no_longer_for_a_login_that_hangs_than_its_own_deadline(tiny: MakeTiny) -> None:
    over, entered = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        over.wait(9)

    with tiny(200, BOTH, before=hang) as server:
        vault = approle(server.address)
        first = threading.Thread(target=vault.lookup, args=(Ask(),))
        first.start()
        assert entered.wait(5)
        answer, seconds = asked_with(vault, 0.3)
        over.set()
        first.join()
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert "another login" in str(answer)
    assert seconds < 0.6


def test_connections_are_used_again(tiny: MakeTiny) -> None:
    ports: list[object] = []
    with tiny(200, BOTH) as server:
        accept = server.get_request

        def counted() -> Any:
            ports.append(1)
            return accept()

        server.get_request = counted
        vault = approle(server.address)
        for _ in range(5):
            vault.get_credential()
    assert len(ports) == 1
