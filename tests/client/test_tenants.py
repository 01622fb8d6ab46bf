"""Several organisations in one process: no call ever acts as another one than it was told to."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

import pytest
from tests.call_styles import CallStyle
from tests.fakes import AsyncRotating, Nothing, Rotating
from tests.organisations import aseen, process, seen

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    ProviderChain,
    Secret,
    Settings,
    VectorShift,
    errors,
    using,
)
from vectorshift._platform.tls import _context
from vectorshift.providers import EnvProvider
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.crossed]

Client = VectorShift | AsyncVectorShift


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    with process(monkeypatch) as running:
        yield running


@pytest.fixture
async def close() -> AsyncIterator[list[Client]]:
    """Clients to close at the end of the test, in its event loop."""
    clients: list[Client] = []
    yield clients
    for client in clients:
        await client.aclose() if isinstance(client, AsyncVectorShift) else client.close()
    await vectorshift.aclose()


class Tenants:
    """Makes clients, and asks as whom they or the calls without a client act."""

    def __init__(self, style: CallStyle, api: FakeVectorShift, close: list[Client]) -> None:
        self.style, self.api, self.close = style, api, close

    def client(self, *credentials: Any, **given: Any) -> Client:
        client: Client = self.style.kind(*credentials, **given)
        self.close.append(client)
        return client

    async def seen(self, client: Any = None) -> str:
        return str(await self.style.outcome((aseen if self.style.prefix else seen)(client)))


@pytest.fixture
def tenants(style: CallStyle, api: FakeVectorShift, close: list[Client]) -> Tenants:
    return Tenants(style, api, close)


# --- A client for each: whatever is given as credentials ---


class Asynchronous:
    """An object whose call is async."""

    def __init__(self, key: str) -> None:
        self.key = key

    async def __call__(self) -> str:
        return self.key


def _acallable(key: str) -> Callable[[], Any]:
    async def look_up() -> str:
        return key

    return look_up


KINDS: dict[str, Callable[[str], Any]] = {
    "a string": lambda key: key,
    "a Secret": Secret,
    "a function": lambda key: lambda: key,
    "an async function": _acallable,
    "an object with an async call": Asynchronous,
    "a provider": Rotating,
    "an async provider": AsyncRotating,
    "a remote provider": lambda key: Rotating(key, remote=True),
    "a chain": lambda key: ProviderChain([Nothing(), Rotating(key)]),
    "a chain in a chain": lambda key: ProviderChain(
        [ProviderChain([Nothing()]), ProviderChain([Rotating(key)])]
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
async def test_a_client_acts_as_its_own_organisation_whatever_surrounds_it(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    api = tenants.api
    mine, other = (
        tenants.client(KINDS[kind](api.create_key(org=name))) for name in ("mine", "other")
    )
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
    with using(api.create_key(org="block")):
        assert [await tenants.seen(each) for each in (mine, other, None, mine)] == [
            "mine",
            "other",
            "block",
            "mine",
        ]
    assert [await tenants.seen(each) for each in (mine, None)] == ["mine", "assigned"]


@pytest.mark.parametrize("kind", list(KINDS))
async def test_a_block_acts_as_its_own_organisation(tenants: Tenants, kind: str) -> None:
    with using(KINDS[kind](tenants.api.create_key(org="block"))):
        assert await tenants.seen() == "block"
    assert await tenants.seen() == "process"


async def test_a_function_is_asked_for_the_key_of_each_call(tenants: Tenants) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    keys = {name: tenants.api.create_key(org=name) for name in ("acme", "globex")}
    client = tenants.client(lambda: keys[tenant.get()])
    for name in ("acme", "globex", "acme"):
        tenant.set(name)
        assert await tenants.seen(client) == name


async def test_the_clients_of_a_process_share_one_tls_context(tenants: Tenants) -> None:
    made = _context.cache_info().misses
    for number in range(20):
        assert (
            await tenants.seen(tenants.client(tenants.api.create_key(org=f"org{number}")))
            == f"org{number}"
        )
    assert _context.cache_info().misses - made <= 1


# --- Precedence: a client's own, `using`, the process ---


async def test_the_nearest_word_counts(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    api = tenants.api
    own, follower = tenants.client(api.create_key(org="own")), tenants.client()
    assert [await tenants.seen(each) for each in (own, follower, None)] == [
        "own",
        "process",
        "process",
    ]
    monkeypatch.setattr(vectorshift, "api_key", api.create_key(org="assigned"))
    assert [await tenants.seen(each) for each in (own, follower, None)] == [
        "own",
        "assigned",
        "assigned",
    ]
    vectorshift.configure(credentials=api.create_key(org="configured"))
    assert [await tenants.seen(each) for each in (own, follower, None)] == [
        "own",
        "configured",
        "configured",
    ]
    with using(api.create_key(org="block")):
        assert [await tenants.seen(each) for each in (own, follower, None)] == [
            "own",
            "block",
            "block",
        ]
        vectorshift.configure(credentials=api.create_key(org="configured later"))
        assert [await tenants.seen(each) for each in (own, follower, None)] == [
            "own",
            "block",
            "block",
        ]
    assert [await tenants.seen(each) for each in (own, follower, None)] == ["own"] + [
        "configured later"
    ] * 2


async def test_a_configured_client_with_credentials_wins_over_a_block_and_one_without_follows_it(
    tenants: Tenants,
) -> None:
    own, follower = tenants.client(tenants.api.create_key(org="own")), tenants.client()
    with using(tenants.api.create_key(org="block")):
        vectorshift.configure(client=own)
        assert await tenants.seen() == "own"
        vectorshift.configure(client=follower)
        assert await tenants.seen() == "block"
    assert await tenants.seen() == "process"


async def test_a_client_that_was_made_in_a_block_follows_whatever_surrounds_its_calls(
    tenants: Tenants,
) -> None:
    with using(tenants.api.create_key(org="block")):
        client = tenants.client()
        assert await tenants.seen(client) == "block"
    assert await tenants.seen(client) == "process"
    with using(tenants.api.create_key(org="another")):
        assert await tenants.seen(client) == "another"


async def test_settings_of_a_client_do_not_keep_it_from_following_a_block(tenants: Tenants) -> None:
    client = tenants.client(settings=Settings(base_url=tenants.api.base_url, timeout=20))
    assert await tenants.seen(client) == "process"
    with using(tenants.api.create_key(org="block")):
        assert await tenants.seen(client) == "block"


async def test_settings_of_a_client_do_not_keep_it_from_the_credentials_of_the_process(
    tenants: Tenants,
) -> None:
    client = tenants.client(settings=Settings(base_url=tenants.api.base_url, timeout=20))
    assert await tenants.seen(client) == "process"
    vectorshift.configure(credentials=tenants.api.create_key(org="configured"))
    assert await tenants.seen() == "configured"
    assert await tenants.seen(client) == "configured"
    vectorshift.reset()
    assert await tenants.seen(client) == "process"


async def test_what_a_block_sets_does_not_touch_the_process(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectorshift, "api_key", tenants.api.create_key(org="assigned"))
    before = vars(vectorshift)["api_key"]
    block = tenants.api.create_key(org="block")
    with using(block):
        assert vectorshift.api_key == block
        assert vectorshift.get_credential() == await vectorshift.aget_credential()
    assert vars(vectorshift)["api_key"] is before
    assert await tenants.seen() == "assigned"


# --- Never back to the process ---


async def _anothing() -> None:
    return None


def _broken() -> str:
    raise LookupError("no such tenant")


NO_KEY: dict[str, Any] = {
    "a provider that finds nothing": Nothing(),
    "a chain that finds nothing": ProviderChain([Nothing(), ProviderChain([])]),
    "a variable that is not set": EnvProvider("GLOBEX_KEY"),
    "a function that returns None": lambda: None,
    "an async function that returns None": _anothing,
    "a function that raises": _broken,
    "a function that returns an empty string": lambda: "",
    "an empty string": "",
}


@pytest.mark.parametrize("nothing", list(NO_KEY))
async def test_credentials_that_find_nothing_reach_no_other_key(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, nothing: str
) -> None:
    monkeypatch.setattr(vectorshift, "api_key", tenants.api.create_key(org="assigned"))
    vectorshift.configure(credentials=tenants.api.create_key(org="configured"))
    client = tenants.client(NO_KEY[nothing])
    with pytest.raises(errors.CredentialError):
        await tenants.seen(client)
    with (
        using(tenants.api.create_key(org="outer")),
        using(NO_KEY[nothing]),
        pytest.raises(errors.CredentialError),
    ):
        await tenants.seen()
    assert tenants.api.requests == []


async def test_a_key_that_is_refused_in_a_block_is_not_replaced_by_another_organisation_s(
    tenants: Tenants,
) -> None:
    with using("vs-unknown"), pytest.raises(vectorshift.AuthenticationError):
        await tenants.seen()
    assert [request.org for request in tenants.api.requests] == [None]


@pytest.mark.parametrize("nothing", [None, 42, b"vs-bytes", EnvProvider])
async def test_what_is_no_credential_is_no_way_back_to_the_process(
    tenants: Tenants, nothing: Any
) -> None:
    with pytest.raises(TypeError):
        tenants.client(nothing)
    with pytest.raises(TypeError), using(nothing):
        pass


async def test_one_block_object_may_be_entered_again_and_nested_in_itself(tenants: Tenants) -> None:
    block = using(tenants.api.create_key(org="block"))
    for _ in range(2):
        with block:
            with block:
                assert await tenants.seen() == "block"
            assert await tenants.seen() == "block"
        assert await tenants.seen() == "process"
