"""What is given in a wrong place or of a wrong type is named, and not shown: it may be a key."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CachingProvider,
    CredentialAuth,
    CredentialProvider,
    ExplicitProvider,
    ProviderChain,
    VectorShift,
    httpx2_auth,
)
from vectorshift.client.default import PinnedClients, async_client, sync_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.credentials.resolving import BaseProvider

KEY: Any = "vs-Xq7fL0nevertobeseen"
NONE: Any = None


@pytest.mark.parametrize(
    "call",
    [
        lambda: CredentialAuth(KEY, origin=NONE),
        lambda: CachingProvider(KEY),
        lambda: ProviderChain([KEY]),
        lambda: vectorshift.configure(client=KEY),
        lambda: sync_client(KEY),
        lambda: async_client(KEY),
        lambda: PinnedClients(KEY),
    ],
    ids=["auth", "cache", "chain", "configure", "sync client", "async client", "kept client"],
)
def test_a_key_in_a_wrong_place_is_in_no_frame_of_the_error(
    call: Callable[[], object], shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert KEY not in shown(caught.value)


class Holder:
    """An object of the caller's that shows its key."""

    def __repr__(self) -> str:
        return f"Holder({KEY})"


@pytest.mark.parametrize("wrong", [KEY.encode(), [KEY], {"key": KEY}, Holder()], ids=type)
@pytest.mark.parametrize(
    "call",
    [
        VectorShift,
        AsyncVectorShift,
        vectorshift.using,
        CachingProvider,
        ExplicitProvider,
        lambda wrong: vectorshift.configure(credentials=wrong),
        lambda wrong: CredentialAuth(wrong, origin="https://api.example.com"),
        lambda wrong: httpx2_auth(wrong, origin="https://api.example.com"),
    ],
    ids=["sync", "async", "using", "cache", "explicit", "configure", "auth", "httpx2"],
)
def test_what_cannot_be_a_key_is_in_no_frame_of_the_error(
    call: Callable[[Any], object], wrong: object, shown: Callable[[BaseException], str]
) -> None:
    """It may hold one."""
    with pytest.raises(TypeError, match=rf"not {type(wrong).__name__}\.") as caught:
        call(wrong)
    assert KEY not in shown(caught.value)


def test_a_key_for_httpx2_is_in_no_frame_where_its_origin_is_wrong(
    shown: Callable[[BaseException], str],
) -> None:
    with pytest.raises(TypeError) as caught:
        httpx2_auth(KEY, origin=NONE)
    assert KEY not in shown(caught.value)


def test_a_key_in_place_of_a_provider_is_told_what_to_do() -> None:
    with pytest.raises(
        TypeError,
        match=r"CachingProvider takes a provider, not str\. For a key in code, use Explicit",
    ):
        CachingProvider(KEY)


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"base_url": "api.x"}, ValueError, r"base_url should be a URL such as https://.*v1\."),
        ({"base_url": "https://a b/v1"}, ValueError, "base_url should be a URL"),
        ({"base_url": 5}, TypeError, "base_url should be a string, not of type int"),
        (
            {"timeout": "20"},
            TypeError,
            "timeout should be a number of seconds above 0, not of type str",
        ),
        ({"timeout": 0}, ValueError, "timeout should be a number of seconds above 0, not 0"),
        ({"timeout": float("nan")}, ValueError, "timeout should be"),
        ({"max_retries": "2"}, TypeError, "max_retries should be 0 or more, not of type str"),
        ({"max_retries": -1}, ValueError, "max_retries should be 0 or more, not -1"),
    ],
)
def test_an_argument_of_a_client_that_cannot_be_is_named(
    kind: Any, values: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        kind(KEY, **values)


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
def test_settings_of_another_type_are_refused_at_once(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"settings should be Settings\(\.\.\.\), not dict\."):
        kind(KEY, settings={"timeout": 20})


@pytest.mark.parametrize("seconds", ["5", (3, 5)])
def test_a_timeout_of_a_call_is_checked_as_one_of_a_client(seconds: Any) -> None:
    with VectorShift(KEY) as client, pytest.raises(TypeError, match="timeout should be a number"):
        client.request("GET", "/pipelines", timeout=seconds)


@pytest.mark.parametrize("kind", [VectorShift, AsyncVectorShift])
@pytest.mark.parametrize("name", ["api_key", "credentials", "token"])
def test_a_key_is_not_assigned_to_a_client(
    kind: Any, name: str, shown: Callable[[BaseException], str]
) -> None:
    """It had no effect: calls went on with the key of the process."""
    client = kind()
    with pytest.raises(AttributeError, match=rf"{name} has no effect.*{kind.__name__}\(cred") as no:
        setattr(client, name, KEY)
    assert KEY not in shown(no.value)
    client.mine = 1  # an attribute of the caller's own


def test_a_base_url_that_was_read_from_a_file_is_taken_without_its_line_break() -> None:
    assert (
        VectorShift(KEY, base_url=" https://own.example/v1/\n").base_url == "https://own.example/v1"
    )


# --- What is half made ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ProviderChain, CachingProvider])
def test_what_is_half_made_can_be_shown(kind: type[BaseProvider]) -> None:
    assert repr(kind.__new__(kind)).startswith(f"<{kind.__name__} ")


class Broken(CredentialProvider):
    """Fails while it is made, as a plugin does whose settings are missing."""

    def __init__(self) -> None:
        raise KeyError("place")

    def describe(self) -> Any:
        return self.place  # type: ignore[attr-defined]

    def get_credential(self) -> Any:
        raise NotImplementedError


def test_locals_of_a_failure_can_be_captured_while_a_provider_is_half_made() -> None:
    with pytest.raises(KeyError) as caught:
        Broken()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "<Broken broken>" in "".join(shown.format())
