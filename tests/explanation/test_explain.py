"""`explain`: which key is in use and why, without contact unless asked to, and without a key in
it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st
from tests.fakes import Nothing, Rotating
from tests.interpreter import printed

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    Credential,
    PluginSettings,
    ProviderChain,
    Report,
    Secret,
    Settings,
    SourceReport,
    VectorShift,
    errors,
    on_event,
)
from vectorshift.credentials.values import fingerprint
from vectorshift.providers import CredentialProvider, Description, ExplicitProvider
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, OTHER = "vs-the-key-in-use", "vs-another-key"
ORDER = ["explicit", "env", "dotenv", "vault", "aws"]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    vectorshift.reset()
    yield
    vectorshift.api_key = None
    vectorshift.reset()


def explained(
    *providers: CredentialProvider, probe: bool = False, clock: ManualClock | None = None
) -> Report:
    chain = ProviderChain(providers, clock=clock or ManualClock(), random=lambda: 0.0)
    return vectorshift.explain(probe=probe, client=VectorShift(chain))


def store(*turns: object, source: str = "fake:store") -> Rotating:
    return Rotating(*turns, source=source, remote=True)  # type: ignore[arg-type]


def one(report: Report, provider: str) -> SourceReport:
    return next(source for source in report.sources if source.provider == provider)


# --- The process ---


def test_with_nothing_set_it_says_what_was_looked_at_and_what_to_do() -> None:
    report = vectorshift.explain()
    assert [source.provider for source in report.sources] == ORDER
    assert [source.outcome for source in report.sources] == ["not found"] * 3 + [
        "not configured"
    ] * 2
    assert (report.winner, report.outcome) == (None, "none")
    assert report.verdict.startswith("No source has a key.")
    assert "set VECTORSHIFT_API_KEY" in report.verdict
    assert "VECTORSHIFT_VAULT_PATH is not set" in str(report)


def test_what_lies_near_is_named_when_no_source_has_a_key(tmp_path: Path) -> None:
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift/config.toml").write_text('[auth]\napi_key = "vs-of-the-cli"\n')
    report = vectorshift.explain()
    assert "~/.vectorshift/config.toml" in report.verdict
    assert "vs-of-the-cli" not in str(report)


def test_the_environment_wins_over_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    (tmp_path / ".env").write_text(f"VECTORSHIFT_API_KEY={OTHER}\n")
    report = vectorshift.explain()
    assert report.winner is not None
    assert report.winner.place == f"env:VECTORSHIFT_API_KEY {fingerprint(KEY)}"
    assert report.verdict == f"A call uses env:VECTORSHIFT_API_KEY {fingerprint(KEY)}."
    below = one(report, "dotenv")
    assert (below.outcome, below.fingerprint, below.wins) == ("found", fingerprint(OTHER), False)
    assert "Not used: env comes first." in below.reason


def test_it_says_where_keys_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_BASE_URL", "https://eu.example.com/v1")
    report = vectorshift.explain()
    assert report.base_url == "https://eu.example.com/v1"
    assert "https://eu.example.com/v1" in str(report)


NOWHERE = "A call would fail: The API key is not sent over plain HTTP to api.internal."


@pytest.mark.parametrize(
    ("key", "verdict"), [(KEY, NOWHERE), ("", "No source has a key."), ('"q"', "No key is")]
)
def test_where_no_key_may_be_sent_the_verdict_says_so(
    monkeypatch: pytest.MonkeyPatch, key: str, verdict: str
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
    monkeypatch.setenv("VECTORSHIFT_BASE_URL", "http://api.internal/v1")
    for report in (vectorshift.explain(), asyncio.run(vectorshift.aexplain())):
        assert report.verdict.startswith(verdict)
        assert "VECTORSHIFT_ALLOW_HTTP=1" in report.verdict
        assert (report.outcome, report.base_url) == ("none" if not key else "failed", None)
        assert report.winner is None
        assert one(report, "env").fingerprint == (fingerprint(KEY) if key == KEY else None)


@pytest.mark.parametrize("variable", ["VECTORSHIFT_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_bundle_that_cannot_be_used_stands_in_the_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    report = vectorshift.explain()
    assert (report.outcome, report.winner, report.base_url) == ("failed", None, None)
    assert report.verdict.startswith(
        f"A call would fail: {variable} names {tmp_path / 'missing.pem'}"
    )
    assert [source.provider for source in report.sources] == ORDER


@pytest.mark.parametrize(
    "variables",
    [
        {"VECTORSHIFT_BASE_URL": "http://127.0.0.1:9/v1"},
        {"VECTORSHIFT_BASE_URL": "http://api.internal/v1", "VECTORSHIFT_ALLOW_HTTP": "1"},
    ],
    ids=["loopback", "allowed"],
)
def test_plain_http_that_is_no_obstacle_to_a_call_is_none_here(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in {"VECTORSHIFT_API_KEY": KEY, **variables}.items():
        monkeypatch.setenv(name, value)
    assert vectorshift.explain().outcome == "found"


def test_wrong_settings_stand_in_the_report_and_are_not_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_CACHE_TTL", "soon")
    for report in (vectorshift.explain(), asyncio.run(vectorshift.aexplain())):
        assert "VECTORSHIFT_CACHE_TTL" in report.verdict
        assert (report.sources, report.base_url) == ((), None)


def test_the_credentials_of_a_block_are_told_as_such() -> None:
    with vectorshift.using(KEY):
        report = vectorshift.explain()
    assert report.scope == "using"
    assert [source.fingerprint for source in report.sources] == [fingerprint(KEY)]
    assert vectorshift.explain().scope == "process"


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
def test_a_client_with_credentials_of_its_own_is_explained(kind: type[VectorShift]) -> None:
    report = vectorshift.explain(client=kind(KEY, base_url="https://a.example.com/v1"))
    assert (report.scope, report.base_url) == ("client", "https://a.example.com/v1")
    assert report.winner is not None


def test_a_client_without_credentials_of_its_own_is_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    assert vectorshift.explain(client=VectorShift()).scope == "process"


# --- Contact ---


def test_no_store_is_contacted_unless_asked_to() -> None:
    quiet = store(KEY)
    report = explained(Nothing(), quiet, store(OTHER, source="fake:below"))
    assert quiet.asked == 0
    assert report.winner is None
    assert report.verdict == "Not known yet: a call would first ask fake:store."
    assert report.outcome == "unknown"
    assert one(report, "rotating").outcome == "not asked"
    assert not report.probed


def test_a_probe_asks_every_store_once_also_below_the_winner() -> None:
    first, second = store(KEY), store(OTHER, source="fake:below")
    report = explained(first, second, probe=True)
    assert (first.asked, second.asked) == (1, 1)
    assert [source.wins for source in report.sources] == [True, False]
    assert report.sources[1].fingerprint == fingerprint(OTHER)
    assert report.sources[1].seconds is not None
    assert report.probed


def test_what_a_probe_found_is_known_afterwards_with_its_age_and_next_refresh() -> None:
    clock, quiet = ManualClock(), store(KEY)
    chain = ProviderChain([quiet], clock=clock, random=lambda: 0.0, ttl=300)
    client = VectorShift(chain)
    vectorshift.explain(probe=True, client=client)
    clock.advance(100)
    known = vectorshift.explain(client=client).sources[0]
    assert quiet.asked == 1
    assert known.age == pytest.approx(100)
    assert known.next_refresh == pytest.approx(200)
    assert (known.outcome, known.wins, known.stale, known.seconds) == ("found", True, False, None)
    assert "refreshed in 3 min" in str(known)


def test_a_probe_reads_anew_what_is_cached_and_the_next_call_uses_it() -> None:
    rotated = store(KEY, OTHER)
    client = VectorShift(ProviderChain([rotated], clock=ManualClock()))
    assert client.auth.provider.get_credential().fingerprint == fingerprint(KEY)
    report = vectorshift.explain(probe=True, client=client)
    assert report.sources[0].fingerprint == fingerprint(OTHER)
    assert client.auth.provider.get_credential().fingerprint == fingerprint(OTHER)
    assert rotated.asked == 2


def test_a_probe_leaves_a_store_alone_that_failed_a_moment_ago() -> None:
    clock, down = ManualClock(), store(errors.CredentialStoreUnavailableError("it is down."))
    client = VectorShift(ProviderChain([down], clock=clock, random=lambda: 0.0))
    vectorshift.explain(probe=True, client=client)
    again = vectorshift.explain(probe=True, client=client).sources[0]
    assert down.asked == 1
    assert again.next_refresh == pytest.approx(1)
    clock.advance(1)
    vectorshift.explain(probe=True, client=client)
    assert down.asked == 2


def test_explaining_tells_no_event_and_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []
    caplog.set_level(logging.INFO, "vectorshift")
    stop = on_event(seen.append)
    explained(
        store(errors.CredentialNotFoundError("nothing.")),
        store(KEY, source="fake:below"),
        probe=True,
    )
    stop()
    assert (seen, caplog.messages) == ([], [])


def test_a_callable_is_called_only_by_a_probe() -> None:
    calls: list[int] = []

    def give() -> str:
        calls.append(1)
        return KEY

    vectorshift.api_key = give
    assert one(vectorshift.explain(), "explicit").outcome == "not asked"
    assert calls == []
    report = vectorshift.explain(probe=True)
    assert (len(calls), report.winner and report.winner.fingerprint) == (1, fingerprint(KEY))


@pytest.mark.anyio
async def test_async_callers_probe_on_their_own_loop() -> None:
    import sniffio

    loops: list[str] = []

    async def give() -> str:
        loops.append(sniffio.current_async_library())
        return KEY

    report = await vectorshift.aexplain(probe=True, client=AsyncVectorShift(give))
    assert report.winner is not None
    assert loops == [sniffio.current_async_library()]


@pytest.mark.anyio
async def test_async_callers_get_the_same_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", KEY)
    known = await vectorshift.aexplain()
    assert known.verdict == vectorshift.explain().verdict


# --- Which wins, and why not the others ---


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.CredentialConfigurationError("wrong."), "configuration"),
        (errors.CredentialDeniedError("refused us."), "denied"),
        (errors.CredentialRevokedError("deleted."), "revoked"),
        (errors.CredentialStoreUnavailableError("down."), "unavailable"),
    ],
)
def test_a_source_that_fails_stops_the_chain_and_says_so(error: Exception, outcome: str) -> None:
    report = explained(store(error), store(KEY, source="fake:below"), probe=True)
    assert report.winner is None
    assert report.verdict == "No key is available: rotating failed, and no other source is asked."
    assert report.sources[0].outcome == outcome
    assert str(error) in str(report)
    assert "Not used: rotating failed, and no other source is asked." in report.sources[1].reason
    assert report.outcome == "failed"


def test_a_source_that_may_be_passed_over_is() -> None:
    down = store(errors.CredentialStoreUnavailableError("down."))
    down.on_error = "continue"
    report = explained(down, store(KEY, source="fake:below"), probe=True)
    assert [source.wins for source in report.sources] == [False, True]
    assert report.sources[0].on_error == "continue"


def test_a_source_that_must_not_be_empty_stops_the_chain() -> None:
    empty = store(errors.CredentialNotFoundError("nothing there."))
    empty.on_missing = "stop"
    report = explained(empty, store(KEY, source="fake:below"), probe=True)
    assert report.winner is None
    assert report.verdict.startswith("No key is available")


def test_a_stale_key_is_told_with_what_is_wrong_with_its_store() -> None:
    clock = ManualClock()
    failing = CachingProvider(
        store(KEY, errors.CredentialStoreUnavailableError("it is down.")),
        clock=clock,
        random=lambda: 0.0,
        ttl=300,
    )
    failing.get_credential()
    clock.advance(301)
    report = vectorshift.explain(probe=True, client=VectorShift(failing))
    known = report.sources[0]
    assert (known.outcome, known.wins, known.stale) == ("found", True, True)
    assert "Its store cannot be read: it is down." in known.reason
    assert "asked again in 1 s at the earliest" in str(known)


def test_no_age_is_negative_after_the_wall_clock_was_set_back() -> None:
    clock = ManualClock()
    cached = CachingProvider(store(KEY), clock=clock)
    cached.get_credential()
    clock.advance(7)
    clock.set_wall(clock.time() - 90_000)
    report = vectorshift.explain(client=VectorShift(cached))
    assert report.sources[0].age == 7
    assert "read 7 s ago" in str(report)


def test_a_key_that_the_api_refused_is_told_as_refused() -> None:
    cached = CachingProvider(store(KEY), clock=ManualClock())
    cached.invalidate(cached.get_credential())
    report = vectorshift.explain(client=VectorShift(cached))
    assert f"The API has refused {fingerprint(KEY)} since " in report.sources[0].reason
    assert report.outcome == "unknown", "a call reads it again first"


def test_a_key_that_the_api_accepts_again_is_no_longer_told_as_refused() -> None:
    with FakeVectorShift() as api, VectorShift(store(KEY), base_url=api.base_url) as client:
        with pytest.raises(errors.AuthenticationError):
            client.request("GET", "/pipelines")
        assert "has refused" in str(vectorshift.explain(client=client))
        api.create_key(key=KEY)
        client.request("GET", "/pipelines")
        assert "refuse" not in str(vectorshift.explain(client=client))


def test_when_a_key_expires_is_told() -> None:
    clock = ManualClock()

    class Leased(CredentialProvider):
        name = "leased"

        def get_credential(self) -> Credential:
            until = datetime.fromtimestamp(clock.time(), timezone.utc) + timedelta(hours=3)
            return Credential(
                secret=KEY, source="fake:lease", provider=self.name, version="7", expires_at=until
            )

    known = explained(Leased(), probe=True, clock=clock).sources[0]
    assert known.expires_in == pytest.approx(3 * 3600)
    assert known.place == f"fake:lease@7 {fingerprint(KEY)}"
    assert "expires in 3 h" in str(known)


def test_the_members_of_nested_chains_stand_in_their_place() -> None:
    inner = ProviderChain([Nothing(), ExplicitProvider(KEY)])
    report = explained(Nothing(), inner, ExplicitProvider(OTHER))
    assert [source.provider for source in report.sources] == [
        "nothing",
        "nothing",
        "explicit",
        "explicit",
    ]
    assert [source.wins for source in report.sources] == [False, False, True, False]


def test_a_nested_chain_that_stops_ends_the_outer_one() -> None:
    denied = store(errors.CredentialDeniedError("refused us."))
    denied.on_error = "continue"
    inner = ProviderChain([denied], clock=ManualClock())
    chain = ProviderChain([inner, ExplicitProvider(KEY)])
    report = vectorshift.explain(probe=True, client=VectorShift(chain))
    with pytest.raises(errors.CredentialDeniedError):
        chain.get_credential()
    assert (report.outcome, report.winner) == ("failed", None)


def test_a_failure_that_was_passed_over_is_what_remains_when_no_other_source_has_a_key() -> None:
    denied = store(errors.CredentialDeniedError("refused us."))
    denied.on_error = "continue"
    report = explained(denied, Nothing(), probe=True)
    assert report.outcome == "failed"
    assert report.verdict == "No key is available: rotating failed, and no other source has a key."


@pytest.mark.parametrize("seconds", [0, 29, 31])
def test_what_a_store_said_counts_only_until_it_may_be_asked_again(seconds: float) -> None:
    clock, empty = ManualClock(), store(errors.CredentialNotFoundError("nothing there."), KEY)
    chain = ProviderChain([empty, ExplicitProvider(OTHER)], clock=clock, random=lambda: 0.0)
    chain.get_credential()
    clock.advance(seconds)
    report = vectorshift.explain(client=VectorShift(chain))
    assert report.outcome == ("found" if seconds < 30 else "unknown")
    assert "nothing there." in str(report)
    assert empty.asked == 1


def test_a_store_that_is_not_configured_and_must_not_be_empty_stops_the_chain() -> None:
    class Unset(CredentialProvider):
        on_missing = "stop"

        def describe(self) -> Description:
            return Description(configured=False, source="fake:unset")

        def get_credential(self) -> Credential:
            raise errors.CredentialNotFoundError("nothing there.")

    chain = ProviderChain([Unset(), ExplicitProvider(KEY)])
    report = vectorshift.explain(client=VectorShift(chain))
    with pytest.raises(errors.CredentialConfigurationError):
        chain.get_credential()
    assert (report.outcome, report.verdict) == (
        "failed",
        "No key is available: unset is empty, and no other source is asked.",
    )


Turn = Credential | errors.CredentialError


class Fixed(CredentialProvider):
    """Answers one and the same."""

    def __init__(self, turn: Turn, *, remote: bool, on_error: str, on_missing: str) -> None:
        self.turn, self.remote = turn, remote
        self.on_error, self.on_missing = on_error, on_missing  # type: ignore[assignment]

    def get_credential(self) -> Credential:
        if isinstance(self.turn, errors.CredentialError):
            raise self.turn
        return self.turn


TURNS = st.sampled_from(
    [
        Credential(secret=KEY, source="fake:a", provider="fixed"),
        Credential(secret=OTHER, source="fake:b", provider="fixed"),
        errors.CredentialNotFoundError("nothing."),
        errors.CredentialDeniedError("refused us."),
        errors.CredentialStoreUnavailableError("down."),
    ]
)
RULES = st.sampled_from(["stop", "continue"])
LEAVES = st.builds(Fixed, TURNS, remote=st.booleans(), on_error=RULES, on_missing=RULES)


def _ruled(members: list[CredentialProvider], on_error: str, on_missing: str) -> ProviderChain:
    chain = ProviderChain(members)
    chain.on_error, chain.on_missing = on_error, on_missing  # type: ignore[assignment]
    return chain


CHAINS = st.recursive(
    LEAVES, lambda inner: st.builds(_ruled, st.lists(inner, max_size=3), RULES, RULES), max_leaves=6
)


@given(st.lists(CHAINS, max_size=4))
@settings(max_examples=300, deadline=None)
def test_it_names_what_a_call_then_uses(members: list[CredentialProvider]) -> None:
    chain = ProviderChain(members)
    report = vectorshift.explain(probe=True, client=VectorShift(chain))
    try:
        used = chain.get_credential()
    except errors.CredentialNotFoundError:
        assert (report.outcome, report.winner) == ("none", None)
    except errors.CredentialError:
        assert (report.outcome, report.winner) == ("failed", None)
    else:
        assert report.outcome == "found"
        assert report.winner is not None
        assert report.winner.place == f"{used.source} {used.fingerprint}"


# --- No secret in it ---


def test_a_report_holds_no_key_in_any_form() -> None:
    chain = ProviderChain([store(KEY), store(OTHER, source="fake:below")])
    report = vectorshift.explain(probe=True, client=VectorShift(chain))
    for form in (
        str(report),
        repr(report),
        report.to_json(),
        str(pickle.dumps(report)),
        repr(report.sources),
    ):
        assert KEY not in form
        assert OTHER not in form
    assert pickle.loads(pickle.dumps(report)) == report
    assert json.loads(report.to_json())["sources"][0]["fingerprint"] == fingerprint(KEY)


class Talkative(CredentialProvider):
    """Describes itself with its key and a terminal's control characters."""

    def describe(self) -> Description:
        return Description(configured=True, source=f"mine:{KEY}", detail=f"\x1b[2Jholds {KEY}")

    def get_credential(self) -> Credential:
        return Credential(secret=KEY, source=f"mine:{KEY}", provider=KEY, version=KEY)


