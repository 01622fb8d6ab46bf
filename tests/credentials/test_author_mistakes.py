"""What authors of providers get wrong, and what their callers get all the same."""

from __future__ import annotations

import asyncio
import builtins
import inspect
import logging
import threading
import traceback
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import field_validator
from tests.fakes import until_told

import vectorshift
from vectorshift import (
    CachingProvider,
    Credential,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    MissingCredentialError,
    PluginSettings,
    ProviderChain,
    Secret,
    Settings,
)
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.provider import Description
from vectorshift.errors import fresh_copy
from vectorshift.providers import CredentialProvider
from vectorshift.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN = "vs-Xq7fL0nevertobeseen"


class Mine(CredentialProvider):
    """Does what a test says; counts."""

    name = "mine"

    def __init__(self, does: Callable[[], Any] | None = None, *, remote: bool = True) -> None:
        self.does, self.remote, self.asked = does, remote, 0

    def get_credential(self) -> Credential:
        self.asked += 1
        return found() if self.does is None else self.does()


class MineAsync(Mine):
    get_credential = CredentialProvider.get_credential

    async def aget_credential(self) -> Credential:
        return Mine.get_credential(self)


def found(**more: Any) -> Credential:
    return Credential(**{"secret": "vs-1", "source": "mine:here", "provider": "mine", **more})


def raising(error: BaseException) -> Callable[[], Any]:
    def does() -> Any:
        raise error

    return does


def failure(provider: CredentialProvider) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        provider.get_credential()
    return caught.value


# --- `retry_after` and `ttl` ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (30, 30.0),
        ("30", 30.0),
        ("Wed, 21 Oct 2020 07:28:00 GMT", 0.0),
        ("soon", None),
        (-5, 0.0),
        (None, None),
        ([3], None),
        (float("nan"), None),
        (float("inf"), 31_536_000.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_none(given: Any, kept: float | None) -> None:
    assert CredentialStoreUnavailableError("down", retry_after=given).retry_after == kept


@pytest.mark.parametrize("given", ["30", "soon"])
def test_a_header_as_retry_after_keeps_the_pause_and_the_reason(given: Any) -> None:
    provider = Mine(
        lambda: raising(CredentialStoreUnavailableError("mine is throttled.", retry_after=given))()
    )
    chain = ProviderChain([provider], clock=ManualClock())
    assert {str(failure(chain)) for _ in range(5)} == {"mine is throttled."}
    assert provider.asked == 1


class Odd(CredentialStoreUnavailableError):
    """Sets the attribute past the check."""

    def __init__(self) -> None:
        super().__init__("mine is throttled.")
        self.retry_after: Any = "30"


def test_a_failure_that_cannot_be_judged_is_a_failure_with_a_pause_of_its_own() -> None:
    provider = Mine(raising(Odd()))
    chain = ProviderChain([provider], clock=ManualClock())
    said = [failure(chain) for _ in range(5)]
    assert all("did not answer" not in str(each) for each in said)
    assert provider.asked == 1


def test_behind_a_stale_key_such_a_failure_is_told_and_not_asked_for_on_each_call() -> None:
    clock = ManualClock()
    provider = Mine()
    chain = ProviderChain([provider], clock=clock)
    first = chain.get_credential()
    provider.does = raising(Odd())
    clock.advance(1000)
    with until_told("refresh_failed"):
        assert chain.get_credential() is first
    assert [chain.get_credential() for _ in range(5)] == [first] * 5
    assert provider.asked == 2


@pytest.mark.parametrize("ttl", ["300", -1, float("nan"), float("inf")])
def test_a_ttl_that_is_no_number_of_seconds_is_refused_where_it_is_given(ttl: Any) -> None:
    provider = Mine()
    with pytest.raises(ValueError, match="ttl"):
        CachingProvider(provider, ttl=ttl)
    provider.ttl = ttl
    what = "of type str" if isinstance(ttl, str) else "out of range"
    with pytest.raises(ValueError, match=f"mine: its ttl is {what}"):
        ProviderChain([provider])
    assert provider.asked == 0


# --- Closing --------------------------------------------------------------------------------------


class BadToClose(Mine):
    def close(self) -> None:
        raise ValueError(HIDDEN)


class Closed(Mine):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_close_raises_is_told_by_its_type_and_the_next_member_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = Closed()
    chain = ProviderChain([BadToClose(), good])
    chain.close()
    asyncio.run(chain.aclose())
    assert good.closed == 2
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.partition(" at ")[0] for line in said] == [
        "mine: close raised ValueError",
        "mine: aclose raised ValueError",
    ]
    assert all("test_author_mistakes.py:" in line for line in said)
    assert HIDDEN not in caplog.text


