"""The way to a server: addresses, sockets, CAs, names in certificates, proxies."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.certificates import Authority
from tests.faults import FaultServer, answer
from tests.providers.patience import patience
from tests.providers.vault.stand_ins import BaoSide, role

from vectorshift import CachingProvider, errors
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.providers.vault import VaultProvider
from vectorshift.providers.vault.server import VaultServer
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.vault.conftest import Failure, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
BODY = json.dumps({"data": {"data": {"api_key": KEY}, "metadata": {"version": 7}}})
WRONG, UNAVAILABLE = errors.CredentialConfigurationError, errors.CredentialStoreUnavailableError


def loaded(**variables: str) -> VaultProvider:
    vault = VaultProvider.from_settings(Settings.load(variables))
    assert vault is not None
    return vault


# --- Addresses ---


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "end",
    ["", "/", "//", "/v1", "/v1/", "/ui", "/ui/", "/ui/vault/secrets", "/ui/vault/x/", "\n"],
)
def test_what_browsers_and_examples_put_at_the_end_of_an_address_is_taken_off(
    end: str, openbao: OpenBaoServer, stored: str
) -> None:
    vault = VaultProvider(stored, addr=f"{openbao.address}{end}", token=openbao.root_token)
    assert vault.get_credential().secret.reveal() == KEY


@pytest.mark.parametrize("mark", ["'", '"'])
def test_quotation_marks_of_an_env_file_are_named(mark: str, failure: Failure) -> None:
    vault = VaultProvider("vs", addr=f"{mark}https://vault.example.com{mark}", token="t")
    assert "is in quotation marks. Remove them from addr=." in failure(vault, WRONG)


@pytest.mark.parametrize("argument", ["token_file", "cacert"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("$HOME/x.pem", "Write the whole path: ~ and variables are not expanded here."),
        ("'/nowhere/x.pem'", "Remove the quotation marks"),
        ("nowhere/x.pem", "relative to the working directory."),
        ("~/nowhere.pem", ""),
    ],
)
def test_a_file_that_a_shell_would_have_found_is_told_as_such(
    argument: str, name: str, said: str, failure: Failure
) -> None:
    more: dict[str, Any] = {argument: name}
    vault = VaultProvider("vs", addr="https://vault.example.com", **more)
    told = failure(vault, WRONG)
    assert said in told
    assert ("expanded" in told) is ("expanded" in said)


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_spoken_to(tiny: MakeTiny) -> None:
    with tiny(200, BODY, host="::1") as server:
        vault = VaultProvider("vs", addr=server.address, token="t")
        assert vault.get_credential().secret.reveal() == KEY


@pytest.mark.parametrize("host", ["ui", "v1"])
def test_a_host_of_that_name_is_kept(host: str) -> None:
    described = VaultProvider("vs", addr=f"https://{host}/ui/").describe()
    assert f"https://{host}, " in (described.detail or "")


def test_two_variables_that_differ_in_that_alone_name_one_server(
    openbao: OpenBaoServer, stored: str
) -> None:
    addresses = {"BAO_ADDR": openbao.address, "VAULT_ADDR": f"{openbao.address}/v1"}
    path = {"VECTORSHIFT_VAULT_PATH": stored, "VAULT_TOKEN": openbao.root_token}
    assert loaded(**addresses, **path).get_credential().secret.reveal() == KEY


def test_an_agent_s_unix_socket_is_spoken_to(
    openbao: OpenBaoServer, stored: str, tmp_path: Path
) -> None:
    for name, text in role(openbao, "socket").items():
        (tmp_path / name).write_text(text)
    config = f"""
        vault {{ address = "{openbao.address}" }}
        auto_auth {{
          method "approle" {{
            config = {{
              role_id_file_path = "{tmp_path}/role_id"
              secret_id_file_path = "{tmp_path}/secret_id"
              remove_secret_id_file_after_reading = false
            }}
          }}
        }}
        api_proxy {{ use_auto_auth_token = "force" }}
        listener "tcp" {{
          address = "127.0.0.1:PORT"
          tls_disable = true
        }}
        listener "unix" {{
          address = "{tmp_path}/agent.sock"
          tls_disable = true
        }}
    """
    address = f"unix://{tmp_path}/agent.sock"
    with BaoSide("proxy", config, tmp_path) as side:
        side.wait_for(f"secret/data/{stored}")
        variables = {"VAULT_AGENT_ADDR": address, "VECTORSHIFT_VAULT_AUTH": "agent"}
        vault = loaded(VECTORSHIFT_VAULT_PATH=stored, **variables)
        assert vault.get_credential().secret.reveal() == KEY
        assert address in str(vault.describe())
    with pytest.raises(UNAVAILABLE) as answer:
        vault.get_credential()
    assert "nothing listens there. Check the agent and VECTORSHIFT_VAULT_ADDR." in str(answer.value)


def test_a_socket_that_says_nothing_is_waited_for_no_longer_than_there_is_time(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        vault = VaultProvider("vs", addr=f"unix://{tmp_path}/s", token="t")

        answer = vault.resolve(LookupRequest(deadline=time.monotonic() + 1))
    assert isinstance(answer, UNAVAILABLE)
    assert "no answer within 0.5 s" in str(answer)


# --- TLS ---


@pytest.fixture
def far(tmp_path: Path, tiny: MakeTiny) -> Iterator[tuple[str, Authority]]:
    """The address of a server that speaks TLS, and who signed its certificate."""
    authority = Authority(tmp_path)
    with tiny(200, BODY, tls=authority.context) as server:
        yield server.address, authority


@pytest.mark.parametrize(
    "how",
    ["file", "folder", "hidden folder", "bytes", "capath", "ssl", "ssl folders", "with comments"],
)
def test_a_ca_may_be_a_file_a_folder_of_plain_files_or_a_text(
    how: str,
    far: tuple[str, Authority],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, authority = far
    folder = tmp_path / "authorities"
    (folder / "..data").mkdir(parents=True)
    (folder / "README").write_text("no certificate")
    shutil.copy(authority.file, folder / "..data" / "company.crt")
    (folder / "company.crt").symlink_to("..data/company.crt")
    if how == "ssl":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    if how == "ssl folders":
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/nowhere", str(folder)]))
    commented = tmp_path / "commented.pem"
    text = authority.file.read_text()
    commented.write_text(f"\ufeff# F\u0151tan\u00fas\u00edtv\u00e1ny\n{text}", "utf-8")
    variables = {
        "file": {"VAULT_CACERT": str(authority.file)},
        "folder": {"VECTORSHIFT_VAULT_CACERT": str(folder)},
        "hidden folder": {"VECTORSHIFT_VAULT_CACERT": str(folder / "..data")},
        "bytes": {"VAULT_CACERT_BYTES": authority.file.read_text()},
        "capath": {"VAULT_CAPATH": str(folder)},
        "ssl": {},
        "ssl folders": {},
        "with comments": {"VAULT_CACERT": str(commented)},
    }[how]
    given = {"VECTORSHIFT_VAULT_PATH": "vs", "VAULT_ADDR": address, "VAULT_TOKEN": "t"}
    vault = loaded(**given, **variables)
    assert vault.get_credential().secret.reveal() == KEY


def test_a_certificate_that_is_not_for_a_server_is_no_fault_of_the_ca(
    tmp_path: Path, failure: Failure
) -> None:
    authority = Authority(tmp_path, for_clients=True)
    with FaultServer(answer(200, BODY.encode()), tls=authority.context) as server:
        vault = VaultProvider("vs", addr=server.origin, token="t", cacert=str(authority.file))
        said = failure(vault, WRONG)
    assert re.search(r"is not accepted \(unsu\w+ certificate purpose\)\. Issue it again", said)


def test_the_name_in_the_certificate_may_be_another_than_that_of_the_address(
    far: tuple[str, Authority], failure: Failure
) -> None:
    address, authority = far
    common: dict[str, Any] = {"addr": address, "token": "t", "cacert": str(authority.file)}
    named = VaultProvider("vs", tls_server_name="api.example.test", **common)
    assert named.get_credential().secret.reveal() == KEY
    other = VaultProvider("vs", tls_server_name="other.example.test", **common)
    assert "is for another name" in failure(other, WRONG)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_other_programs_is_named_where_it_would_have_helped(
    far: tuple[str, Authority], failure: Failure, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, authority = far
    monkeypatch.setenv(name, str(authority.file))
    said = failure(VaultProvider("vs", addr=address, token="t"), WRONG)
    assert f"{name} is not used." in said


def test_a_ca_that_is_corrected_is_read_again(
    far: tuple[str, Authority], tmp_path: Path, failure: Failure
) -> None:
    address, authority = far
    ca = tmp_path / "used.pem"
    (tmp_path / "other").mkdir()
    shutil.copy(Authority(tmp_path / "other").file, ca)
    vault = VaultProvider("vs", addr=address, token="t", cacert=str(ca))
    assert "is not signed by the CA that cacert= names" in failure(vault, WRONG)
    shutil.copy(authority.file, ca)
    assert vault.get_credential().secret.reveal() == KEY


def test_a_ca_that_is_rotated_fails_no_read(tiny: MakeTiny, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    authority, renewed = Authority(tmp_path), Authority(tmp_path / "next")
    closing = {"Content-Type": "application/json", "Connection": "close"}
    with tiny(200, BODY, closing, tls=authority.context) as server:
        vault = VaultProvider("vs", addr=server.address, token="t", cacert=str(authority.file))
        assert vault.get_credential().secret.reveal() == KEY
        authority.context.load_cert_chain(renewed.own)
        shutil.copy(renewed.file, authority.file)
        assert vault.get_credential().secret.reveal() == KEY


# --- Proxies ---


@pytest.mark.parametrize(
    "name", ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY", "VECTORSHIFT_VAULT_PROXY"]
)
def test_the_proxy_of_the_command_lines_is_used(
    name: str, tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tiny(200, BODY) as proxy, tiny(502, "") as other:
        monkeypatch.setenv("HTTP_PROXY", other.address)
        given = {"VECTORSHIFT_VAULT_PATH": "vs", "VAULT_TOKEN": "t", name: proxy.address}
        far = {"VAULT_ADDR": "http://vault.example:8200", "VECTORSHIFT_VAULT_ALLOW_HTTP": "1"}
        assert loaded(**given, **far).get_credential().secret.reveal() == KEY
        assert not other.seen


@pytest.mark.parametrize("kept", ["vault.example", ".example", "*"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_proxy_of_the_environment_is_used_but_for_what_no_proxy_names(
    name: str, kept: str, tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = VaultProvider("vs", addr="http://vault.example:8200", allow_http=True, token="t")
    with tiny(200, BODY) as proxy:
        monkeypatch.setenv(name, proxy.address)
        assert vault.get_credential().secret.reveal() == KEY
    monkeypatch.setenv("NO_PROXY", kept)
    assert VaultServer(vault._given)._proxy()[1] == ""


@pytest.mark.parametrize(
    ("variable", "proxy", "said"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "ALL_PROXY names a SOCKS proxy"),
        ("HTTPS_PROXY", "http://me:pa ss@:x", "the proxy of HTTPS_PROXY is malformed"),
        ("https_proxy", "http://", "the proxy of https_proxy is malformed"),
        ("HTTPS_PROXY", "ftp://proxy", "the proxy of HTTPS_PROXY is malformed"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    variable: str, proxy: str, said: str, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv(variable, proxy)
    told = failure(VaultProvider("vs", addr="https://vault.example", token="t"), WRONG)
    assert said in told
    assert "pa ss" not in told


def test_a_password_of_a_proxy_is_sent_and_not_shown(tiny: MakeTiny, failure: Failure) -> None:
    with tiny(407, "") as proxy:
        address = proxy.address.replace("//", "//me:swordfish@")
        vault = VaultProvider(
            "vs", addr="http://vault.example", token="t", allow_http=True, proxy=address
        )
        said = failure(vault, UNAVAILABLE)
        sent = {name.lower(): value for name, value in proxy.seen[0][1].items()}
        assert sent["proxy-authorization"] == "Basic bWU6c3dvcmRmaXNo"
    assert "swordfish" not in said + repr(vars(vault))


# --- What is not used is named where it would have helped ---


@pytest.mark.parametrize("name", ["VAULT_CLIENT_TIMEOUT", "BAO_CLIENT_TIMEOUT"])
def test_a_time_limit_that_is_not_used_is_named(
    name: str, tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "60")
    over = threading.Event()
    with tiny(200, BODY, before=over.wait) as server:
        vault = VaultProvider("vs", addr=server.address, token="t")
        with pytest.raises(UNAVAILABLE) as answer:
            CachingProvider(vault, load_timeout=1).get_credential()
        over.set()
    assert f"{name} is not used" in str(answer.value)


def test_load_timeout_is_the_time_that_a_look_up_has(tiny: MakeTiny) -> None:
    """A server that answers in 6 s is too slow by default."""
    with tiny(200, BODY) as server, patience() as noted:
        vault = CachingProvider(
            VaultProvider("vs", addr=server.address, token="t"), load_timeout=60
        )
        assert vault.get_credential().secret.reveal() == KEY
    assert 20 < max(noted.asked) <= 30  # half of the time, less what was used before


@pytest.mark.parametrize(
    "where",
    ["~/.vault", "~/.bao"]
    + [f"{family}_{name}" for family in ("VAULT", "BAO") for name in ("CONFIG_PATH", "TOKEN_FILE")],
)
def test_another_place_of_a_token_is_named_where_there_is_no_token(
    where: str, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    if where.startswith("~"):
        Path(where).expanduser().write_text('token_helper = "/usr/bin/helper"')
    else:
        monkeypatch.setenv(where, "/etc/vault-token")
    said = failure(VaultProvider("vs", addr="https://vault.example"), WRONG)
    assert re.search(rf"{where}\)? is not used", said)
    assert "use agent if an agent or a proxy adds its token" in said
