"""What an HTTP status of a store means: a table of all of them."""

from __future__ import annotations

import asyncio
import pickle
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from tests.docs.blocks import ROOT, blocks_of

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialProvider,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
)
from vectorshift.credentials.adapter import adapt
from vectorshift.errors import error_for_status

DENIED = {401, 402, 403, 451}
WRONG = {405, 406, 411, 413, 414, 415, 416, 417, 422, 426, 428, 431}


def meant(status: int) -> type[CredentialError] | None:
    """What the table of docs/plugins.md says."""
    if status in (200, 201, 203):
        return None
    if status in DENIED:
        return CredentialDeniedError
    if status == 404:
        return CredentialNotFoundError
    if status == 410:
        return CredentialRevokedError
    if status in WRONG or (200 <= status < 300 and status != 202):
        return CredentialConfigurationError
    return CredentialStoreUnavailableError


@pytest.mark.parametrize("status", range(100, 600))
def test_a_status_means_what_the_table_says(status: int) -> None:
    error = error_for_status(status, source="pantry:key", provider="pantry", retry_after="7")
    kind = meant(status)
    if kind is None:
        assert error is None
        return
    assert type(error) is kind
    assert (error.source, error.provider) == ("pantry:key", "pantry")
    assert error.message.startswith("pantry:key ")
    assert f"(HTTP {status})" in error.message
    assert error.message.isascii()
    assert error.message.endswith(".")
    assert getattr(error, "retry_after", 7) == 7
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (kind, vars(error))


def test_the_page_has_the_same_table() -> None:
    page = (ROOT / "docs/plugins.md").read_text("utf-8")
    rows = [row.split("|")[1:3] for row in page.splitlines() if row.startswith("| ")]
    said = {failure.strip(" `").partition("`")[0]: statuses for statuses, failure in rows}

    def numbers(text: str) -> set[int]:
        found: set[int] = set()
        for part in text.partition(";")[0].split(","):
            first, _, last = part.strip().partition(" to ")
            found.update(range(int(first), int(last or first) + 1))
        return found

    assert numbers(said["None"]) == {200, 201, 203}
    assert numbers(said["CredentialDeniedError"]) == DENIED
    assert numbers(said["CredentialConfigurationError"]) == WRONG
    assert numbers(said["CredentialNotFoundError"]) == {404}
    assert numbers(said["CredentialRevokedError"]) == {410}


def test_in_doubt_it_is_never_not_found_and_never_revoked() -> None:
    """These two alone move a chain on, or drop a key that is good."""
    kinds = {status: type(error_for_status(status, source="s")) for status in range(-1, 1200)}
    assert [each for each, kind in kinds.items() if kind is CredentialNotFoundError] == [404]
    assert [each for each, kind in kinds.items() if kind is CredentialRevokedError] == [410]
    assert kinds[-1] is kinds[0] is kinds[999] is CredentialStoreUnavailableError


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7.0), (7, 7.0), (0.5, 0.5), (None, None), ("soon", None), ("-1", 0.0)],
)
def test_retry_after_may_be_a_header_or_a_number(given: Any, seconds: float | None) -> None:
    error = error_for_status(503, source="s", retry_after=given)
    assert isinstance(error, CredentialStoreUnavailableError)
    assert error.retry_after == seconds


def test_a_status_of_the_standard_library_is_one() -> None:
    error = error_for_status(HTTPStatus.FORBIDDEN, source="s")
    assert str(error).startswith("s refused access (HTTP 403).")


@pytest.mark.parametrize("wrong", ["404", None, True, 404.0])
def test_what_is_no_status_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="status should be a number"):
        error_for_status(wrong, source="s")


# --- The example of docs/plugins.md ---


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The page's own code, as a module has it."""
    page = blocks_of(ROOT / "docs/plugins.md")
    (block,) = [each for each in page if "class PantryProvider" in each.code]
    module: dict[str, Any] = {"__name__": "pantry_of_the_page"}
    exec(compile(block.code, "docs/plugins.md", "exec"), module)
    return module


@pytest.mark.parametrize("asks", ["sync", "async"])
@pytest.mark.parametrize("status", [*range(200, 600, 3), 302, 401, 404, 410, 503])
def test_the_page_s_async_provider_takes_no_body_for_a_key_that_is_none(
    example: dict[str, Any], status: int, asks: str
) -> None:
    def store(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="Unauthorized", headers={"Retry-After": "7"})

    example["pantry"] = store
    provider = adapt(example["provider"])
    try:
        got: Credential | CredentialError = (
            provider.get_credential()
            if asks == "sync"
            else asyncio.run(CredentialProvider.aget_credential(provider.provider))  # type: ignore[attr-defined]
        )
    except CredentialError as error:
        got = error
    assert type(got) is (meant(status) or Credential)
    assert got.source == example["provider"].describe().source


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.ProxyError])
def test_the_page_s_async_provider_calls_a_store_that_does_not_answer_unavailable(
    example: dict[str, Any], error: type[httpx.TransportError]
) -> None:
    def store(_: httpx.Request) -> httpx.Response:
        raise error("no way")

    example["pantry"] = store
    with pytest.raises(CredentialStoreUnavailableError, match=r"could not be reached\.") as caught:
        example["provider"].get_credential()
    assert caught.value.__cause__ is None