def test_what_close_raises_does_not_keep_the_process_from_forgetting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vectorshift.configure(credentials=ProviderChain([BadToClose()]))
    vectorshift.reset()
    assert HIDDEN not in caplog.text


# --- What is no Exception -------------------------------------------------------------------------

GROUP = getattr(builtins, "BaseExceptionGroup", None)  # since Python 3.11
ENDS = [GeneratorExit(HIDDEN), asyncio.CancelledError(HIDDEN)]
if GROUP is not None:
    ENDS.append(GROUP(HIDDEN, [GeneratorExit(HIDDEN)]))


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("remote", [True, False], ids=["remote", "local"])
@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_getter_cannot_end_its_caller(
    error: BaseException, remote: bool, asks: str, shown: Callable[[BaseException], str]
) -> None:
    chain = ProviderChain([Mine(raising(error), remote=remote)])
    with pytest.raises(
        CredentialConfigurationError, match=f"mine raised {type(error).__name__}"
    ) as caught:
        chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())
    assert HIDDEN not in shown(caught.value)


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("remote", [True, False], ids=["remote", "local"])
def test_an_async_getter_cannot_end_its_sync_caller(
    error: BaseException, remote: bool, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(
        CredentialConfigurationError, match=f"mine raised {type(error).__name__}"
    ) as caught:
        ProviderChain([MineAsync(raising(error), remote=remote)]).get_credential()
    assert HIDDEN not in shown(caught.value)


def test_an_exit_in_a_local_async_getter_is_its_sync_callers() -> None:
    for error in (KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(error)):
            ProviderChain([MineAsync(raising(error), remote=False)]).get_credential()


def test_an_interrupt_and_an_exit_in_a_local_getter_are_the_callers() -> None:
    """A handler of SIGTERM that calls `sys.exit` runs in the midst of whatever the main thread
    does.
    """
    errors: list[BaseException] = [KeyboardInterrupt(), SystemExit()]
    if GROUP is not None:
        errors += [
            GROUP("both", [KeyboardInterrupt(), GeneratorExit()]),
            GROUP("one", [SystemExit()]),
        ]
    for error in errors:
        with pytest.raises(type(error)):
            ProviderChain([Mine(raising(error), remote=False)]).get_credential()


@pytest.mark.parametrize("style", [Mine, MineAsync])
def test_an_exit_in_a_remote_getter_is_its_own(
    style: type[Mine], shown: Callable[[BaseException], str]
) -> None:
    """It is loaded in a thread, where no signal is handled."""
    with pytest.raises(CredentialConfigurationError, match="mine raised SystemExit") as caught:
        ProviderChain([style(raising(SystemExit(HIDDEN)), remote=True)]).get_credential()
    assert HIDDEN not in shown(caught.value)


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [Mine, MineAsync])
def test_a_local_answer_that_has_expired_counts_as_revoked(style: type[Mine]) -> None:
    now = datetime.now(timezone.utc)
    old, good = now - timedelta(seconds=1), now + timedelta(hours=1)
    chain = ProviderChain([style(lambda: found(expires_at=old), remote=False)])
    for ask in (chain.get_credential, lambda: asyncio.run(chain.aget_credential())):
        with pytest.raises(CredentialRevokedError, match="had expired"):
            ask()
    chain = ProviderChain([style(lambda: found(expires_at=good), remote=False)])
    assert chain.get_credential().expires_at == good


