from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, strategies as st
from tests.providers import asking
from tests.providers.asking import KEY

from vectorshift import ProviderChain, Settings, errors
from vectorshift.credentials import Secret
from vectorshift.providers import ExplicitProvider

if TYPE_CHECKING:
    from collections.abc import Callable

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def key_of(provider: ExplicitProvider) -> str:
    credential = provider.get_credential()
    assert (credential.source, credential.provider) == ("explicit:api_key", "explicit")
    assert asyncio.run(provider.aget_credential()) == credential
    return credential.secret.reveal()


def failure(provider: ExplicitProvider, asks: str = "sync") -> errors.CredentialError:
    error = asking.failure(provider, asks)
    assert (error.source, error.provider) == ("explicit:api_key", "explicit")
    return error


async def in_async() -> str:
    await asyncio.sleep(0)
    return KEY


class CallableObject:
    async def __call__(self) -> str:
        return KEY


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        Secret(KEY),
        f"  {KEY}\n",
        lambda: KEY,
        lambda: Secret(KEY),
        lambda: f"{KEY}\n",
        in_async,
        lambda: in_async(),
        functools.partial(in_async),
        CallableObject(),
        functools.partial(str, KEY),
    ],
    ids=[
        "text",
        "secret",
        "space",
        "sync",
        "sync secret",
        "sync space",
        "async",
        "sync to coroutine",
        "partial async",
        "async object",
        "partial sync",
    ],
)
def test_a_key_or_a_sync_or_async_callable_answers_sync_and_async_callers(value: Any) -> None:
    assert key_of(ExplicitProvider(value)) == KEY


@pytest.mark.anyio
@pytest.mark.parametrize("value", [KEY, lambda: KEY], ids=["text", "sync"])
async def test_a_key_answers_under_every_event_loop(value: Any) -> None:
    assert (await ExplicitProvider(value).aget_credential()).secret.reveal() == KEY


def test_nothing_given_is_not_found() -> None:
    assert isinstance(failure(ExplicitProvider()), errors.CredentialNotFoundError)
    assert isinstance(failure(ExplicitProvider(), "async"), errors.CredentialNotFoundError)
    assert isinstance(
        failure(ExplicitProvider.from_settings(Settings())), errors.CredentialNotFoundError
    )


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_callable_that_returns_none_stops_and_never_reaches_another_source(
    asks: str, style: str
) -> None:
    async def none() -> None:
        return None

    chain = ProviderChain(
        [ExplicitProvider((lambda: None) if style == "sync" else none), ExplicitProvider(KEY)]
    )
    with pytest.raises(
        errors.CredentialConfigurationError, match=r"returned None\. No other source is asked"
    ):
        chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())


def _missing() -> errors.CredentialError:
    with pytest.raises(errors.MissingCredentialError) as caught:
        ProviderChain([ExplicitProvider()]).get_credential()
    return caught.value


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            lambda: errors.CredentialNotFoundError("tenant 42 has no key."),
            r"tenant 42 has no key\.",
        ),
        (_missing, "Looked, in"),
    ],
    ids=["not found", "a chain of its own"],
)
def test_a_callable_that_finds_nothing_stops_and_never_reaches_another_source(
    raised: Callable[[], errors.CredentialError], told: str, asks: str, style: str
) -> None:
    """Observation to fail: the key of the process answered for a tenant that has none."""

    def nothing() -> str:
        raise raised()

    async def anothing() -> str:
        raise raised()

    for below in (ExplicitProvider(KEY), ExplicitProvider(lambda: KEY)):
        chain = ProviderChain([ExplicitProvider(nothing if style == "sync" else anothing), below])
        with pytest.raises(
            errors.CredentialConfigurationError,
            match=rf"found no key\. No other source is asked.*{told}",
        ) as caught:
            chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())
        assert (caught.value.source, caught.value.provider) == ("explicit:api_key", "explicit")


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("value", [5, KEY.encode(), [KEY]], ids=["int", "bytes", "list"])
def test_what_a_callable_returns_is_refused_by_its_type_if_it_is_no_text(
    value: Any, asks: str, shown: Callable[[BaseException], str]
) -> None:
    error = failure(ExplicitProvider(lambda: value), asks)
    assert isinstance(error, errors.CredentialConfigurationError)
    assert f"of type {type(value).__name__}, not str" in str(error)
    assert KEY not in shown(error)


