"""`on_error` and `on_missing` are `stop` or `continue`: any other word is refused where it is set,
and stops a chain where it could not be.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import traceback
from typing import TYPE_CHECKING, Any, cast

import pytest

from vectorshift import (
    AwsSecretsManagerProvider,
    CachingProvider,
    Credential,
    CredentialProvider,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    LoginProvider,
    ProviderChain,
    Settings,
    VaultProvider,
    VectorShift,
    configure,
    errors,
    using,
)
from vectorshift.chain.coerce import as_provider
from vectorshift.credentials.adapter import adapt
from vectorshift.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

WRONG: list[Any] = ["Stop", "STOP", "fail", "", " stop", "Continue", True, False, None, 0, b"stop"]
BOTH = pytest.mark.parametrize("policy", ["on_error", "on_missing"])
ANY = pytest.mark.parametrize("wrong", WRONG, ids=repr)


class Down(CredentialProvider):
    """Its store is down."""

    name = "down"

    def get_credential(self) -> Credential:
        raise errors.CredentialStoreUnavailableError("it is down.")


class Empty(CredentialProvider):
    """Its place is empty."""

    name = "empty"

    def get_credential(self) -> Credential:
        raise errors.CredentialNotFoundError("it is empty.")


FAILING: dict[str, type[CredentialProvider]] = {"on_error": Down, "on_missing": Empty}


def refused(policy: str, does: Callable[[], object]) -> str:
    said = f"{policy} of .* should be 'stop' or 'continue', not "
    with pytest.raises(ValueError, match=said) as caught:
        does()
    return str(caught.value)


# --- Where it is made ---


@BOTH
@ANY
@pytest.mark.parametrize(
    "make",
    [
        lambda **given: VaultProvider("vs", addr="http://127.0.0.1:9", token="t", **given),
        lambda **given: AwsSecretsManagerProvider("prod/vs", **given),
        lambda **given: MemoryStore().provider(**given),
    ],
    ids=["vault", "aws", "memory"],
)
def test_a_provider_is_not_made_with_another_word(
    make: Callable[..., CredentialProvider], policy: str, wrong: Any
) -> None:
    refused(policy, lambda: make(**{policy: wrong}))


@BOTH
@ANY
def test_a_class_is_not_defined_with_another_word(policy: str, wrong: Any) -> None:
    refused(policy, lambda: type("Mine", (Down,), {policy: wrong}))


@BOTH
@ANY
@pytest.mark.parametrize("base", [Down, EnvProvider])
def test_a_class_that_got_one_later_does_not_join_a_chain(
    base: type[CredentialProvider], policy: str, wrong: Any
) -> None:
    kind = type("Mine", (base,), {})
    setattr(kind, policy, wrong)
    for join in (
        lambda: ProviderChain([kind()]),
        lambda: CachingProvider(kind()),
        lambda: as_provider(kind()),
        lambda: using(kind()),
        lambda: VectorShift(kind()),
        lambda: configure(credentials=kind()),
    ):
        refused(policy, cast("Callable[[], object]", join))


@BOTH
@ANY
@pytest.mark.parametrize("frozen", [False, True])
def test_nor_does_a_dataclass(policy: str, wrong: Any, frozen: bool) -> None:
    namespace = {"__annotations__": {policy: str}, policy: dataclasses.field(default="stop")}
    mine: Any = dataclasses.dataclass(frozen=frozen)(type("Mine", (Down,), namespace))
    ProviderChain([mine()])
    refused(policy, lambda: ProviderChain([mine(**{policy: wrong})]))


@BOTH
@ANY
@pytest.mark.parametrize(
    "make",
    [
        Down,
        EnvProvider,
        DotenvProvider,
        LoginProvider,
        lambda: ExplicitProvider("vs-1"),
        lambda: VaultProvider("vs", addr="http://127.0.0.1:9", token="t"),
        lambda: AwsSecretsManagerProvider("prod/vs"),
        lambda: ProviderChain([Down()]),
        lambda: CachingProvider(Down()),
        lambda: adapt(Down()),
    ],
    ids=["own", "env", "dotenv", "login", "explicit", "vault", "aws", "chain", "cached", "adapted"],
)
def test_an_assignment_of_another_word_is_refused_and_changes_nothing(
    make: Callable[[], CredentialProvider], policy: str, wrong: Any
) -> None:
    provider = make()
    before = getattr(provider, policy)
    refused(policy, lambda: setattr(provider, policy, wrong))
    assert getattr(provider, policy) == before


# --- What cannot be refused stops ---


class Changing:
    """Its words are computed, as those of an author's property may be."""

    word: Any = "stop"

    @property
    def on_error(self) -> Any:
        return self.word

    @property
    def on_missing(self) -> Any:
        return self.word


