"""What an HTTP status of a store means: a table of all of them."""

from __future__ import annotations

import pickle
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.docs.blocks import ROOT, blocks_of

from vectorshift import Secret, errors
from vectorshift.errors import error_for_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DENIED = {401, 402, 403, 451}
WRONG = {405, 406, 411, 413, 414, 415, 416, 417, 422, 426, 428, 431}


def meant(status: int) -> type[errors.CredentialError] | None:
    """Return what the table of docs/errors.md says."""
    if status in (200, 201, 203):
        return None
    if status in DENIED:
        return errors.CredentialDeniedError
    if status == 404:
        return errors.CredentialNotFoundError
    if status == 410:
        return errors.CredentialRevokedError
    if status in WRONG or (200 <= status < 300 and status != 202):
        return errors.CredentialConfigurationError
    return errors.CredentialStoreUnavailableError


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
    page = (ROOT / "docs/errors.md").read_text("utf-8")
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
    assert [each for each, kind in kinds.items() if kind is errors.CredentialNotFoundError] == [404]
    assert [each for each, kind in kinds.items() if kind is errors.CredentialRevokedError] == [410]
    assert kinds[-1] is kinds[0] is kinds[999] is errors.CredentialStoreUnavailableError


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7.0), (7, 7.0), (0.5, 0.5), (None, None), ("soon", None), ("-1", 0.0)],
)
def test_retry_after_may_be_a_header_or_a_number(given: Any, seconds: float | None) -> None:
    error = error_for_status(503, source="s", retry_after=given)
    assert isinstance(error, errors.CredentialStoreUnavailableError)
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
def read() -> Callable[[str, Secret, str], str | errors.CredentialError]:
    """The page's own function. What it raises is returned."""
    page = blocks_of(ROOT / "docs/plugins.md")
    (block,) = [each for each in page if "def read(url" in each.code]
    module: dict[str, Any] = {"__name__": "example_of_the_page"}
    exec(compile(block.code, "docs/plugins.md", "exec"), module)

    def outcome(url: str, token: Secret, source: str) -> str | errors.CredentialError:
        try:
            return cast("str", module["read"](url, token, source))
        except errors.CredentialError as error:
            return error

    return outcome


class Store(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    body = b'{"value": "Unauthorized"}'

    def do_GET(self) -> None:
        status = int(self.path.removeprefix("/"))
        self.send_response(status)
        body = b"" if status in (204, 205, 304) else self.body
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [*range(200, 600, 17), 302, 401, 404, 410, 503])
def test_the_page_s_function_takes_no_body_for_a_key_that_is_none(
    read: Callable[[str, Secret, str], object], store: str, status: int
) -> None:
    got = read(f"{store}/{status}", Secret("t"), "pantry:here")
    assert type(got) is (meant(status) or str)
    assert isinstance(got, str) or getattr(got, "source", None) == "pantry:here"


@pytest.mark.parametrize(
    "body",
    [b'{"error": "no such name"}', b'{"value": null}', b'{"value": {"a": 1}}', b"[]", b"<p>"],
)
def test_the_page_s_function_takes_nothing_else_for_a_key(
    read: Callable[[str, Secret, str], object],
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    body: bytes,
) -> None:
    monkeypatch.setattr(Store, "body", body)
    got = read(f"{store}/200", Secret("t"), "pantry:here")
    assert type(got) is errors.CredentialConfigurationError
    assert str(got) == "pantry:here has no text in the field 'value'."


def test_the_page_s_function_calls_a_store_that_does_not_answer_unavailable(
    read: Callable[[str, Secret, str], object],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = read(f"http://127.0.0.1:{port}/", Secret("t"), "pantry:here")
    assert type(error) is errors.CredentialStoreUnavailableError