@pytest.mark.parametrize("value", [5, KEY.encode(), [KEY]], ids=["int", "bytes", "list"])
def test_what_is_no_text_is_refused_at_once_and_kept_nowhere(
    value: Any, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(
        TypeError, match=f"or a callable that returns one, not {type(value).__name__}"
    ) as error:
        ExplicitProvider(value)
    assert KEY not in shown(error.value)


def test_a_secret_that_came_out_of_a_pickle_says_so() -> None:
    provider = ExplicitProvider(pickle.loads(pickle.dumps(Secret(KEY))))
    with pytest.raises(errors.CredentialConfigurationError, match="was pickled"):
        provider.get_credential()


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "set but empty"),
        (" \n", "set but empty"),
        (f"{KEY}\n{KEY}", "line break"),
        (f"{KEY}é", "outside ASCII"),
        (f"'{KEY}'", "quotation marks"),
        (f"Bearer {KEY}", "Bearer"),
        (json.dumps({"api_key": KEY}), "fields: api_key"),
    ],
)
def test_what_could_not_be_a_key_is_a_configuration_error_and_not_shown(
    text: str, why: str, asks: str, shown: Callable[[BaseException], str]
) -> None:
    for value in (text, Secret(text), lambda: text):
        error = failure(ExplicitProvider(value), asks)
        assert isinstance(error, errors.CredentialConfigurationError)
        assert str(error).startswith("explicit:api_key ")
        assert why in str(error)
        assert KEY not in shown(error)


@given(st.text())
def test_any_text_is_a_key_or_an_error_that_does_not_show_it(
    shown: Callable[[BaseException], str], text: str
) -> None:
    try:
        key = ExplicitProvider(text).get_credential().secret.reveal()
    except errors.CredentialConfigurationError as error:
        said = shown(error)
    else:
        assert key == text.strip()
        assert all("!" <= character <= "~" for character in key)
        return
    assume(len(text.strip()) >= 4 and text.strip() not in shown(failure(ExplicitProvider("é" * 3))))
    assert text.strip() not in said


# --- Callables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_a_callable_that_needs_arguments_is_told_as_such(asks: str) -> None:
    def key(client: object) -> str:
        return f"{client}"

    provider = ExplicitProvider(key)  # type: ignore[arg-type]
    error = asking.failure(provider, asks)
    assert type(error) is errors.CredentialConfigurationError
    assert "callable needs arguments" in str(error)


def test_a_callable_is_called_on_each_request() -> None:
    keys = iter(["vs-one", "vs-two", "vs-three"])
    provider = ExplicitProvider(lambda: next(keys))
    assert [provider.get_credential().secret.reveal() for _ in range(3)] == [
        "vs-one",
        "vs-two",
        "vs-three",
    ]


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_callable_sees_the_context_of_its_caller(asks: str, style: str) -> None:
    async def tenant() -> str:
        return f"vs-{TENANT.get()}"

    provider = ExplicitProvider(tenant if style == "async" else lambda: f"vs-{TENANT.get()}")

    async def of(name: str) -> str:
        TENANT.set(name)
        return (await provider.aget_credential()).secret.reveal()

    async def main() -> list[str]:
        return await asyncio.gather(*(of(name) for name in ("acme", "globex")))

    if asks == "async":
        assert asyncio.run(main()) == ["vs-acme", "vs-globex"]
        return
    for name in ("acme", "globex"):
        context = contextvars.copy_context()
        context.run(TENANT.set, name)
        assert context.run(provider.get_credential).secret.reveal() == f"vs-{name}"


