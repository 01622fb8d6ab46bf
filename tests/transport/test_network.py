"""What lies between a client and the API: proxies and CAs of the environment, netrc, and another
origin.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.certificates import Authority, two_authorities
from tests.fakes import RawServer, Rotating
from tests.faults import FaultServer, StillClock, answer

from vectorshift import AsyncVectorShift, Settings, VectorShift, errors
from vectorshift._platform.urls import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Self

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_cas_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Callable[..., Any]:
    async def call(
        base_url: str, credentials: Any = "vs-key", path: str = "/x", **given: Any
    ) -> Any:
        headers, method = given.pop("headers", None), given.pop("method", "GET")
        given.setdefault("clock", StillClock())
        if request.param == "sync":
            with VectorShift(credentials, base_url=base_url, **given) as client:
                return client.request(method, path, headers=headers)
        async with AsyncVectorShift(credentials, base_url=base_url, **given) as aclient:
            return await aclient.request(method, path, headers=headers)

    call.style = request.param  # type: ignore[attr-defined]
    return call


class ConnectProxy:
    """A real proxy that opens tunnels, whatever they ask for, to one server.

    Args:
        target: where every tunnel leads.
        status: what it says to CONNECT.
    """

    def __init__(self, target: FaultServer, status: bytes = b"200 Connection established") -> None:
        self._to = ("127.0.0.1", int(target.origin.rpartition(":")[2]))
        self._status = status
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.asked: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._to = ("", 0)
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if not self._to[1]:
                connection.close()
                return
            threading.Thread(target=self._tunnel, args=(connection,), daemon=True).start()

    def _tunnel(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        self.asked.append(head)
        connection.sendall(b"HTTP/1.1 %s\r\n\r\n" % self._status)
        with connection:
            if self._status.startswith(b"200"):
                with socket.create_connection(self._to) as there:
                    back = threading.Thread(target=_copy, args=(there, connection), daemon=True)
                    back.start()
                    _copy(connection, there)
                    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def api(authority: Authority) -> Iterator[FaultServer]:
    with FaultServer(answer(), tls=authority.context) as server:
        yield server


AWAY = "https://api.example.test/v1"
"""A host that there is not: what gets there went through the proxy."""


# --- Proxies of the environment ---


async def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_key(
    get: Any, api: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(api) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        await get(AWAY, settings=Settings(ca_bundle=str(authority.file)))
    assert proxy.asked[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert b"vs-key" not in b"".join(proxy.asked)
    assert [got.authorization for got in api.received] == ["Bearer vs-key"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_tunnel_that_is_refused_is_tried_again_as_nothing_was_sent(
    get: Any, api: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    with ConnectProxy(api, b"503 no") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(errors.ApiConnectionError) as caught:
            await get(AWAY, settings=Settings(ca_bundle=str(authority.file)), method=method)
    assert (caught.value.may_have_run, caught.value.tries, len(proxy.asked)) == (False, 3, 3)
    assert api.received == []


@pytest.mark.parametrize("status", [b"407 vs-key is not good here", b"403 no"])
async def test_a_proxy_that_refuses_is_asked_once_and_not_quoted(
    get: Any, api: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, status: bytes
) -> None:
    with ConnectProxy(api, status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(
            errors.ApiConnectionError, match=rf"the proxy answered {status[:3].decode()}\.$"
        ) as caught:
            await get(AWAY, settings=Settings(ca_bundle=str(authority.file)))
    assert (caught.value.may_have_run, len(proxy.asked)) == (False, 1)


@pytest.mark.parametrize(
    ("variable", "no_proxy", "told"),
    [
        ("HTTPS_PROXY", "", True),
        ("all_proxy", "", True),
        ("HTTP_PROXY", "", False),
        ("HTTPS_PROXY", "example.test", False),
    ],
)
async def test_a_proxy_that_cannot_be_reached_is_thought_of_by_its_variable(
    get: Any, monkeypatch: pytest.MonkeyPatch, variable: str, no_proxy: str, told: bool
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        password = "s3cret"
        port = nobody.getsockname()[1]
        monkeypatch.setenv(variable, f"http://user:{password}@127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with pytest.raises(errors.ApiConnectionError) as caught:
            await get(AWAY, max_retries=0)
    hint = f"({variable} is set: perhaps the proxy cannot be reached)"
    assert (hint in str(caught.value), password in str(caught.value)) == (told, False)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, True),
        ({"trust_env": False}, False),
        ({"transport": httpx.HTTPTransport()}, False),
        ({"proxy": "http://127.0.0.1:9"}, False),
    ],
    ids=["of the environment", "trust_env=False", "a transport", "a proxy"],
)
def test_a_variable_that_an_httpx_client_does_not_use_is_not_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: bool
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.2:{nobody.getsockname()[1]}"
        monkeypatch.setenv("HTTP_PROXY", address)
        settings = Settings(allow_http=True)
        with httpx.Client(**given) as http, pytest.raises(errors.ApiConnectionError) as caught:
            VectorShift(
                "k", base_url=address, http_client=http, max_retries=0, settings=settings
            ).request("GET", "/x")
    assert ("HTTP_PROXY is set" in str(caught.value)) is told


@pytest.mark.parametrize("host", ["127.0.0.2", "127.1.2.3", "[0:0:0:0:0:0:0:1]"])
async def test_no_proxy_sees_the_key_on_its_way_to_loopback_however_it_is_spelt(
    get: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with FaultServer(answer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with pytest.raises(errors.CredentialConfigurationError, match="not sent over plain HTTP"):
            await get(f"http://{host}:9/v1")
    assert proxy.received == []


@pytest.mark.parametrize("host", DIRECT)
async def test_loopback_is_reached_without_a_proxy(
    get: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with FaultServer(answer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            there = f"[{host}]" if ":" in host else host
            with pytest.raises(errors.ApiConnectionError):
                await get(f"http://{there}:{nobody.getsockname()[1]}/v1", max_retries=0)
    assert proxy.received == []


async def test_a_host_that_cannot_be_looked_up_is_a_configuration_error(get: Any) -> None:
    with pytest.raises(errors.CredentialConfigurationError, match="should be a URL"):
        await get("https://xn--zz--.invalid/v1")


async def test_no_proxy_names_the_hosts_that_are_reached_directly(
    get: Any, api: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(api) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.test")
        with pytest.raises(errors.ApiConnectionError):
            await get(AWAY, settings=Settings(ca_bundle=str(authority.file)))
    assert proxy.asked == []


@pytest.mark.parametrize("value", ["htp://user:s3cret@proxy:3128", "socks5://s3cret:1"])
async def test_a_proxy_variable_that_cannot_be_used_is_named_without_its_password(
    get: Any, monkeypatch: pytest.MonkeyPatch, shown: Any, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(errors.CredentialConfigurationError, match="HTTPS_PROXY") as caught:
        await get(AWAY)
    assert "s3cret" not in shown(caught.value)
    assert caught.value.__context__ is None


# --- CAs ---


async def test_a_certificate_for_another_name_is_told_as_such(
    get: Any, api: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(api) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(errors.ApiConnectionError, match=r"'\. Check the base URL\.$"):
            await get(
                "https://other.example.test", settings=Settings(ca_bundle=str(authority.file))
            )


async def test_a_certificate_that_has_expired_is_told_as_such(get: Any, tmp_path: Path) -> None:
    other = Authority(tmp_path, expired=True)
    with (
        FaultServer(answer(), tls=other.context) as server,
        pytest.raises(errors.ApiConnectionError, match=r"has expired\. Check the clock of"),
    ):
        await get(server.origin, settings=Settings(ca_bundle=str(other.file)))


async def test_a_port_without_tls_is_told_as_such(
    get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        origin = server.origin.replace("http", "https")
        with pytest.raises(errors.ApiConnectionError, match=r"\(this port does not speak TLS"):
            await get(origin, max_retries=0)
        monkeypatch.setenv("HTTPS_PROXY", origin)
        with pytest.raises(errors.ApiConnectionError, match="most proxies begin with http://"):
            await get(AWAY, max_retries=0)


async def test_a_log_of_tls_secrets_that_cannot_be_written_is_named(
    get: Any, api: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "log"))
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).file))  # not loaded before
    with pytest.raises(errors.CredentialConfigurationError, match=r"SSLKEYLOGFILE names .*/log"):
        await get(api.origin)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_the_environment_may_name_the_cas(
    get: Any,
    api: FaultServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
) -> None:
    with pytest.raises(errors.ApiConnectionError, match="not trusted"):
        await get(api.origin)
    if variable == "SSL_CERT_FILE":
        monkeypatch.setenv(variable, str(authority.file))
    else:
        import subprocess

        named = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)],
            capture_output=True,
            text=True,
            check=True,
        )
        (tmp_path / f"{named.stdout.strip()}.0").write_bytes(authority.file.read_bytes())
        monkeypatch.setenv(variable, str(tmp_path))
    assert await get(api.origin) == {"status": "success"}


async def test_a_ca_file_of_the_environment_that_cannot_be_used_is_named(
    get: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nobody.pem"))
    with pytest.raises(
        errors.CredentialConfigurationError,
        match=r"SSL_CERT_FILE names .*nobody\.pem.*no such file|No such file",
    ):
        await get("https://127.0.0.1:9")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "VECTORSHIFT_CA_BUNDLE"])
@pytest.mark.parametrize(
    "value",
    ["-----BEGIN PRIVATE KEY-----\ns3cret", "vs-s3cret0123", "./\x1b[2Js3cret", "s3cret" * 999],
)
async def test_what_stands_in_place_of_a_ca_file_is_not_shown(
    get: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(errors.CredentialConfigurationError, match=variable) as caught:
        await get("https://127.0.0.1:9", settings=Settings.load())
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
@pytest.mark.parametrize("file", ["a pipe", "/dev/zero"])
async def test_an_endless_ca_file_is_refused(
    get: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str
) -> None:
    os.mkfifo(tmp_path / "a pipe")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
    with pytest.raises(errors.CredentialConfigurationError, match="a pipe or a device"):
        await get("https://127.0.0.1:9")


# --- Whose key ---


async def test_netrc_is_not_read(get: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer(answer()) as server:
        await get(server.origin)
        await get(server.origin, headers={"Authorization": "Bearer mine"})
    assert [got.authorization for got in server.received] == ["Bearer vs-key", "Bearer mine"]


async def test_a_cookie_of_one_answer_does_not_go_with_the_next_call(get: Any) -> None:
    with FaultServer(answer(200, b"{}", Set_Cookie="session=acme; Path=/")) as server:
        if get.style == "sync":
            with VectorShift("k", base_url=server.origin) as client:
                for _ in range(2):
                    client.request("GET", "/x")
        else:
            async with AsyncVectorShift("k", base_url=server.origin) as aclient:
                for _ in range(2):
                    await aclient.request("GET", "/x")
    assert ["cookie" in got.headers for got in server.received] == [False, False]


# --- /integrations-go/ ---


async def test_a_path_beside_v1_has_the_key_twice_and_a_path_below_has_not(get: Any) -> None:
    with FaultServer(answer()) as server:
        await get(server.origin + "/v1", path="/integrations-go/x")
        await get(server.origin + "/proxied/v1", path="/integrations-go/x")
        await get(server.origin + "/v1", path="/x/integrations-go/")
    assert [got.path for got in server.received] == [
        "/integrations-go/x",
        "/proxied/integrations-go/x",
        "/v1/x/integrations-go/",
    ]
    assert [got.headers.get("api-key") for got in server.received] == ["vs-key", "vs-key", None]


async def test_the_api_key_header_has_the_newer_key_after_a_401(get: Any) -> None:
    with FaultServer(answer(401, b"{}"), answer()) as server:
        await get(server.origin, Rotating("k1", "k2"), path="/integrations-go/x")
    assert [got.headers["api-key"] for got in server.received] == ["k1", "k2"]


async def test_what_the_caller_set_wins_over_both_headers(get: Any) -> None:
    with FaultServer(answer()) as server:
        await get(
            server.origin, path="/integrations-go/x", headers={"Authorization": "Bearer mine"}
        )
        await get(server.origin, path="/integrations-go/x", headers={"api-key": "mine"})
    assert [(got.authorization, got.headers.get("api-key")) for got in server.received] == [
        ("Bearer mine", None),
        ("Bearer vs-key", "mine"),
    ]


async def test_neither_header_crosses_an_origin_though_the_httpx_client_follows_redirects(
    get: Any,
) -> None:
    with (
        FaultServer(answer()) as theirs,
        FaultServer(answer(307, b"", Location=theirs.origin)) as ours,
    ):
        if get.style == "sync":
            with (
                httpx.Client(follow_redirects=True, trust_env=False) as http,
                pytest.raises(errors.VectorshiftApiError, match="a redirect is not followed"),
            ):
                await get(ours.origin, path="/integrations-go/x", http_client=http)
        else:
            async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as ahttp:
                with pytest.raises(errors.VectorshiftApiError, match="a redirect is not followed"):
                    await get(ours.origin, path="/integrations-go/x", http_client=ahttp)
    assert (len(ours.received), theirs.received) == (1, [])


async def test_neither_header_is_sent_over_plain_http_to_another_machine(
    get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(answer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with pytest.raises(errors.CredentialConfigurationError, match="VECTORSHIFT_ALLOW_HTTP"):
            await get("http://api.example.test/v1", path="/integrations-go/x")
    assert proxy.received == []


async def test_an_api_key_that_the_server_echoes_is_not_in_the_error(get: Any) -> None:
    for headers, key in ((None, "vs-key"), ({"Api-Key": "theirs-1234"}, "theirs-1234")):
        with (
            FaultServer(answer(400, f"bad {key}".encode(), X_Echo=key)) as server,
            pytest.raises(errors.BadRequestError) as caught,
        ):
            await get(server.origin, path="/integrations-go/x", headers=headers)
        assert key not in str(vars(caught.value)) + str(caught.value)


# --- Time limits ---


@pytest.mark.parametrize(
    ("made", "call", "limits"),
    [
        ({}, {}, (5, 60)),
        ({}, {"patient": True}, (5, 600)),
        ({"timeout": 3}, {"patient": True}, (3, 3)),
        ({"settings": Settings(timeout=70)}, {"patient": True}, (5, 70)),
        ({"settings": Settings(timeout=60)}, {"patient": True}, (5, 60)),
        ({"settings": Settings(timeout=70), "timeout": 80}, {}, (5, 80)),
        ({"timeout": 80}, {"timeout": 90, "patient": True}, (5, 90)),
        ({"http": 7}, {"patient": True}, (7, 7)),
        ({"http": None}, {}, (None, None)),
        ({"http": 7, "settings": Settings(timeout=70)}, {}, (5, 70)),
    ],
)
def test_who_names_the_nearest_timeout_is_followed(
    made: dict[str, Any], call: dict[str, Any], limits: tuple[float | None, float | None]
) -> None:
    """The call's, the client's, the settings', that of the user's httpx client, and else 60 s, or
    600 for a run.
    """
    from vectorshift.client.call import Call

    seen: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(204)

    made = {"settings": Settings(), **made}
    own = {"timeout": made.pop("http")} if "http" in made else {}
    with httpx.Client(transport=httpx.MockTransport(handle), **own) as http:
        VectorShift("k", http_client=http, **made).call(Call(method="POST", path="/x", **call))
    assert (seen[0]["connect"], seen[0]["read"]) == limits


@pytest.mark.parametrize(
    ("method", "path", "seconds"),
    [
        ("POST", "/agent/a-1/run", 600),
        ("post", "/chatbot/c-1/run", 600),
        ("POST", "/transformation/t-1/bulk_run", 600),
        ("POST", "/pipeline/p-1/bulk-run", 600),
        ("GET", "/pipeline/p-1/run", 60),
        ("POST", "/pipeline/p-1/rerun", 60),
        ("POST", "/pipeline/run/terminate", 60),
    ],
)
def test_a_call_that_awaits_a_run_waits_longer(method: str, path: str, seconds: float) -> None:
    from vectorshift import Pipeline

    seen: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={"task_id": "r"})

    with httpx.Client(transport=httpx.MockTransport(handle)) as http:
        client = VectorShift("k", http_client=http, settings=Settings())
        client.request(method, path)
        client.request(method, path, timeout=5)
        Pipeline("p-1", client=client).start()  # comes back at once
    assert seen == [seconds, 5, 60]


def test_an_httpx_client_of_the_other_kind_is_refused() -> None:
    with (
        httpx.Client() as http,
        pytest.raises(TypeError, match=r"http_client should be an httpx\.AsyncClient"),
    ):
        AsyncVectorShift("k", http_client=http)  # type: ignore[arg-type]


def test_an_httpx_client_that_was_closed_is_ours() -> None:
    http, ahttp = httpx.Client(), httpx.AsyncClient()
    http.close()
    asyncio.run(ahttp.aclose())
    with pytest.raises(errors.ApiConnectionError, match="your httpx client is closed"):
        VectorShift("k", http_client=http).request("GET", "/x")
    with pytest.raises(errors.ApiConnectionError, match="your httpx client is closed"):
        asyncio.run(AsyncVectorShift("k", http_client=ahttp).request("GET", "/x"))


@pytest.mark.parametrize("charset", ["hex", "nonsense", "utf-16", "idna", "zlib", "undefined"])
async def test_a_charset_that_is_none_does_not_hide_what_went_wrong(get: Any, charset: str) -> None:
    with (
        FaultServer(
            answer(400, b'{"error": "so"}', Content_Type=f"text/plain; charset={charset}")
        ) as server,
        pytest.raises(errors.BadRequestError),
    ):
        await get(server.origin)


async def test_a_path_that_is_no_part_of_a_url_is_ours(get: Any) -> None:
    with FaultServer(answer()) as server, pytest.raises(errors.ApiConnectionError):
        await get(server.origin, path="/a\x00b")
    assert server.received == []


A, B = "vs-organisation-a", "vs-organisation-b"


def _raise(error: Exception, *, because_of: Exception) -> None:
    try:
        raise because_of
    except Exception as cause:
        raise error from cause


@pytest.mark.usefixtures("forgotten")
def test_the_cause_of_a_connection_error_has_none_of_the_frames_and_errors_below_it() -> None:
    import httpx

    from vectorshift.transport.failures import connection_error

    request = httpx.Request(
        "GET", "https://api.example.com/x", headers={"Authorization": f"Bearer {A}"}
    )
    with pytest.raises(httpx.ConnectError) as caught:
        _raise(httpx.ConnectError(f"refused {A}", request=request), because_of=OSError(A))
    assert caught.value.__traceback__ is not None
    cause = connection_error(caught.value, request, "GET", "/x").error.__cause__
    assert cause is not None
    assert (cause.__traceback__, cause.__context__, cause.__cause__) == (None, None, None)
    assert A not in str(cause)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "VECTORSHIFT_CA_BUNDLE"])
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_file_of_cas_that_is_replaced_is_read_again(
    variable: str, asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = two_authorities(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.file.read_bytes())
    monkeypatch.setenv(variable, str(trusted))
    with FaultServer(answer(), tls=new.context) as server:
        if asks == "sync":
            with VectorShift("vs-1", base_url=server.origin, max_retries=0) as client:
                with pytest.raises(errors.ApiConnectionError, match="is not trusted"):
                    client.request("GET", "/x")
                trusted.write_bytes(new.file.read_bytes())
                client.request("GET", "/x")
            return

        async def calls() -> None:
            async with AsyncVectorShift("vs-1", base_url=server.origin, max_retries=0) as client:
                with pytest.raises(errors.ApiConnectionError, match="is not trusted"):
                    await client.request("GET", "/x")
                trusted.write_bytes(new.file.read_bytes())
                await client.request("GET", "/x")

        asyncio.run(calls())