def test_what_an_author_says_of_a_provider_cannot_show_the_key_or_drive_the_terminal() -> None:
    report = explained(Talkative(), probe=True)
    assert KEY not in str(report) + report.to_json()
    assert "\x1b" not in str(report)
    assert report.sources[0].source == f"mine:{fingerprint(KEY)}"


def test_an_author_who_gives_no_text_is_shown_all_the_same() -> None:
    class Careless(CredentialProvider):
        def describe(self) -> Description:
            return Description(configured=True, source="fake:careless", detail=None)  # type: ignore[arg-type]

        def get_credential(self) -> Credential:
            return Credential(secret=KEY, source="fake:careless", provider=self.name, version=3)  # type: ignore[arg-type]

    assert (
        explained(Careless(), probe=True).sources[0].place == f"fake:careless@3 {fingerprint(KEY)}"
    )


@pytest.mark.parametrize("key", ["e", "env"])
def test_a_key_too_short_to_be_one_leaves_the_words_of_the_report_alone(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", key)
    winner = vectorshift.explain().winner
    assert winner is not None
    assert (winner.provider, winner.source) == ("env", "env:VECTORSHIFT_API_KEY")


class Model(PluginSettings):
    token: Secret | None = None


@pytest.mark.parametrize(
    "kept",
    [
        Secret(KEY),
        Credential(secret=KEY, source="mine:x", provider="mine"),
        Model(token=Secret(KEY)),
    ],
    ids=["secret", "credential", "settings"],
)
def test_what_a_provider_keeps_as_a_secret_is_masked_in_its_words_before_it_was_asked(
    kept: object,
) -> None:
    class Keeps(Talkative):
        def __init__(self) -> None:
            self.kept = kept
            self.sealed = pickle.loads(pickle.dumps(Secret(OTHER)))
            self.short = Secret("sh")

    report = explained(Keeps())
    assert report.outcome == "unknown"
    assert KEY not in str(report) + report.to_json()
    assert report.sources[0].source == f"mine:{fingerprint(KEY)}"
    assert KEY not in repr(ProviderChain([Keeps()]).providers[0].describe())


def test_a_key_that_begins_with_another_is_masked_whole() -> None:
    longer = f"{KEY}-and-a-tail"

    class Says(Talkative):
        def describe(self) -> Description:
            return Description(configured=True, source="fake:says", detail=longer)

        def get_credential(self) -> Credential:
            return Credential(secret=longer, source="fake:says", provider=self.name)

    report = explained(ExplicitProvider(KEY), Says(), probe=True)
    assert "tail" not in str(report)


def test_an_author_who_cannot_describe_is_shown_by_name() -> None:
    class Broken(CredentialProvider):
        def describe(self) -> Description:
            raise ValueError(KEY)

        def get_credential(self) -> Credential:
            raise ValueError(KEY)

    report = explained(Broken(), probe=True)
    assert (report.sources[0].provider, report.sources[0].outcome) == ("broken", "configuration")
    assert KEY not in str(report)


def test_the_client_that_was_configured_is_what_a_call_uses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", OTHER)
    vectorshift.configure(client=VectorShift(KEY, base_url="https://own.example.com/v1"))
    report = vectorshift.explain()
    assert (report.scope, report.base_url) == ("client", "https://own.example.com/v1")
    assert report.winner is not None
    assert report.winner.fingerprint == fingerprint(KEY)
    other = asyncio.run(vectorshift.aexplain())
    assert other.scope == "process", "an async call uses another client"


# --- The face ---


def test_the_function_is_the_face_also_after_its_module_was_imported() -> None:
    code = (
        "import vectorshift.explanation.explain, vectorshift;"
        " print(vectorshift.explain().verdict[:18])"
    )
    assert printed(code) == "No source has a ke\n"


def test_settings_in_code_are_explained_without_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_VAULT_PATH", "of/the/environment")
    report = vectorshift.explain(
        client=VectorShift(settings=Settings(vault_path="in/code", vault_addr="http://[::1]:9"))
    )
    assert one(report, "vault").source == "vault:secret/in/code#api_key"


@pytest.mark.parametrize("odd", ["vs-...", "***", "/run/secrets/vectorshift", "ab${HOME}cd"])
def test_a_key_that_looks_odd_is_found_and_told_of_without_showing_it(odd: str) -> None:
    vectorshift.api_key = odd
    report = vectorshift.explain()
    (winner,) = [source for source in report.sources if source.wins]
    assert (report.outcome, winner.outcome) == ("found", "found")
    assert " looks like " in winner.reason
    assert odd not in f"{report} {report.to_json()}"
    vectorshift.api_key = KEY
    assert " looks like " not in str(vectorshift.explain())
