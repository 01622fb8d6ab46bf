"""A service that runs for long never fails because of its token, and never needs a restart because
of one.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.stage import Threads, traffic
from tests.providers.patience import patience
from tests.providers.vault.stand_ins import role

from vectorshift import errors
from vectorshift.providers.vault import VaultProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.vault.conftest import Failure, MakeTiny

    from vectorshift.testing.openbao import OpenBaoServer

KEY = "vs-key-3f9c2e71d8"
LOGIN, RENEW, LOOKUP = "auth/approle/login", "auth/token/renew-self", "auth/token/lookup-self"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Counter:
    """Counts what a server was asked since this was made."""

    def __init__(self, server: OpenBaoServer, path: str) -> None:
        self._server, self._secret = server, f"secret/data/{path}"
        self._before = self._now()

    def _now(self) -> tuple[int, ...]:
        server = self._server
        return (
            server.calls(LOGIN, "update"),
            server.calls(RENEW, "update"),
            server.calls(LOOKUP),
            server.refusals(self._secret),
        )

    @property
    def since(self) -> dict[str, int]:
        names = ("logins", "renewals", "lookups", "refused")
        return {
            n: a - b for n, a, b in zip(names, self._now(), self._before, strict=True) if a != b
        }


def approle(server: OpenBaoServer, path: str, clock: Any = None, **fields: Any) -> VaultProvider:
    more: dict[str, Any] = {"clock": clock} if clock else {}
    more |= role(server, "life", **fields)
    return VaultProvider(path, addr=server.address, auth="approle", **more)


@contextlib.contextmanager
def reading(vault: VaultProvider, threads: int = 4) -> Iterator[Threads]:
    """Read from several threads, without a pause; let none of the reads fail."""

    def read() -> None:
        assert vault.get_credential().secret.reveal() == KEY

    with traffic(threads, read) as running:
        running.turn()
        yield running
        running.turn()
        running.turn()
    assert running.failures == []


# --- Tokens of a login ---


def test_a_token_that_expired_unforeseen_under_steady_traffic_costs_one_login_and_no_failed_call(
    openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    vault = approle(
        openbao, stored, clock, token_ttl="1s", token_max_ttl="1s"
    )  # the clock stands still: no foresight
    vault.get_credential()
    openbao.call("POST", "auth/approle/role/life", {"token_ttl": "1h", "token_max_ttl": "2h"})
    count = Counter(openbao, stored)
    with reading(vault) as threads:
        threads.turn_until(lambda: "refused" in count.since)
    assert count.since["logins"] == 1
    assert 1 <= count.since["refused"] <= 4, "each thread may find out by itself"


def test_a_token_that_is_revoked_under_steady_traffic_costs_one_login_and_no_failed_call(
    openbao: OpenBaoServer, stored: str
) -> None:
    vault = approle(openbao, stored)
    vault.get_credential()
    count = Counter(openbao, stored)
    with reading(vault):
        for accessor in openbao.call("LIST", "auth/token/accessors")["data"]["keys"]:
            looked = openbao.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})[
                "data"
            ]
            if looked["meta"] == {"role_name": "life"}:
                openbao.call("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    assert count.since["logins"] == 1


def test_a_token_is_renewed_and_at_its_max_ttl_replaced_before_the_server_refuses_anything(
    openbao: OpenBaoServer, stored: str
) -> None:
    """By the clocks of both sides: a machine that stands still for the second half of a token's
    life, 2 s, fails it.
    """
    vault = approle(openbao, stored, token_ttl="4s", token_max_ttl="6s")
    count = Counter(openbao, stored)
    with reading(vault, threads=2) as threads:
        threads.turn_until(lambda: count.since["logins"] == 2)
    assert "refused" not in count.since
    assert count.since["renewals"] >= 1
    assert count.since["logins"] == 2


def test_a_token_is_renewed_at_the_first_read_past_half_its_life(
    openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    vault = approle(openbao, stored, clock, token_ttl="1h", token_max_ttl="24h")
    vault.get_credential()
    count = Counter(openbao, stored)
    clock.advance(1700)
    vault.get_credential()
    assert count.since == {}
    clock.advance(200)
    vault.get_credential()
    vault.get_credential()
    assert count.since == {"renewals": 1}
    clock.advance(1900)
    vault.get_credential()
    assert count.since == {"renewals": 2}


def test_a_renewal_that_brings_less_is_one_of_the_last_and_calls_for_a_login(
    openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    vault = approle(openbao, stored, clock, token_ttl="1h", token_max_ttl="24h")
    vault.get_credential()
    clock.advance(1900)
    openbao.call("POST", "auth/approle/role/life", {"token_ttl": "5m", "token_max_ttl": "5m"})
    count = Counter(openbao, stored)
    vault.get_credential()
    assert count.since == {"renewals": 1, "logins": 1}
    clock.advance(100)
    vault.get_credential()
    assert count.since == {"renewals": 1, "logins": 1}


def test_a_batch_token_is_replaced_as_it_cannot_be_renewed(
    openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    vault = approle(openbao, stored, clock, token_type="batch", token_ttl="1h", token_max_ttl="1h")
    vault.get_credential()
    count = Counter(openbao, stored)
    clock.advance(1900)
    vault.get_credential()
    assert count.since == {"logins": 1}
    openbao.call("POST", "auth/approle/role/life", {"token_type": "default"})


@pytest.mark.parametrize("suspended", [False, True])
def test_a_token_that_ended_between_two_reads_is_replaced_without_a_refused_read(
    suspended: bool, openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    vault = approle(openbao, stored, clock, token_ttl="60s", token_max_ttl="60s")
    vault.get_credential()
    count = Counter(openbao, stored)
    clock.advance(300, suspended=suspended)
    vault.get_credential()
    assert count.since == {"logins": 1}


def test_a_login_that_fails_harms_nothing_while_the_token_works_and_is_warned_of_once(
    openbao: OpenBaoServer,
    stored: str,
    clock: ManualClock,
    failure: Failure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault = approle(openbao, stored, clock, token_type="batch", token_ttl="1h", token_max_ttl="1h")
    vault.get_credential()
    openbao.call("DELETE", "auth/approle/role/life")
    for _ in range(8):
        clock.advance(400)
        assert vault.get_credential().secret.reveal() == KEY
    [warning] = caplog.messages
    assert "neither renewal nor login brought a longer one" in warning
    assert stored in warning
    clock.advance(400)
    assert "refuses the login" in failure(vault, errors.CredentialDeniedError)


def test_a_renewal_that_hangs_costs_three_seconds_and_no_failed_call(
    tiny: MakeTiny, clock: ManualClock
) -> None:
    auth = {"client_token": "hvs.t", "lease_duration": 3600, "renewable": True}
    body = json.dumps(
        {"auth": auth, "data": {"data": {"api_key": KEY}, "metadata": {"version": 7}}}
    )
    over = threading.Event()
    with tiny(200, body) as server:
        vault = VaultProvider(
            "vs", addr=server.address, auth="approle", role_id="r", secret_id="s", clock=clock
        )
        vault.get_credential()
        clock.advance(1900)
        server.before = lambda: over.wait() if "renew-self" in server.seen[-1][0] else None
        with patience() as noted:
            assert vault.get_credential().secret.reveal() == KEY
        over.set()
        assert noted.asked[-1] <= 3 < max(noted.asked)
        assert [asked.rpartition("/")[2] for asked, _ in server.seen] == [
            "login",
            "vs",
            "vs",
            "renew-self",
        ]


# --- Tokens that were given ---


def test_a_given_token_is_renewed_at_reads_past_half_its_life(
    openbao: OpenBaoServer, stored: str, clock: ManualClock
) -> None:
    openbao.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
    token = openbao.token(["reader"], ttl="1h")
    count = Counter(openbao, stored)
    vault = VaultProvider(stored, addr=openbao.address, token=token, clock=clock)
    vault.get_credential()
    assert count.since == {}, "the first read costs one request"
    vault.get_credential()
    vault.get_credential()
    assert count.since == {"lookups": 1}
    for renewals in (1, 2, 3):
        clock.advance(1900)
        vault.get_credential()
        assert count.since == {"lookups": 1, "renewals": renewals}


@pytest.mark.parametrize("kind", ["no right to look", "not renewable", "batch", "root"])
def test_a_given_token_that_cannot_be_renewed_serves_until_it_ends(
    kind: str,
    openbao: OpenBaoServer,
    stored: str,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    openbao.policy("reader", 'path "secret/data/*" { capabilities = ["read"] }')
    kinds: dict[str, dict[str, Any]] = {
        "no right to look": {"no_default_policy": True},
        "not renewable": {"renewable": False},
        "batch": {"type": "batch"},
    }
    token = (
        openbao.token(["reader"], ttl="1h", **kinds[kind]) if kind in kinds else openbao.root_token
    )
    count = Counter(openbao, stored)
    vault = VaultProvider(stored, addr=openbao.address, token=token, clock=clock)
    for _ in range(5):
        clock.advance(600)
        assert vault.get_credential().secret.reveal() == KEY
    assert count.since == {"lookups": 1}
    assert len(caplog.messages) == (kind in ("not renewable", "batch"))


def test_a_given_token_past_its_max_ttl_is_denied_by_the_server_alone(
    openbao: OpenBaoServer, stored: str, clock: ManualClock, failure: Failure
) -> None:
    token = openbao.token(["root"], ttl="1h", explicit_max_ttl="1h")
    vault = VaultProvider(stored, addr=openbao.address, token=token, clock=clock)
    vault.get_credential()
    vault.get_credential()
    clock.advance(4000)
    assert vault.get_credential().secret.reveal() == KEY, (
        "our clock does not judge a token that works"
    )
    openbao.revoke(token)  # as the server does itself when its own hour is over
    assert "expired" in failure(vault, errors.CredentialDeniedError)


def test_a_token_file_that_was_replaced_is_noticed_before_the_old_token_is_refused(
    openbao: OpenBaoServer, stored: str, tmp_path: Path
) -> None:
    sink = tmp_path / "sink"
    first, second = openbao.token(["root"]), openbao.token(["root"])
    sink.write_text(first)
    vault = VaultProvider(stored, addr=openbao.address, token_file=str(sink))
    vault.get_credential()
    count = Counter(openbao, stored)
    (tmp_path / "new").write_text(second)
    (tmp_path / "new").rename(sink)
    openbao.revoke(first)
    assert vault.get_credential().secret.reveal() == KEY
    assert "refused" not in count.since
    sink.write_text("")  # in the midst of being written
    assert vault.get_credential().secret.reveal() == KEY
    openbao.revoke(second)
    with pytest.raises(errors.CredentialConfigurationError, match="is empty"):
        vault.get_credential()
    sink.write_text(openbao.token(["root"]))
    assert vault.get_credential().secret.reveal() == KEY
