"""What `CredentialProvider` gives to whoever writes one of its two getters."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
from abc import ABC
from typing import TYPE_CHECKING, Any

import pytest

import vectorshift
from vectorshift import ProviderChain, errors
from vectorshift.credentials import Credential, Secret
from vectorshift.providers import CredentialProvider, Description
from vectorshift.providers.env import EnvProvider
from vectorshift.providers.explicit import ExplicitProvider

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Xq7fL0nevertobeseen"
CREDENTIAL = Credential(secret=Secret(KEY), source="mine:here", provider="mine")
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Mine:
    """What the sync and the async provider share."""

    name = "mine"
    remote = False

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does

    def describe(self) -> Description:
        return Description(configured=True, source="mine:here")


class SyncProvider(Mine, CredentialProvider):
    """Answers sync callers with what `does` gives."""

    def get_credential(self) -> Credential:
        answer: Credential = self.does()
        return answer


class AsyncProvider(Mine, CredentialProvider):
    """Answers async callers with what `does` gives."""

    async def aget_credential(self) -> Credential:
        await asyncio.sleep(0)
        answer: Credential = self.does()
        return answer


BOTH = pytest.mark.parametrize("style", [SyncProvider, AsyncProvider])


def raised(does: Callable[[], Any]) -> Callable[[], Any]:
    def raises() -> Any:
        raise does()

    return raises


def failure(provider: CredentialProvider) -> errors.CredentialError:
    with pytest.raises(errors.CredentialError) as caught:
        ProviderChain([provider]).get_credential()
    return caught.value


# --- Sync gives async, and the reverse
# ----------------------------------------------------------------


def test_a_sync_getter_gives_sync_and_async() -> None:
    provider = SyncProvider(lambda: CREDENTIAL)
    assert provider.get_credential() is CREDENTIAL
    assert asyncio.run(provider.aget_credential()) is CREDENTIAL


def test_an_async_getter_gives_sync_and_async() -> None:
    provider = AsyncProvider(lambda: CREDENTIAL)
    assert provider.get_credential() is CREDENTIAL
    assert asyncio.run(provider.aget_credential()) is CREDENTIAL


@pytest.mark.anyio
async def test_a_sync_getter_serves_every_event_loop_and_runs_in_a_thread() -> None:
    threads: list[threading.Thread] = []

    def does() -> Credential:
        threads.append(threading.current_thread())
        return CREDENTIAL

    assert await SyncProvider(does).aget_credential() is CREDENTIAL
    assert await ProviderChain([SyncProvider(does)]).aget_credential() is CREDENTIAL
    assert threading.current_thread() not in threads


def test_an_async_getter_serves_a_sync_caller_inside_a_running_loop() -> None:
    async def main() -> Credential:
        return AsyncProvider(lambda: CREDENTIAL).get_credential()

    assert asyncio.run(main()) is CREDENTIAL


@BOTH
def test_a_getter_sees_the_context_of_its_caller(
    style: type[SyncProvider | AsyncProvider],
) -> None:
    seen: list[str] = []

    def does() -> Credential:
        seen.append(VARIABLE.get())
        return CREDENTIAL

    async def main() -> None:
        await ProviderChain([style(does)]).aget_credential()

    token = VARIABLE.set("set")
    ProviderChain([style(does)]).get_credential()
    asyncio.run(main())
    VARIABLE.reset(token)
    assert seen == ["set", "set"]


def test_a_provider_without_a_getter_is_refused_when_it_is_defined() -> None:
    with pytest.raises(
        TypeError, match="NeitherProvider must define get_credential or aget_credential"
    ):

        class NeitherProvider(CredentialProvider):
            pass


def test_an_abstract_base_between_needs_no_getter() -> None:
    class TeamProvider(CredentialProvider, ABC):
        pass

    class OneProvider(TeamProvider):
        def get_credential(self) -> Credential:
            return CREDENTIAL

    assert OneProvider().get_credential() is CREDENTIAL


def test_a_name_is_made_from_the_class_unless_it_is_given() -> None:
    class AzureKeyVaultProvider(CredentialProvider):
        def get_credential(self) -> Credential:
            return CREDENTIAL

    class NamedProvider(AzureKeyVaultProvider):
        name = "other"

    assert (AzureKeyVaultProvider.name, NamedProvider.name) == ("azurekeyvault", "other")
    assert (AzureKeyVaultProvider.remote, AzureKeyVaultProvider.on_error) == (True, "stop")
    assert AzureKeyVaultProvider.on_missing == "continue"


def test_a_provider_closes_at_the_end_of_its_block() -> None:
    closed: list[str] = []

    class ClosedProvider(SyncProvider):
        def close(self) -> None:
            closed.append("closed")

    with ClosedProvider(lambda: CREDENTIAL) as provider:
        assert closed == []
    asyncio.run(provider.aclose())
    assert closed == ["closed", "closed"]
    assert repr(provider) == "<ClosedProvider mine:here>"


# --- What a getter raises -------------------------------------------------------------------------


class Strange(Exception):
    """Not of this package; its text and attributes hold a key."""

    def __init__(self) -> None:
        super().__init__(KEY)
        self.response = KEY
        if hasattr(self, "add_note"):
            self.add_note(KEY)


@BOTH
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Strange, errors.CredentialConfigurationError),
        (lambda: KeyError(KEY), errors.CredentialConfigurationError),
        (lambda: RecursionError(KEY), errors.CredentialConfigurationError),
        (lambda: OSError(5, KEY), errors.CredentialStoreUnavailableError),
        (lambda: ConnectionRefusedError(111, KEY), errors.CredentialStoreUnavailableError),
        (lambda: TimeoutError(KEY), errors.CredentialStoreUnavailableError),
        (
            lambda: asyncio.TimeoutError(KEY),
            errors.CredentialStoreUnavailableError,
        ),  # its own until 3.11
    ],
)
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_an_unmapped_exception_is_told_by_type_and_line_and_never_by_text(
    style: type[SyncProvider | AsyncProvider],
    make: Callable[[], Exception],
    kind: type[errors.CredentialError],
    asks: str,
    shown: Callable[[BaseException], str],
) -> None:
    chain = ProviderChain([style(raised(make))])
    with pytest.raises(kind) as caught:
        chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())
    error = caught.value
    assert (error.source, error.provider) == ("mine:here", "mine")
    assert f"mine raised {type(make()).__name__}" in str(error)
    assert "test_provider.py:" in str(error)
    assert KEY not in shown(error)
    assert (error.__cause__, error.__context__) == (None, None)


def test_the_other_kind_maps_what_the_getter_raises() -> None:
    with pytest.raises(
        errors.CredentialConfigurationError, match=r"raised Strange at test_provider\.py:"
    ):
        asyncio.run(SyncProvider(raised(Strange)).aget_credential())
    with pytest.raises(
        errors.CredentialConfigurationError, match=r"raised Strange at test_provider\.py:"
    ):
        AsyncProvider(raised(Strange)).get_credential()


@BOTH
@pytest.mark.parametrize(
    "kind",
    [
        errors.CredentialConfigurationError,
        errors.CredentialDeniedError,
        errors.CredentialRevokedError,
        errors.CredentialStoreUnavailableError,
    ],
)
def test_a_credential_error_keeps_its_kind_and_text_and_loses_its_cause(
    style: type[SyncProvider | AsyncProvider],
    kind: type[errors.CredentialError],
    shown: Callable[[BaseException], str],
) -> None:
    def does() -> Credential:
        response = KEY
        try:
            raise Strange
        except Strange as cause:
            raise kind(f"The store said no to {len(response)} letters.") from cause

    error = failure(style(does))
    assert type(error) is kind
    assert str(error) == "The store said no to 22 letters."
    assert (error.source, error.provider) == ("mine:here", "mine")
    assert KEY not in shown(error)


def test_a_credential_error_keeps_the_source_that_it_names() -> None:
    error = failure(
        SyncProvider(
            raised(lambda: errors.CredentialDeniedError("no", source="mine:there", provider="x"))
        )
    )
    assert (error.source, error.provider) == ("mine:there", "x")


@BOTH
def test_each_raise_is_of_an_instance_of_its_own(
    style: type[SyncProvider | AsyncProvider],
) -> None:
    only = errors.CredentialDeniedError("no")
    provider = style(raised(lambda: only))
    first, second = failure(provider), failure(provider)
    assert first is not second
    assert only not in (first, second)


@BOTH
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_let_through(
    style: type[SyncProvider | AsyncProvider], kind: type[BaseException]
) -> None:
    if style is AsyncProvider and kind is KeyboardInterrupt:
        pytest.skip("asyncio.run takes an interrupt for its own")
    with pytest.raises(kind):
        ProviderChain([style(raised(kind))]).get_credential()


# --- What a getter returns ------------------------------------------------------------------------


def with_key(text: str) -> Callable[[], Credential]:
    return lambda: Credential(secret=Secret(text), source="mine:here", provider="mine")


@BOTH
@pytest.mark.parametrize(
    ("does", "why"),
    [
        (lambda: None, "mine answered with NoneType, not a Credential"),
        (lambda: KEY, "mine answered with str, not a Credential"),
        (lambda: Secret(KEY), "mine answered with Secret, not a Credential"),
        (with_key(f"{KEY}\n{KEY}"), "line break"),
        (with_key(f"{KEY}\r\nX-Evil: 1"), "line break"),
        (with_key(f"{KEY}é"), "outside ASCII"),
        (with_key(f'"{KEY}"'), "quotation marks"),
        (with_key(f"Bearer {KEY}"), "Bearer"),
        (with_key(f'{{"api_key": "{KEY}"}}'), "JSON object with the fields: api_key"),
        (with_key(""), "empty"),
    ],
)
def test_a_bad_answer_is_refused_without_showing_it(
    style: type[SyncProvider | AsyncProvider],
    does: Callable[[], Any],
    why: str,
    shown: Callable[[BaseException], str],
) -> None:
    error = failure(style(does))
    assert isinstance(error, errors.CredentialConfigurationError)
    assert why in str(error)
    assert KEY not in shown(error)


@BOTH
@pytest.mark.parametrize("space", ["\n", " ", "\r\n"])
def test_a_key_with_white_space_around_it_never_reaches_a_header_so(
    style: type[SyncProvider | AsyncProvider], space: str
) -> None:
    provider = style(with_key(f"{KEY}{space}"))
    try:
        credential = ProviderChain([provider]).get_credential()
    except errors.CredentialConfigurationError:
        return
    assert credential.secret.reveal() == KEY


@BOTH
def test_an_error_that_is_returned_rather_than_raised_is_a_bad_answer_and_stops(
    style: type[SyncProvider | AsyncProvider],
) -> None:
    chain = ProviderChain(
        [style(lambda: errors.CredentialNotFoundError("none")), SyncProvider(lambda: CREDENTIAL)]
    )
    with pytest.raises(
        errors.CredentialConfigurationError,
        match="answered with CredentialNotFoundError, not a Credential",
    ):
        chain.get_credential()


def test_the_contract_imports_from_both_places() -> None:
    assert vectorshift.CredentialProvider is CredentialProvider
    assert vectorshift.Description is Description


A, B = "vs-organisation-a", "vs-organisation-b"


@pytest.mark.usefixtures("forgotten")
def test_trivial_answers_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", A)
    started: list[str] = []
    begin = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        started.append(thread.name)
        begin(thread)

    chain = ProviderChain([ExplicitProvider(), EnvProvider()])
    monkeypatch.setattr(threading.Thread, "start", counted)

    async def many() -> None:
        await asyncio.gather(*(chain.aget_credential() for _ in range(100)))

    asyncio.run(many())
    assert started == []


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("make", [lambda: ExplicitProvider(A), EnvProvider])
def test_a_pickled_provider_holds_no_key(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_API_KEY", A)
    provider = make()
    provider.get_credential()
    assert A.encode() not in pickle.dumps(provider)
