"""One look-up takes ten seconds at most, with its retries and its login, whatever the server
does.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import hvac  # noqa: F401  # here, so that no deadline of a test pays for it
import pytest
from tests.providers.patience import patience

from vectorshift import Credential, errors
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.providers.vault import VaultProvider
from vectorshift.providers.vault.requests import TOTAL, Budget, VaultRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.vault.conftest import MakeTiny

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"
BOTH = json.dumps(
    {
        "auth": {"client_token": TOKEN},
        "data": {"data": {"api_key": KEY}, "metadata": {"version": 7}},
    }
)


def asked_with(vault: VaultProvider, seconds: float) -> object:
    """Ask with a deadline; return the answer."""
    return vault.resolve(LookupRequest(deadline=time.monotonic() + seconds))


def approle(address: str) -> VaultProvider:
    return VaultProvider("vs", addr=address, auth="approle", role_id="r", secret_id="s")


def test_a_look_up_has_ten_seconds_unless_its_caller_has_less() -> None:
    assert TOTAL == 10
    before = time.monotonic()
    left = Budget().left()
    assert before + 10 <= time.monotonic() + left + 1e-6
    assert left <= 10
    assert 98 <= Budget(deadline=time.monotonic() + 99).left() <= 99 - 0.25
    assert Budget(deadline=time.monotonic() + 1).left() <= 1
    assert Budget(deadline=time.monotonic() - 1).left() == 0
    assert Budget(deadline=time.monotonic() + 1).part(3).left() <= 1


def test_a_read_has_what_the_login_left_of_their_one_deadline(tiny: MakeTiny) -> None:
    held: list[float] = []
    with tiny(200, BOTH) as server:

        def hold() -> None:
            if "login" in server.seen[-1][0]:
                since = time.monotonic()
                time.sleep(0.2)
                held.append(time.monotonic() - since)

        server.before = hold
        with patience() as noted:
            answer = asked_with(approle(server.address), 4.9)
    assert isinstance(answer, Credential)
    assert 0 < noted.asked[-1] <= 4.9 - held[0]


@pytest.mark.parametrize("hanging", ["login", "read"])
def test_a_server_that_hangs_has_no_longer_than_the_deadline(hanging: str, tiny: MakeTiny) -> None:
    over = threading.Event()
    with tiny(200, BOTH) as server:
        server.before = lambda: (
            over.wait() if ("login" in server.seen[-1][0]) == (hanging == "login") else None
        )
        with patience() as noted:
            answer = asked_with(approle(server.address), 1)
        over.set()
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert noted.asked
    assert max(noted.asked) <= 1
    assert len(server.seen) <= (2 if hanging == "login" else 3)  # half of the time for one answer


def test_nothing_is_asked_when_the_time_is_over(tiny: MakeTiny) -> None:
    with tiny(200, BOTH) as server:
        answer = asked_with(approle(server.address), -1)
        assert not server.seen
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert "no complete answer in time (0.0 s)" in str(answer)


def test_no_pause_outlasts_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    tries: list[object] = []

    def broken(adapter: object) -> None:
        tries.append(adapter)
        raise ConnectionResetError

    reader = VaultProvider("vs", addr="http://127.0.0.1:9").current_reader()
    requests = VaultRequests(reader._server, Budget(0.04), reader.ref)
    with pytest.raises(errors.CredentialStoreUnavailableError):
        requests.send("/v1/x", broken)
    assert len(tries) <= 1
    assert pauses == []


@pytest.fixture(params=["a byte now and then", "chunks now and then", "too much"])
def endless(request: pytest.FixtureRequest) -> Iterator[tuple[str, float, str]]:
    """The address of a server whose answer does not end, the deadline for it, and what is to be
    said of it.
    """
    kind: str = request.param
    length = (
        b"Transfer-Encoding: chunked" if kind.startswith("chunks") else b"Content-Length: 99999999"
    )
    piece = {"a": b"x", "c": b"1\r\nx\r\n", "t": b"x" * 65_536}[kind[0]]
    listening, sent_all = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
            try:
                for _ in range(1_000):
                    connection.sendall(piece)
                    time.sleep(0 if kind == "too much" else 0.05)
                sent_all.set()  # 50 s later, or after 64 MB
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    seconds, said = (
        (9, "sends too much") if kind == "too much" else (0.6, "the server cannot be reached: no ")
    )
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", seconds, said
    thread.join()
    listening.close()
    assert not sent_all.is_set(), "all of it was read"


def test_an_answer_without_an_end_is_cut_off(endless: tuple[str, float, str]) -> None:
    address, seconds, said = endless
    answer = asked_with(VaultProvider("vs", addr=address, token=TOKEN), seconds)
    assert isinstance(answer, errors.CredentialError)
    assert said in str(answer)


def test_a_wrapped_secret_id_is_not_unwrapped_twice(tiny: MakeTiny) -> None:
    """A second try would find the token used up, and tell of a thief."""
    creation = {"creation_path": "auth/approle/role/app/secret-id"}
    with tiny(200, json.dumps({"data": creation})) as server:

        def fail() -> None:
            if server.seen[-1][0].endswith("/unwrap"):
                server.answer = (500, '{"errors":["busy"]}', {})

        server.before = fail
        more: dict[str, Any] = {"role_id": "r", "secret_id": "s.w", "secret_id_wrapped": True}
        answer = asked_with(VaultProvider("vs", addr=server.address, auth="approle", **more), 5)
        assert [asked.rpartition("/")[2] for asked, _ in server.seen] == ["lookup", "unwrap"]
    assert isinstance(answer, errors.CredentialStoreUnavailableError)


def test_a_login_passes_over_a_short_failure(tiny: MakeTiny) -> None:
    with tiny(503, "{}") as server:

        def recover() -> None:
            if len(server.seen) == 2:
                server.answer = (200, BOTH, {})

        server.before = recover
        assert approle(server.address).get_credential().version == "7"


def test_a_second_look_up_waits_no_longer_for_a_login_that_hangs_than_its_own_deadline(
    tiny: MakeTiny,
) -> None:
    over, entered = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        over.wait()

    with tiny(200, BOTH, before=hang) as server:
        vault = approle(server.address)
        first = threading.Thread(target=vault.resolve, args=(LookupRequest(),))
        first.start()
        assert entered.wait(60)
        answer = asked_with(vault, 0.3)
        over.set()
        first.join()
    assert isinstance(answer, errors.CredentialStoreUnavailableError)
    assert "another login" in str(answer), (
        "it did not wait until the first one had failed, after 5 s"
    )


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