def test_a_missing_credential_error_of_an_author_keeps_its_words_and_its_line() -> None:
    words = "The shelf of mine is bare."
    chain = ProviderChain(
        [Mine(raising(MissingCredentialError(words))), Mine(raising(CredentialNotFoundError("no")))]
    )
    error = failure(chain)
    assert isinstance(error, MissingCredentialError)
    assert [(each.provider, each.outcome, each.reason) for each in error.attempts] == [
        ("mine", "not found", words),
        ("mine", "not found", "no"),
    ]
    assert words in str(error)


# --- Settings -------------------------------------------------------------------------------------


class Checked(PluginSettings):
    token: str | None = None

    @field_validator("token")
    @classmethod
    def check(cls, given: str) -> str:
        raise RuntimeError(f"bad token {given}")


def test_a_check_that_raises_whatever_it_likes_shows_no_value(
    shown: Callable[[BaseException], str],
) -> None:
    settings = Settings(plugins={"mine": {"token": HIDDEN}})
    with pytest.raises(
        CredentialConfigurationError, match="a check of the plugin raised RuntimeError"
    ) as caught:
        Checked.of(settings, "mine")
    assert HIDDEN not in shown(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


A, B = "vs-organisation-a", "vs-organisation-b"


def _raise(error: Exception) -> None:
    raise error  # and no word of a cause, which would hide what is handled just then


@pytest.mark.usefixtures("forgotten")
def test_what_an_author_raises_while_describing_or_being_told_stays_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Bad(CredentialProvider):
        name = "bad"

        def describe(self) -> Description:
            raise RuntimeError(A)

        def invalidate(self, rejected: Credential) -> None:
            raise RuntimeError(A)

        def get_credential(self) -> Credential:
            raise ValueError(A)

    provider = ProviderChain([Bad()])
    with pytest.raises(CredentialConfigurationError, match="bad raised ValueError") as caught:
        provider.get_credential()
    provider.invalidate(Credential(secret=A, source="", provider=""))
    assert A not in str(caught.value) + caplog.text


@pytest.mark.usefixtures("forgotten")
def test_an_async_getter_with_the_sync_name_is_told_its_name() -> None:
    class Wrong(CredentialProvider):
        async def get_credential(self) -> Credential:  # type: ignore[override]
            raise AssertionError

    with pytest.raises(CredentialConfigurationError, match="Name an async getter aget_credential"):
        ProviderChain([Wrong()]).get_credential()


@pytest.mark.usefixtures("forgotten")
def test_the_coroutine_of_an_async_getter_with_the_sync_name_is_closed() -> None:
    made: list[Any] = []

    class Wrong(CredentialProvider):
        def get_credential(self) -> Credential:
            made.append(self.aget_credential())
            return made[-1]  # type: ignore[no-any-return]

    with pytest.raises(CredentialConfigurationError, match="Name an async getter aget_credential"):
        ProviderChain([Wrong()]).get_credential()
    assert inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED


@pytest.mark.usefixtures("forgotten")
def test_an_error_that_is_raised_while_another_is_handled_shows_nothing_of_that() -> None:
    try:
        raise ValueError(A)
    except ValueError:
        with pytest.raises(CredentialStoreUnavailableError) as caught:
            _raise(fresh_copy(CredentialStoreUnavailableError("down")))
    shown = "".join(traceback.format_exception(caught.value))
    assert "During handling" not in shown
    assert A not in shown


def test_a_secret_of_an_authors_own_class_cannot_show_its_text() -> None:
    class Open(Secret):
        def __str__(self) -> str:
            return self.reveal()

        __repr__ = __str__

    given = Credential(secret=Open(HIDDEN), source="mine:here", provider="mine")
    got = ProviderChain([Mine(lambda: given)]).get_credential()
    assert got.secret.reveal() == HIDDEN
    assert HIDDEN not in f"{got} {got!r} {got.secret} {got.secret!r} {given!r} {given.secret!r}"


@pytest.mark.parametrize("remote", [True, False])
def test_a_key_in_its_own_source_is_shown_as_its_fingerprint(remote: bool) -> None:
    given = Credential(secret=HIDDEN, source=f"mine:https://x/?key={HIDDEN}", provider="mine")
    got = ProviderChain([Mine(lambda: given, remote=remote)]).get_credential()
    assert got.source == f"mine:https://x/?key={got.fingerprint}"
    assert HIDDEN not in f"{got} {got!r}"


def test_the_words_of_a_store_move_no_cursor_and_begin_no_line() -> None:
    class Described(Mine):
        def describe(self) -> Description:
            return Description(configured=True, source="mine:here", detail="a\n\x1b[2JFAKE")

    provider = ProviderChain([Described(threading.Event().wait)], load_timeout=0.2)
    with pytest.raises(CredentialStoreUnavailableError) as caught:
        provider.get_credential()
    assert "(a??[2JFAKE)" in str(caught.value)


@pytest.mark.parametrize("style", ["sync", "async"])
def test_the_words_of_an_authors_error_move_no_cursor_begin_no_line_and_end(style: str) -> None:
    def refused() -> Credential:
        raise CredentialDeniedError("no\n\x1b[31mFAKE " + "y" * 100_000)

    chain = ProviderChain([Mine(refused)])
    with pytest.raises(CredentialDeniedError) as caught:
        chain.get_credential() if style == "sync" else asyncio.run(chain.aget_credential())
    assert caught.value.message.startswith("no ?[31mFAKE yyy")
    assert len(caught.value.message) <= 2_000


ODD = "mine\x1b[2J\n" + "y" * 100_000


def _odd_source() -> Credential:
    return Credential(secret=A, source=ODD, provider=ODD)


def _odd_source_of_an_error() -> Credential:
    raise CredentialDeniedError("no", source=ODD, provider=ODD)


def _odd_class() -> Credential:
    raise type(ODD, (Exception,), {})()


class Unprintable(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(ODD)


def _no_text_in_an_error() -> Credential:
    error = CredentialDeniedError("no")
    error.source = error.provider = Unprintable("x")
    raise error


@pytest.mark.parametrize(
    "getter", [_odd_source, _odd_source_of_an_error, _odd_class, _no_text_in_an_error]
)
def test_the_names_that_an_author_gives_move_no_cursor_begin_no_line_and_end(
    getter: Callable[[], Credential], caplog: pytest.LogCaptureFixture
) -> None:
    chain = ProviderChain([Mine(getter, remote=False)])
    try:
        said = str(chain.get_credential())
    except CredentialError as error:
        said = f"{error} {error.source} {error.provider}"
    caplog.set_level(logging.INFO, "vectorshift")
    vectorshift.configure(credentials=ProviderChain([Mine(getter)]))
    explained = str(vectorshift.explain(probe=True)).replace("\n", " ")
    for text in (said, explained, *caplog.messages):
        assert text.isprintable()
        assert len(text) < 20_000


def test_the_words_of_a_description_have_an_end() -> None:
    class Described(Mine):
        def describe(self) -> Description:
            return Description(configured=True, source="s" * 100_000, detail="d" * 100_000)

    told = adapt(Described()).describe()
    assert len(told.source) <= 2_000
    assert len(told.detail) <= 2_000


def test_an_exit_in_describe_ends_no_thread_but_the_main_one() -> None:
    class Exits(Mine):
        def describe(self) -> Description:
            raise SystemExit

    told: list[Description] = []
    guarded = adapt(Exits())
    thread = threading.Thread(target=lambda: told.append(guarded.describe()))
    thread.start()
    thread.join(10)
    assert [each.source for each in told] == ["mine"]
