"""Neither the token nor the key is shown, whatever happens."""

from __future__ import annotations

import json
import logging
import signal
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.credentials import Secret
from vectorshift.providers.vault import VaultProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    MakeTiny = Callable[..., AbstractContextManager[Any]]

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"


def kv2(fields: Mapping[str, object]) -> str:
    return json.dumps({"data": {"data": fields, "metadata": {"version": 7}}})


def everything_shown(vault: VaultProvider, caplog: pytest.LogCaptureFixture) -> str:
    """Ask with every logger at DEBUG; return all logs and the traceback with every frame's locals."""
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
        (404, json.dumps({"data": {"data": {"x": KEY}, "metadata": {"destroyed": True, "version": KEY}}})),
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
        vault = VaultProvider("vs", addr=server.address, auth="approle", role_id="r", secret_id=Secret(KEY))
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
        vault = VaultProvider("vs", addr=server.address, auth=auth, token=TOKEN, role_id="r", secret_id=Secret(KEY))
        shown = everything_shown(vault, caplog)
    assert "KeyboardInterrupt" in shown
    assert TOKEN not in shown
    assert KEY not in shown
