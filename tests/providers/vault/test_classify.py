"""Every answer that a server may give, and the way round its short failures."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from vectorshift.testing.openbao import OpenBaoServer

    MakeTiny = Callable[..., AbstractContextManager[Any]]
    MakeProvider = Callable[..., VaultProvider]
    Failure = Callable[[VaultProvider, type[errors.CredentialError]], str]

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"


def kv2(fields: Mapping[str, object]) -> str:
    return json.dumps({"data": {"data": fields, "metadata": {"version": 7}}})


def test_an_address_where_nothing_listens_is_unavailable(tiny: MakeTiny, failure: Failure) -> None:
    with tiny() as server:
        address = server.address
    said = failure(
        VaultProvider("vs", addr=address, token=TOKEN), errors.CredentialStoreUnavailableError
    )
    assert address in said
    assert "nothing listens" in said


@pytest.mark.parametrize(
    ("status", "body", "kind", "contacts"),
    [
        (429, "{}", errors.CredentialStoreUnavailableError, 3),
        (500, '{"errors":["internal"]}', errors.CredentialStoreUnavailableError, 3),
        (501, '{"errors":[]}', errors.CredentialStoreUnavailableError, 1),
        (502, "<html>", errors.CredentialStoreUnavailableError, 3),
        (503, '{"errors":["Vault is sealed"]}', errors.CredentialStoreUnavailableError, 3),
        (504, "", errors.CredentialStoreUnavailableError, 3),
        (
            412,
            '{"errors":["required index state not present"]}',
            errors.CredentialStoreUnavailableError,
            3,
        ),
        (472, '{"errors":[]}', errors.CredentialDeniedError, 1),
        (473, '{"errors":[]}', errors.CredentialDeniedError, 1),
        (401, '{"errors":["no"]}', errors.CredentialDeniedError, 1),
        (403, "<html>", errors.CredentialDeniedError, 1),
        (400, '{"errors":["missing client token"]}', errors.CredentialDeniedError, 1),
        (400, '{"errors":["bad"]}', errors.CredentialConfigurationError, 1),
        (
            400,
            "Client sent an HTTP request to an HTTPS server.",
            errors.CredentialConfigurationError,
            1,
        ),
        (404, "<html>not here</html>", errors.CredentialConfigurationError, 1),
        (404, '{"detail":"Not Found"}', errors.CredentialConfigurationError, 1),
        (404, '{"errors":[]}', errors.CredentialNotFoundError, 2),
        (404, '{"errors":["no handler for route"]}', errors.CredentialConfigurationError, 1),
        (200, "<html>welcome</html>", errors.CredentialConfigurationError, 1),
        (200, "[]", errors.CredentialConfigurationError, 1),
        (200, "{}", errors.CredentialConfigurationError, 1),
        (200, '{"data":{"api_key":"vs"}}', errors.CredentialConfigurationError, 1),
        (204, "", errors.CredentialConfigurationError, 1),
    ],
)
def test_each_answer_of_the_server_has_its_outcome(
    status: int,
    body: str,
    kind: type[errors.CredentialError],
    contacts: int,
    tiny: MakeTiny,
    failure: Failure,
) -> None:
    with tiny(status, body) as server:
        said = failure(VaultProvider("vs", addr=server.address, token=TOKEN), kind)
        assert server.address in said
        assert len(server.seen) == contacts


def test_retry_after_is_handed_on_and_not_slept(
    tiny: MakeTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with (
        tiny(429, "{}", {"Retry-After": "4"}) as server,
        pytest.raises(errors.CredentialStoreUnavailableError) as caught,
    ):
        VaultProvider("vs", addr=server.address, token=TOKEN).get_credential()
    assert caught.value.retry_after == 4
    assert sum(pauses) < 1


def test_a_short_failure_of_the_server_is_not_noticed(tiny: MakeTiny) -> None:
    with tiny(503, "{}") as server:

        def recover() -> None:
            if len(server.seen) == 2:
                server.answer = (200, kv2({"api_key": KEY}), {})

        server.before = recover
        assert VaultProvider("vs", addr=server.address, token=TOKEN).get_credential().version == "7"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, tiny: MakeTiny, failure: Failure) -> None:
    with (
        tiny(200, kv2({"api_key": KEY})) as other,
        tiny(status, "", {"Location": other.address}) as server,
    ):
        said = failure(
            VaultProvider("vs", addr=server.address, token=TOKEN),
            errors.CredentialConfigurationError,
        )
        assert "addr=" in said
        assert not other.seen


def test_a_sealed_server_is_unavailable_until_it_is_unsealed(
    tls_bao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(tls_bao, "vs", cacert=tls_bao.cacert)
    tls_bao.seal()
    try:
        assert "sealed" in failure(vault, errors.CredentialStoreUnavailableError)
    finally:
        tls_bao.unseal()
    assert vault.get_credential().secret.reveal() == KEY


def test_a_missing_package_names_the_extra(
    openbao: OpenBaoServer,
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    provider: MakeProvider,
    failure: Failure,
) -> None:
    vault = provider(openbao, stored)
    with monkeypatch.context() as blocked:
        blocked.setitem(sys.modules, "hvac", None)
        assert "pip install 'vectorshift[vault]'" in failure(
            vault, errors.CredentialConfigurationError
        )
    assert vault.get_credential().secret.reveal() == KEY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_in_the_middle_of_a_login_can_ask(tiny: MakeTiny) -> None:
    entered, release = threading.Event(), threading.Event()

    def hold_the_first() -> None:
        if not entered.is_set():
            entered.set()
            release.wait()

    body = json.dumps({"auth": {"client_token": TOKEN}, **json.loads(kv2({"api_key": KEY}))})
    with tiny(200, body, before=hold_the_first) as server:
        vault = VaultProvider("vs", addr=server.address, auth="approle", role_id="r", secret_id="s")
        first = threading.Thread(target=vault.get_credential)
        first.start()
        assert entered.wait(60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if vault.get_credential().version == "7" else 1)
        _, status = os.waitpid(child, 0)
        release.set()
        first.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_word_namespace_in_a_path_is_no_missing_namespace(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, "namespace/app", mount="nowhere")
    said = failure(vault, errors.CredentialConfigurationError)
    assert "nothing is mounted at 'nowhere'" in said


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"deletion_time": "2020-01-01T00:00:00Z"}, errors.CredentialRevokedError),
        ({"deletion_time": "", "destroyed": True}, errors.CredentialRevokedError),
        (
            {"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False},
            errors.CredentialStoreUnavailableError,
        ),
        ({"deletion_time": "soon"}, errors.CredentialStoreUnavailableError),
        ({"destroyed": "false", "deletion_time": ""}, errors.CredentialConfigurationError),
    ],
)
def test_only_a_deletion_that_has_happened_is_a_revocation(
    metadata: dict[str, Any],
    kind: type[errors.CredentialError],
    tiny: MakeTiny,
    failure: Failure,
) -> None:
    body = json.dumps({"data": {"data": None, "metadata": {"version": 3, **metadata}}})
    with tiny(404, body) as server:
        failure(VaultProvider("vs", addr=server.address, token=TOKEN), kind)


@pytest.mark.parametrize("kv_version", [1, 2])
def test_a_warning_about_something_else_says_nothing_about_the_kv_version(
    kv_version: int, tiny: MakeTiny, failure: Failure
) -> None:
    with tiny(404, '{"errors":[],"warnings":["a quota is nearly used up"]}') as server:
        vault = VaultProvider("vs", addr=server.address, token=TOKEN, kv_version=kv_version)
        failure(vault, errors.CredentialNotFoundError)


def test_an_error_that_quotes_a_missing_token_is_no_denial(
    tiny: MakeTiny, failure: Failure
) -> None:
    with tiny(500, '{"errors":["upstream: missing client token"]}') as server:
        vault = VaultProvider("vs", addr=server.address, token=TOKEN)
        failure(vault, errors.CredentialStoreUnavailableError)
