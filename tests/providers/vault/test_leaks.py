"""Neither the token nor the key is shown, whatever happens."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.vault.stand_ins import Issuer, role

from vectorshift.credentials import Secret
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.providers.vault.conftest import MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

pytestmark = pytest.mark.usefixtures("no_pauses")

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"


def kv2(fields: Mapping[str, object]) -> str:
    return json.dumps({"data": {"data": fields, "metadata": {"version": 7}}})


def everything_shown(vault: VaultProvider, caplog: pytest.LogCaptureFixture) -> str:
    """Ask with every logger at DEBUG; return all logs and the traceback with every frame's
    locals.
    """
    for name in [None, *logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, logger=name)
    shown = [repr(vault), str(vault.describe())]
    try:
        shown.append(repr(vault.get_credential()))
    except BaseException as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown.append("".join(trace.format(chain=True)))
        shown.append(repr(error.__dict__))
    shown += [f"{record.getMessage()} {record.args} {record.exc_info}" for record in caplog.records]
    return "\n".join(shown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, kv2({"api_key": KEY})),
        (200, kv2({"api_key": f"{KEY}\n{KEY}"})),
        (200, kv2({"other": KEY})),
        (200, f"<html>{KEY}</html>"),
        (302, KEY),
        (400, KEY),
        (403, json.dumps({"errors": [KEY, TOKEN]})),
        (404, json.dumps({"errors": [KEY, TOKEN]})),
        (
            404,
            json.dumps(
                {"data": {"data": {"x": KEY}, "metadata": {"destroyed": True, "version": KEY}}}
            ),
        ),
        (500, json.dumps({"errors": [KEY, TOKEN]})),
    ],
)
def test_neither_token_nor_key_is_shown_whatever_the_server_answers(
    status: int, body: str, caplog: pytest.LogCaptureFixture, tiny: MakeTiny
) -> None:
    with tiny(status, body, {"Location": f"http://127.0.0.1:9/{KEY}"}) as server:
        shown = everything_shown(VaultProvider("vs", addr=server.address, token=TOKEN), caplog)
        assert server.seen[0][1]["X-Vault-Token"] == TOKEN
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert TOKEN not in shown
    assert KEY not in shown


@pytest.mark.parametrize("status", [200, 400, 500])
def test_neither_secret_id_nor_token_is_shown_by_a_login(
    status: int, caplog: pytest.LogCaptureFixture, tiny: MakeTiny
) -> None:
    body = json.dumps({"auth": {"client_token": TOKEN}, "errors": [KEY], "data": None})
    with tiny(status, body) as server:
        vault = VaultProvider(
            "vs", addr=server.address, auth="approle", role_id="r", secret_id=Secret(KEY)
        )
        shown = everything_shown(vault, caplog)
        assert server.seen
    assert TOKEN not in shown
    assert KEY not in shown


@pytest.mark.parametrize("auth", ["token", "approle"])
def test_an_interrupt_in_mid_exchange_shows_neither(
    auth: Any, caplog: pytest.LogCaptureFixture, tiny: MakeTiny
) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        threading.Event().wait(0.2)

    with tiny(before=interrupt) as server:
        vault = VaultProvider(
            "vs", addr=server.address, auth=auth, token=TOKEN, role_id="r", secret_id=Secret(KEY)
        )
        shown = everything_shown(vault, caplog)
    assert "KeyboardInterrupt" in shown
    assert TOKEN not in shown
    assert KEY not in shown


@pytest.mark.parametrize("wrong", [{"on_error": "Stop"}, {"addr": None}, {"no_such": 1}])
def test_no_frame_of_a_constructor_that_raises_shows_a_token(
    wrong: dict[str, Any], shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        VaultProvider("vs", token=TOKEN, secret_id=KEY, **wrong)
    assert TOKEN not in shown(caught.value)
    assert KEY not in shown(caught.value)


class Watched:
    """A provider of a real server, and each secret that it has come to hold."""

    def __init__(self, vault: VaultProvider, *secrets: str) -> None:
        self.vault, self.secrets = vault, [KEY, *secrets]

    def ask(self, caplog: pytest.LogCaptureFixture) -> str:
        shown = everything_shown(self.vault, caplog)
        reader = self.vault._reader
        lease = reader._tokens._lease if reader is not None else None
        if lease is not None and lease.token.reveal():
            self.secrets.append(lease.token.reveal())
        assert not [secret for secret in self.secrets if secret in shown]
        return shown


@pytest.mark.parametrize("wrapped", [False, True])
def test_from_login_over_renewal_to_refusal_nothing_is_shown(
    wrapped: bool, openbao: OpenBaoServer, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    name = "leaky-wrapped" if wrapped else "leaky"
    given = role(openbao, name, token_ttl="1h", token_max_ttl="2h")
    more: dict[str, Any] = {
        "role_id": given["role_id"],
        "secret_id": given["secret_id"],
        "secret_id_wrapped": wrapped,
    }
    if wrapped:
        wrap = {"X-Vault-Wrap-TTL": "60s"}
        made = openbao.call("POST", f"auth/approle/role/{name}/secret-id", {}, headers=wrap)
        more["secret_id"] = made["wrap_info"]["token"]
    vault = VaultProvider(stored, addr=openbao.address, auth="approle", clock=clock, **more)
    watched = Watched(vault, more["secret_id"], given["secret_id"])
    renewals = openbao.calls("auth/token/renew-self", "update")
    watched.ask(caplog)
    assert len(watched.secrets) == 4
    clock.advance(2000)
    watched.ask(caplog)
    assert openbao.calls("auth/token/renew-self", "update") == renewals + 1
    clock.advance(9000)  # a new login
    watched.ask(caplog)
    openbao.call("DELETE", f"auth/approle/role/{name}")
    clock.advance(9000)
    assert "CredentialDeniedError" in watched.ask(caplog)


@pytest.mark.parametrize("kind", ["token", "jwt", "kubernetes"])
def test_a_refused_identity_is_not_shown(
    kind: Any, openbao: OpenBaoServer, stored: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity = Issuer().service_account() if kind != "token" else TOKEN
    (tmp_path / "identity").write_text(identity)
    file: dict[str, Any] = {
        "token_file" if kind == "token" else "jwt_file": str(tmp_path / "identity")
    }
    vault = VaultProvider(
        stored, addr=openbao.address, auth=kind, role="app", auth_mount="unknown", **file
    )
    assert "CredentialDeniedError" in Watched(vault, identity).ask(caplog)


@pytest.mark.parametrize("verify", [False, True])
def test_over_tls_nothing_is_shown_either(
    verify: bool, tls_bao: OpenBaoServer, caplog: pytest.LogCaptureFixture
) -> None:
    more: dict[str, Any] = {"cacert": tls_bao.cacert} if verify else {}
    vault = VaultProvider("vs", addr=tls_bao.address, token=tls_bao.root_token, **more)
    assert ("TLS failed" in Watched(vault, tls_bao.root_token).ask(caplog)) is not verify


# --- What holds the content of a file, or a token, in place of a name ---

MARK = "b64Mark7f3e/Q+9xA=="


@pytest.mark.parametrize("version", [{"of": KEY}, [KEY], 10**4_000])
def test_a_version_that_is_no_name_is_not_shown(tiny: MakeTiny, version: object) -> None:
    body = {"data": {"data": {"api_key": KEY}, "metadata": {"version": version}}}
    with tiny(200, json.dumps(body)) as server:
        credential = VaultProvider("vs", addr=server.address, token=TOKEN).get_credential()
    assert credential.version is None
    assert KEY not in str(credential)


NAMES = ("cacert", "client_cert", "client_key", "token_file", "secret_id_file", "jwt_file")
CONTENTS = {
    "a private key": f"-----BEGIN PRIVATE KEY-----\n{MARK}\n-----END PRIVATE KEY-----\n",
    "on one line": f"-----BEGIN PRIVATE KEY----- {MARK} -----END PRIVATE KEY-----",
    "with a certificate": f"-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n{MARK}",
    "a token behind a line break": f"\n./{MARK}\nx",
    "longer than a path": f"./{MARK}" + "/a" * 4096,
    "longer than a name": f"./{MARK}" + "a" * 300,
    "turned around": f"./\u202e{MARK}",
    "a control character outside ASCII": f"./\x85{MARK}",
}


def methods(name: str) -> dict[str, Any]:
    """What makes a provider look at this argument."""
    if name.startswith("jwt"):
        return {"auth": "jwt"}
    if name.startswith("secret_id"):
        return {"auth": "approle", "role_id": "r"}
    if name.startswith("password"):
        return {"auth": "userpass", "username": "me"}
    return {} if name.startswith("token") else {"token": TOKEN}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=list(CONTENTS))
@pytest.mark.parametrize(
    "name", [*NAMES, "password_file", "addr", "path", "mount", "namespace", "field"]
)
def test_a_content_in_place_of_a_name_is_shown_nowhere(
    name: str, content: str, caplog: pytest.LogCaptureFixture, shown: Callable[..., str]
) -> None:
    scheme = "https" if name in ("cacert", "client_cert", "client_key") else "http"
    given: dict[str, Any] = {"addr": f"{scheme}://127.0.0.1:9", "path": "vs", **methods(name)}
    given[name] = content
    vault = VaultProvider(**given)
    said = everything_shown(vault, caplog)
    assert MARK not in said.replace("given = ", "").split("Traceback")[0]
    answer = vault.resolve(LookupRequest(deadline=time.monotonic() + 0.5))
    assert MARK not in str(answer) + repr(answer)
    if name in ("path", "mount", "namespace", "field") and "longer" in content_name(content):
        return  # such names are refused by the server, if they are none
    variables = {f"VECTORSHIFT_VAULT_{key.upper()}": value for key, value in given.items()}
    with pytest.raises(CredentialConfigurationError, match=f"VAULT_{name.upper()}: ") as caught:
        Settings.load(variables)
    assert MARK not in shown(caught.value)


def content_name(content: str) -> str:
    return next(name for name, text in CONTENTS.items() if text == content)


@pytest.mark.parametrize("name", ["api_key_file", "env_file", "ca_bundle", "credentials_directory"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=list(CONTENTS))
def test_the_other_settings_that_name_files_show_no_content_either(
    name: str, content: str, shown: Callable[..., str]
) -> None:
    with pytest.raises(CredentialConfigurationError) as caught:
        Settings.load({f"VECTORSHIFT_{name.upper()}": content})
    assert MARK not in shown(caught.value)
