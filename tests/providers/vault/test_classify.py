"""Every answer that a server may give, and the way round its short failures."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.forks import succeeds_in_a_child

from vectorshift import CachingProvider, Credential, errors
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.vault.conftest import Failure, MakeProvider, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

pytestmark = pytest.mark.usefixtures("no_pauses")

KEY = "vs-key-3f9c2e71d8"
TOKEN = "hvs.token-a1b2c3d4e5"
NO_LEADER = "local node not active but active cluster node not found"
DISASTER = "path disabled in replication DR secondary mode"


def soon(seconds: float = 1) -> LookupRequest:
    return LookupRequest(deadline=time.monotonic() + seconds)


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


UNAVAILABLE, DENIED = errors.CredentialStoreUnavailableError, errors.CredentialDeniedError
WRONG, MISSING = errors.CredentialConfigurationError, errors.CredentialNotFoundError
NOT_VAULT = "is not Vault but a gateway"


PASSING = (412, 429, 472, 473, 500, 502, 503, 504)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (429, "{}", UNAVAILABLE, "limits the rate"),
        (500, '{"errors":["internal"]}', UNAVAILABLE, "fails (HTTP 500)"),
        (500, f'{{"errors":["{NO_LEADER}"]}}', UNAVAILABLE, "no leader"),
        (501, '{"errors":[]}', UNAVAILABLE, "fails (HTTP 501)"),
        (502, "<html>", UNAVAILABLE, "fails (HTTP 502)"),
        (503, '{"errors":["Vault is sealed"]}', UNAVAILABLE, "sealed"),
        (504, "", UNAVAILABLE, "fails (HTTP 504)"),
        (412, '{"errors":["required index state not present"]}', UNAVAILABLE, "not caught up"),
        (472, '{"errors":[]}', UNAVAILABLE, "a standby that does not serve reads"),
        (473, '{"errors":[]}', UNAVAILABLE, "a standby that does not serve reads"),
        (400, f'{{"errors":["{DISASTER}"]}}', UNAVAILABLE, "a standby that does not serve reads"),
        (400, '{"errors":["bad"]}', UNAVAILABLE, "does not accept the request (HTTP 400)"),
        (400, "<html>", UNAVAILABLE, NOT_VAULT),
        (401, "", UNAVAILABLE, NOT_VAULT),
        (403, "<html>", UNAVAILABLE, NOT_VAULT),
        (403, '{"message":"forbidden"}', UNAVAILABLE, NOT_VAULT),
        (404, "<html>not here</html>", UNAVAILABLE, NOT_VAULT),
        (404, '{"detail":"Not Found"}', UNAVAILABLE, NOT_VAULT),
        (407, "", UNAVAILABLE, NOT_VAULT),
        (401, '{"errors":["no"]}', DENIED, "refuses the read"),
        (403, '{"errors":["permission denied"]}', DENIED, "does not know the token"),
        (403, '{"errors":["2 errors occurred: permission denied, invalid token"]}', DENIED, "know"),
        (400, '{"errors":["missing client token"]}', DENIED, "has no token"),
        (400, "Client sent an HTTP request to an HTTPS server.", WRONG, "https://"),
        (400, "<b>The plain HTTP request was sent to HTTPS port</b>", WRONG, "https://"),
        (400, "You're speaking plain HTTP to an SSL-enabled server port.", WRONG, "https://"),
        (404, '{"errors":[]}', MISSING, "no such secret"),
        (404, '{"errors":["no handler for route"]}', WRONG, "no KV engine is mounted"),
        (200, "<html>welcome</html>", WRONG, "is not a Vault server"),
        (200, "", UNAVAILABLE, "it was cut off"),
        (200, '{"data":null,"wrap_info":{"token":"hvs.w"}}', DENIED, "a control group"),
        (200, "[]", WRONG, "is not a Vault server"),
        (200, "{}", WRONG, "is not a Vault server"),
        (200, '{"data":{"api_key":"vs"}}', WRONG, "kv_version=1"),
        (204, "", WRONG, "is not a Vault server"),
        (302, "", WRONG, "redirects"),
    ],
)
def test_each_answer_of_the_server_has_its_outcome(
    status: int, body: str, kind: type[Exception], said: str, tiny: MakeTiny
) -> None:
    with tiny(status, body) as server:
        answer = VaultProvider("vs", addr=server.address, token=TOKEN).resolve(soon())
        assert type(answer) is kind
        assert said in str(answer)
        assert server.address in str(answer)
        asked = [which for which, _ in server.seen if "/mounts/" not in which]
    is_passing = not body if status == 200 else status in PASSING
    assert (len(asked) > 1) is is_passing


def test_a_locked_namespace_is_unavailable_and_waited_for_no_longer_than_a_sealed_server(
    openbao: OpenBaoServer, failure: Failure
) -> None:
    openbao.call("POST", "sys/namespaces/locked")
    openbao.call("POST", "sys/namespaces/api-lock/lock/locked")
    vault = VaultProvider("vs", addr=openbao.address, token=openbao.root_token, namespace="locked")
    asked = time.monotonic()
    assert "the namespace is locked. Unlock it: bao namespace unlock" in failure(vault, UNAVAILABLE)
    assert time.monotonic() - asked < 5


@pytest.mark.parametrize("after", ["0.2", None])
def test_what_passes_is_waited_for_as_long_as_there_is_time(
    after: str | None, tiny: MakeTiny
) -> None:
    headers = {"Retry-After": after} if after else {}
    with tiny(429, "{}", headers) as server:

        def recover() -> None:
            if len(server.seen) == 4:  # the four tries of a read that is not patient are over
                server.answer = (200, kv2({"api_key": KEY}), {})

        server.before = recover
        answer = VaultProvider("vs", addr=server.address, token=TOKEN).resolve(soon(20))
    assert isinstance(answer, Credential)


def test_a_source_that_may_be_passed_over_is_not_waited_for(tiny: MakeTiny) -> None:
    with tiny(503, "{}") as server:
        vault = VaultProvider("vs", addr=server.address, token=TOKEN, on_error="continue")
        assert isinstance(vault.resolve(soon(20)), UNAVAILABLE)
        assert len(server.seen) == 3


@pytest.mark.parametrize("as_date", [False, True])
def test_a_retry_after_beyond_the_time_is_handed_on(as_date: bool, tiny: MakeTiny) -> None:
    after = formatdate(time.time() + 41, usegmt=True) if as_date else "40"
    with tiny(429, "{}", {"Retry-After": after}) as server:
        answer = VaultProvider("vs", addr=server.address, token=TOKEN).resolve(soon(2))
        assert len(server.seen) == 1
    assert isinstance(answer, UNAVAILABLE)
    assert answer.retry_after == pytest.approx(40, abs=1)


LOGIN, READ = "/v1/auth/approle/login", "/v1/secret/data/vs"


@pytest.mark.parametrize("redirected", [LOGIN, READ])
def test_a_standby_that_redirects_is_asked_until_the_election_is_over(
    redirected: str, tiny: MakeTiny
) -> None:
    done = json.dumps({"auth": {"client_token": TOKEN}, **json.loads(kv2({"api_key": KEY}))})
    with tiny(200, done) as server:

        def elect() -> None:
            path = server.seen[-1][0].split()[1]
            asked = [which for which, _ in server.seen].count(server.seen[-1][0])
            away = path == redirected and asked < 5
            location = {"Location": f"https://10.0.0.1:8200{path}"}
            server.answer = (307, "", location) if away else (200, done, {})

        server.before = elect
        vault = VaultProvider("vs", addr=server.address, auth="approle", role_id="r", secret_id="s")
        assert isinstance(vault.resolve(soon(20)), Credential)
        vault.close()
        server.before = lambda: setattr(
            server, "answer", (307, "", {"Location": f"http://10.0.0.1:8200{LOGIN}"})
        )
        answer = vault.resolve(soon())
    assert isinstance(answer, UNAVAILABLE)
    assert answer.retry_after == 1, "so that it is asked again at once"
    assert "perhaps during an election" in str(answer)


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "https://10.0.0.1:8200/v1/secret/data/vs"),
        (302, "https://login.example/v1/secret/data/vs"),
        (307, "https://login.example/sso"),
        (307, "https://127.0.0.1/v1/secret/data/vs"),
        (307, "https://[::1/v1/secret/data/vs"),
        (308, "https://127.0.0.1/v1/secret/data/vs"),
        (307, "/v1/secret/data/vs"),
    ],
)
def test_any_other_redirect_is_wrong_and_not_followed(
    status: int, location: str, tiny: MakeTiny, failure: Failure
) -> None:
    with tiny(status, "", {"Location": location}) as server:
        vault = VaultProvider("vs", addr=server.address, token=TOKEN)
        assert "addr=" in failure(vault, WRONG)
        assert len(server.seen) == 1


def test_a_short_failure_of_the_server_is_not_noticed(tiny: MakeTiny) -> None:
    with tiny(503, "{}") as server:

        def recover() -> None:
            if len(server.seen) == 2:
                server.answer = (200, kv2({"api_key": KEY}), {})

        server.before = recover
        assert VaultProvider("vs", addr=server.address, token=TOKEN).get_credential().version == "7"


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


def test_a_bundle_of_cas_may_have_comments_in_any_language(
    tls_bao: OpenBaoServer, provider: MakeProvider, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(f"# Prüfstelle\n{Path(tls_bao.cacert or '').read_text()}", "utf-8")
    vault = provider(tls_bao, "vs", cacert=str(bundle))
    assert vault.get_credential().secret.reveal() == KEY


@pytest.mark.parametrize("file", ["binary.pem", "~nobody-of-this-name/ca.pem"])
def test_a_file_of_cas_that_is_none_is_named(
    tls_bao: OpenBaoServer, provider: MakeProvider, failure: Failure, tmp_path: Path, file: str
) -> None:
    (tmp_path / "binary.pem").write_bytes(bytes(range(256)))
    named = file if file.startswith("~") else str(tmp_path / file)
    vault = provider(tls_bao, "vs", cacert=named)
    assert named in failure(vault, errors.CredentialConfigurationError)


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
        assert "pip install 'vectorshift[vault]>=2'" in failure(
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
        answers = succeeds_in_a_child(lambda: vault.get_credential().version == "7")
        release.set()
        first.join()
    assert answers


def test_the_word_namespace_in_a_path_is_no_missing_namespace(
    openbao: OpenBaoServer, provider: MakeProvider, failure: Failure
) -> None:
    vault = provider(openbao, "namespace/app", mount="nowhere")
    said = failure(vault, errors.CredentialConfigurationError)
    assert "no KV engine is mounted at 'nowhere'" in said


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
        ({"destroyed": "false", "deletion_time": ""}, errors.CredentialStoreUnavailableError),
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


def test_one_not_found_of_a_replica_that_lags_fails_no_call(tiny: MakeTiny) -> None:
    """It is asked again 2 s later, by the clock of the cache, on a new connection."""
    clock, connections = ManualClock(), list[object]()
    with tiny(200, kv2({"api_key": KEY})) as server:
        accept = server.get_request

        def counted() -> Any:
            connections.append(1)
            return accept()

        server.get_request = counted
        vault = VaultProvider("vs", addr=server.address, token=TOKEN, clock=clock)
        cached = CachingProvider(vault, ttl=0, clock=clock)
        assert cached.get_credential().version == "7"
        server.answer = (404, '{"errors":[]}', {})
        rejected = cached.resolve(LookupRequest(rejected=cached.get_credential()))
        assert isinstance(rejected, MISSING), "a 401 stands meanwhile"
        server.answer = (200, kv2({"api_key": KEY}), {})
        clock.advance(2)
        for _ in range(20):
            assert cached.get_credential().version == "7"
        answer = cached.resolve(LookupRequest(bypass_cache=True, forced=True))
    assert isinstance(answer, Credential)
    assert len(connections) > 1
