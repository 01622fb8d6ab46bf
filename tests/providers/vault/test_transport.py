"""TLS, proxies, plain HTTP, and what the HTTP library raises."""

from __future__ import annotations

import json
import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.certificates import two_authorities
from tests.faults import FaultServer, answer
from urllib3 import HTTPConnectionPool, exceptions as seen
from urllib3.connection import HTTPConnection

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.providers.vault.requests import Budget, VaultRequests
from vectorshift.providers.vault.server import VaultServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"
POOL = HTTPConnectionPool("127.0.0.1")


def kv2(fields: Mapping[str, object]) -> str:
    return json.dumps({"data": {"data": fields, "metadata": {"version": 7}}})


def test_plain_http_beyond_loopback_is_refused_without_contact(
    monkeypatch: pytest.MonkeyPatch, tiny: MakeTiny, failure: Failure
) -> None:
    with tiny(200, kv2({"api_key": KEY})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        vault = VaultProvider("vs", addr="http://vault.example:8200", token=TOKEN)
        assert "allow_http=True" in failure(vault, errors.CredentialConfigurationError)
        assert not proxy.seen


def test_allowed_plain_http_goes_through_the_environment_s_proxy_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tiny: MakeTiny
) -> None:
    with tiny(200, kv2({"api_key": KEY})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        vault = VaultProvider("vs", addr="http://vault.example:8200", token=TOKEN, allow_http=True)
        assert vault.get_credential() == vault.get_credential()
        assert {asked.partition("/v1/")[0] for asked, _ in proxy.seen} == {
            "GET http://vault.example:8200"
        }
    [warning] = [record for record in caplog.records if record.name == "vectorshift"]
    assert warning.levelno == logging.WARNING
    assert "allow_http=" in warning.getMessage()


def test_loopback_is_never_reached_through_a_proxy_or_with_netrc(
    openbao: OpenBaoServer,
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    tiny: MakeTiny,
    provider: MakeProvider,
) -> None:
    Path("~/.netrc").expanduser().write_text(f"machine 127.0.0.1 login me password {TOKEN}\n")
    with (
        tiny(200, kv2({"api_key": "vs-proxied"})) as proxy,
        tiny(200, kv2({"api_key": KEY})) as server,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        assert provider(openbao, stored).get_credential().secret.reveal() == KEY
        assert (
            VaultProvider("vs", addr=server.address, token=TOKEN).get_credential().secret.reveal()
            == KEY
        )
        assert not proxy.seen
        assert "Authorization" not in server.seen[0][1]


def test_what_is_given_in_code_stands_whatever_the_variables_say(
    openbao: OpenBaoServer, stored: str, monkeypatch: pytest.MonkeyPatch, provider: MakeProvider
) -> None:
    for name in ("ADDR", "TOKEN", "CACERT", "CLIENT_CERT", "CLIENT_KEY", "NAMESPACE"):
        monkeypatch.setenv(f"VAULT_{name}", "/nowhere")
    given = {"cacert": "", "client_cert": "", "client_key": "", "namespace": ""}
    assert provider(openbao, stored, **given).get_credential().secret.reveal() == KEY


@pytest.mark.parametrize(
    ("addr", "expected"),
    [
        ("http://localhost:8200", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:8200", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
        ("http://me@127.0.0.1@vault.example", False),
        ("nonsense", False),
    ],
)
def test_only_this_machine_is_loopback(addr: str, expected: bool) -> None:
    given = VaultProvider("vs", addr=addr)._given
    assert VaultServer(given).is_local is expected


def test_verifies_tls_with_the_given_ca_alone(
    tls_bao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(tls_bao, "vs", cacert=tls_bao.cacert)
    assert vault.get_credential().secret.reveal() == KEY
    said = failure(provider(tls_bao, "vs"), errors.CredentialConfigurationError)
    assert "cacert=" in said
    plain = provider(tls_bao, "vs", addr=tls_bao.address.replace("https", "http"))
    assert "Use https://" in failure(plain, errors.CredentialConfigurationError)


def test_a_server_that_is_not_trusted_gets_no_request_until_the_file_of_cas_is_replaced(
    failure: Failure, tmp_path: Path
) -> None:
    old, new = two_authorities(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.file.read_bytes())
    body = kv2({"api_key": KEY}).encode()
    with FaultServer(answer(200, body), tls=new.context) as server:
        vault = VaultProvider("vs", addr=server.origin, token=TOKEN, cacert=str(trusted))
        assert "cacert=" in failure(vault, errors.CredentialConfigurationError)
        assert server.received == []
        trusted.write_bytes(new.file.read_bytes())
        assert vault.get_credential().secret.reveal() == KEY
        vault.close()


def test_tls_spoken_to_a_plain_server_is_a_configuration_error(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, "vs", addr=openbao.address.replace("http", "https"))
    assert "TLS failed" in failure(vault, errors.CredentialConfigurationError)


def test_an_answer_that_is_nested_too_deep_is_no_answer_of_vault(
    tiny: MakeTiny, failure: Failure
) -> None:
    with tiny(404, "[" * 100_000) as gateway:
        vault = VaultProvider("vs", addr=gateway.address, token=TOKEN)
        assert "is not Vault" in failure(vault, errors.CredentialStoreUnavailableError)


def test_an_answer_that_is_cut_off_within_its_body_is_unavailable(
    tiny: MakeTiny, failure: Failure
) -> None:
    no_length = {"Content-Length": "", "Connection": "close"}
    with tiny(200, '{"data": {"data": {"api_k', no_length) as server:
        vault = VaultProvider("vs", addr=server.address, token=TOKEN)
        assert "was cut off" in failure(vault, errors.CredentialStoreUnavailableError)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_unverified_tls_has_to_be_asked_for_and_warns(
    tls_bao: OpenBaoServer, caplog: pytest.LogCaptureFixture, provider: MakeProvider
) -> None:
    assert provider(tls_bao, "vs", skip_verify=True).get_credential().secret.reveal() == KEY
    assert any("skip_verify=" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (seen.ReadTimeoutError(POOL, TOKEN, TOKEN), True),
        (seen.ConnectTimeoutError(POOL, TOKEN), True),
        (seen.NewConnectionError(HTTPConnection("127.0.0.1"), TOKEN), True),
        (seen.ProxyError(TOKEN, OSError(TOKEN)), True),
        (seen.ProtocolError(TOKEN), True),
        (ConnectionResetError(TOKEN), True),
        (seen.SSLError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]")), True),
        (seen.LocationParseError(TOKEN), False),
        (TypeError(TOKEN), False),
    ],
)
def test_an_exception_of_the_library_is_classified_by_its_type_alone(
    error: Exception, passing: bool
) -> None:
    def broken(adapter: object) -> None:
        raise error

    reader = VaultProvider("vs", addr="http://127.0.0.1:9").current_reader()
    requests = VaultRequests(reader._server, Budget(attempts=1), reader.ref)
    kind = (
        errors.CredentialStoreUnavailableError if passing else errors.CredentialConfigurationError
    )
    with pytest.raises(kind) as caught:
        requests.send("/v1/x", broken)
    assert TOKEN not in str(caught.value)