def keys(chain: ProviderChain) -> list[Credential | type[Exception]]:
    """Return what sync and async callers get, twice each: the second comes from the hot path."""

    def got(ask: Callable[[], Credential]) -> Credential | type[Exception]:
        try:
            return ask()
        except errors.CredentialError as error:
            return type(error)

    async def main() -> Credential:
        return await chain.aget_credential()

    return [got(chain.get_credential), got(lambda: asyncio.run(main()))] * 2


@ANY
@pytest.mark.parametrize("kind", [Down, Empty])
@pytest.mark.parametrize("remote", [False, True])
def test_a_word_that_could_not_be_refused_stops_the_chain(
    kind: type[CredentialProvider], wrong: Any, remote: bool
) -> None:
    mine = type("Mine", (Changing, kind), {"remote": remote})()
    chain = ProviderChain([mine, ExplicitProvider("vs-of-another-organisation")])
    mine.word = wrong
    assert all(
        isinstance(each, type) and issubclass(each, errors.CredentialError) for each in keys(chain)
    )


def test_a_property_with_another_word_does_not_join_a_chain() -> None:
    mine = type("Mine", (Changing, Down), {"word": "Stop"})()
    refused("on_error", lambda: ProviderChain([mine]))


# --- What is set later counts ---


@BOTH
@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_word_that_is_set_on_a_member_of_a_chain_counts_from_then_on(
    policy: str, remote: bool, nested: bool
) -> None:
    kind = type("Mine", (FAILING[policy],), {"remote": remote, policy: "continue"})
    mine = kind()
    members: list[CredentialProvider] = [mine]
    outer = ProviderChain([ProviderChain(members), ExplicitProvider("vs-1")])
    if not nested:
        outer = ProviderChain([*members, ExplicitProvider("vs-1")])
    if policy == "on_error" and nested:
        outer.providers[0].on_error = "continue"
    assert all(isinstance(each, Credential) for each in keys(outer))
    setattr(mine, policy, "stop")
    if policy == "on_error" and nested:
        outer.providers[0].on_error = "stop"
    assert not any(isinstance(each, Credential) for each in keys(outer))


def test_a_word_that_is_set_on_a_wrapper_counts_for_it_and_for_what_wraps_it_again() -> None:
    mine = Down()
    first, second = CachingProvider(mine), CachingProvider(mine)
    first.on_error = "continue"
    assert (first.on_error, second.on_error, mine.on_error) == ("continue", "stop", "stop")
    assert CachingProvider(first).on_error == "continue"


def test_a_provider_with_its_words_survives_a_pickle_of_an_author() -> None:
    mine = Down()
    mine.on_error = "continue"
    assert pickle.loads(pickle.dumps(mine)).on_error == "continue"


# --- What is said ---


def test_the_words_name_class_and_attribute_and_show_no_key() -> None:
    said = refused("on_error", lambda: MemoryStore().provider(on_error="Stop"))  # type: ignore[arg-type]
    assert said == "on_error of MemoryProvider should be 'stop' or 'continue', not 'Stop'."
    key = "vs-Xq7fL0nevertobeseen-0123456789"
    with pytest.raises(ValueError, match="not str") as caught:
        Down().on_error = key  # type: ignore[assignment]
    last = list(traceback.walk_tb(caught.value.__traceback__))[-1][0]
    assert key not in f"{caught.value} {last.f_locals}"


@pytest.mark.parametrize("store", ["vault", "aws"])
@BOTH
@pytest.mark.parametrize("wrong", ["Stop", "STOP", "fail", "True", "None"])
def test_a_variable_with_another_word_is_named(store: str, policy: str, wrong: str) -> None:
    name = f"VECTORSHIFT_{store}_{policy}".upper()
    with pytest.raises(errors.CredentialConfigurationError, match=f"{name}: ") as caught:
        Settings.load({name: wrong})
    assert "'stop' or 'continue'" in str(caught.value)


@pytest.mark.parametrize("store", ["vault", "aws"])
@BOTH
@ANY
def test_settings_in_code_take_no_other_word(store: str, policy: str, wrong: Any) -> None:
    with pytest.raises(errors.CredentialConfigurationError, match=f"{store}_{policy}".upper()):
        Settings(**{f"{store}_{policy}": wrong})


@BOTH
def test_settings_that_got_around_the_check_make_no_provider(policy: str) -> None:
    settings = Settings(vault_path="vs", vault_addr="http://127.0.0.1:9")
    changed = settings.model_copy(update={f"vault_{policy}": "Stop"})
    refused(policy, lambda: ProviderChain.from_settings(changed))