@pytest.mark.anyio
async def test_a_sync_callable_does_not_run_in_the_thread_of_the_event_loop() -> None:
    threads: list[threading.Thread] = []

    def slow() -> str:
        threads.append(threading.current_thread())
        return KEY

    await ExplicitProvider(slow).aget_credential()
    assert threads
    assert threads[0] is not threading.current_thread()


def test_a_sync_caller_inside_a_running_loop_may_have_an_async_callable() -> None:
    async def main() -> str:
        return ExplicitProvider(in_async).get_credential().secret.reveal()

    assert asyncio.run(main()) == KEY


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: ValueError(KEY), errors.CredentialConfigurationError),
        (lambda: ConnectionError(KEY), errors.CredentialStoreUnavailableError),
        (lambda: TimeoutError(KEY), errors.CredentialStoreUnavailableError),
        (lambda: errors.CredentialDeniedError("no"), errors.CredentialDeniedError),
    ],
)
def test_what_a_callable_raises_is_mapped_and_its_text_withheld(
    make: Callable[[], Exception],
    kind: type[errors.CredentialError],
    style: str,
    asks: str,
    shown: Callable[[BaseException], str],
) -> None:
    def fails() -> str:
        raise make()

    async def afails() -> str:
        held = KEY
        raise make() if held else AssertionError

    error = failure(ExplicitProvider(fails if style == "sync" else afails), asks)
    assert type(error) is kind
    assert KEY not in shown(error)
    if kind is not errors.CredentialDeniedError:
        assert "explicit raised" in str(error)


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_the_line_that_is_told_is_one_of_the_callable(style: str, asks: str) -> None:
    def fails() -> str:
        return str(json.loads("{"))

    async def afails() -> str:
        return str(json.loads("{"))

    error = failure(ExplicitProvider(fails if style == "sync" else afails), asks)
    assert "raised JSONDecodeError at test_explicit.py:" in str(error)


class Flipping(dict[str, Any]):
    """Holds text at first and a callable from then on, as when another thread assigns in
    between.
    """

    def get(self, name: str, default: Any = None) -> Any:
        return self.pop("first", lambda: "vs-two")


@pytest.mark.parametrize("asks", ["sync", "async"])
def test_an_assignment_during_a_lookup_never_looks_like_no_key(asks: str) -> None:
    chain = ProviderChain(
        [ExplicitProvider(held=Flipping(first="vs-one")), ExplicitProvider("vs-other-organisation")]
    )
    found = chain.get_credential() if asks == "sync" else asyncio.run(chain.aget_credential())
    assert found.secret.reveal() in ("vs-one", "vs-two")


# --- Held elsewhere -------------------------------------------------------------------------------


def test_a_mapping_is_read_on_each_call() -> None:
    held: dict[str, Any] = {}
    provider = ExplicitProvider(held=held)
    assert isinstance(failure(provider), errors.CredentialNotFoundError)
    for value in ("vs-one", lambda: "vs-two", Secret("vs-three")):
        held["api_key"] = value
        assert key_of(provider).startswith("vs-")
    del held["api_key"]
    assert isinstance(failure(provider), errors.CredentialNotFoundError)


def test_the_same_text_answers_with_the_same_object() -> None:
    provider = ExplicitProvider(KEY)
    assert provider.get_credential() is provider.get_credential()


def test_it_describes_itself_without_calling_or_showing() -> None:
    called: list[int] = []
    for provider, configured, detail in (
        (ExplicitProvider(), False, "not set"),
        (ExplicitProvider(KEY), True, "set"),
        (ExplicitProvider(lambda: called.append(1)), True, "callable"),
    ):
        description = provider.describe()
        assert (description.configured, description.detail) == (configured, detail)
        assert (description.source, description.locator) == ("explicit:api_key", False)
    assert called == []
    assert KEY not in repr(ExplicitProvider(KEY))
