from __future__ import annotations

import copy
import pickle
import traceback
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

import vectorshift
from vectorshift import errors
from vectorshift.errors import Attempt, api_error_class, fresh_copy

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPT = Attempt(
    provider="env", source="env:X", outcome="not found", reason="X is not set.", seconds=0.5
)
HEADERS = {"Retry-After": "7", "X-Request-ID": "r-1"}


def status(
    cls: type[errors.VectorshiftApiError], code: int, **more: Any
) -> errors.VectorshiftApiError:
    return cls(
        code, "GET", "/pipelines", '{"error": "no"}', headers=HEADERS, note="A note.", **more
    )


EACH = [
    errors.VectorshiftError("plain"),
    errors.ApiConnectionError("down", request_info={"method": "GET", "endpoint": "/pipelines"}),
    errors.ApiTimeoutError(
        "slow",
        request_info={"method": "GET", "endpoint": "/pipelines"},
        may_have_run=False,
        tries=3,
    ),
    errors.PipelineRunFailedError("t-1", "no"),
    errors.PipelineRunFailedError(
        "",
        "no",
        answer=errors.VectorshiftApiError(200, "POST", "/x", "{}", headers=HEADERS, note="A note."),
    ),
    errors.PollTimeoutError("t-1", 2.5),
    status(errors.AuthenticationError, 401, source="env:X", fingerprint="#1a2b3c4d"),
    *(status(api_error_class(code), code) for code in (400, 403, 404, 409, 422, 429, 500, 503)),
    *(
        kind("why", source="vault:a", provider="vault")
        for kind in (
            errors.CredentialError,
            errors.CredentialNotFoundError,
            errors.CredentialConfigurationError,
            errors.CredentialDeniedError,
            errors.CredentialRevokedError,
        )
    ),
    errors.CredentialStoreUnavailableError(
        "why", source="vault:a", provider="vault", retry_after=2.5
    ),
    errors.MissingCredentialError("none", attempts=(ATTEMPT,)),
]


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "again",
    [
        *(
            lambda e, p=p: pickle.loads(pickle.dumps(e, p))
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy,
        copy.deepcopy,
    ],
    ids=[*(f"pickle{p}" for p in range(pickle.HIGHEST_PROTOCOL + 1)), "copy", "deepcopy"],
)
def test_an_error_survives_pickle_and_copy_with_its_attributes(
    error: errors.VectorshiftError,
    again: Callable[[errors.VectorshiftError], errors.VectorshiftError],
) -> None:
    other = again(error)
    assert other is not error
    assert (type(other), str(other), other.args) == (type(error), str(error), error.args)
    assert vars(other) == vars(error)
    assert vars(other) is not vars(error)


def test_every_error_of_the_package_was_copied_above() -> None:
    public = {getattr(errors, name) for name in errors.__all__}
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds == {type(error) for error in EACH}


def test_a_fresh_copy_has_the_cause_and_neither_traceback_nor_context() -> None:
    cause = OSError("cause")
    try:
        try:
            raise ValueError("context")
        except ValueError:
            raise errors.CredentialStoreUnavailableError("down", retry_after=3.0) from cause
    except errors.CredentialStoreUnavailableError as error:
        copied = fresh_copy(error)
    assert (str(copied), copied.retry_after) == ("down", 3.0)
    assert (copied.__cause__, copied.__context__, copied.__traceback__) == (cause, None, None)


# --- The tree -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "VectorshiftApiError"),
        (418, "VectorshiftApiError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
        (599, "InternalServerError"),
    ],
)
def test_a_status_has_the_class_of_the_official_sdk(code: int, name: str) -> None:
    assert api_error_class(code) is getattr(vectorshift, name)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("ApiStatusError", "VectorshiftApiError"),
        ("APIStatusError", "VectorshiftApiError"),
        ("VectorShiftAPIError", "VectorshiftApiError"),
        ("VectorShiftError", "VectorshiftError"),
        ("APIConnectionError", "ApiConnectionError"),
        ("APITimeoutError", "ApiTimeoutError"),
    ],
)
def test_the_official_spellings_are_the_same_classes(alias: str, name: str) -> None:
    assert getattr(vectorshift, alias) is getattr(vectorshift, name)


def test_the_five_kinds_of_failure_are_credential_errors() -> None:
    for kind in (
        errors.CredentialNotFoundError,
        errors.CredentialConfigurationError,
        errors.CredentialDeniedError,
        errors.CredentialStoreUnavailableError,
    ):
        assert kind.__mro__[1:3] == (errors.CredentialError, errors.VectorshiftError)
    assert issubclass(errors.CredentialRevokedError, errors.CredentialDeniedError)
    assert not issubclass(errors.CredentialDeniedError, errors.PermissionDeniedError)
    assert issubclass(errors.ApiTimeoutError, errors.ApiConnectionError)


def test_a_missing_key_is_caught_as_the_page_says_and_lets_chains_nest() -> None:
    error = errors.MissingCredentialError("none", attempts=(ATTEMPT,))
    assert isinstance(error, errors.AuthenticationError)
    assert isinstance(error, errors.CredentialNotFoundError)
    assert (error.status_code, error.raw_response, error.method, error.endpoint) == (
        401,
        "",
        "",
        "",
    )
    assert (error.message, str(error), error.attempts) == ("none", "none", (ATTEMPT,))
    assert (error.source, error.provider, error.fingerprint) == (None, None, None)


# --- What the server said -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"status": "failed", "error": "no such thing"}', "no such thing"),
        ('{"error": "", "message": "second"}', "second"),
        ('{"error": null, "detail": "third"}', "third"),
        ('{"detail": {"message": "nested"}}', "nested"),
        ('{"detail": {"code": 3}}', '{"code": 3}'),
        ('{"errors": ["one", "two"]}', "one; two"),
        ('{"status": "failed"}', '{\n  "status": "failed"\n}'),
        ("  Bad gateway\n", "Bad gateway"),
        ("", ""),
        ("null", "null"),
        ("{broken", "{broken"),
    ],
)
def test_the_detail_is_the_first_truthy_field_else_the_body(body: str, said: str) -> None:
    assert errors.VectorshiftApiError(409, "GET", "/x", body).error_message == said


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000], ids=["array", "object"])
def test_a_body_that_nests_too_deep_is_still_an_api_error(body: str) -> None:
    assert errors.VectorshiftApiError(500, "GET", "/x", body).error_message == body


def test_the_text_has_label_status_path_detail_note_and_hint() -> None:
    assert str(status(errors.AuthenticationError, 401)).splitlines() == [
        "Unauthorized (401) on GET /pipelines: no",
        "  A note.",
        (
            "  Hint: create or find a key under Account > API Keys, in the organisation that the "
            "call is for."
        ),
    ]
    assert (
        str(errors.VectorshiftApiError(409, "GET", "/x")) == "API Error (409) on GET /x: no details"
    )


def test_a_failed_run_reads_as_a_sentence_with_what_its_answer_had() -> None:
    answer = errors.VectorshiftApiError(
        200, "POST", "/x", '{"error": "no"}', headers=HEADERS, note="A note.", tries=2
    )
    error = errors.PipelineRunFailedError("r-1", "no", answer=answer)
    expected = "Run r-1 failed (POST /x): no\n  A note.\n  Given up after 2 attempts."
    assert str(error) == error.message == expected
    assert vars(error) == {**vars(answer), "message": expected, "task_id": "r-1", "run_error": "no"}
    assert str(errors.PipelineRunFailedError("r-1")) == "Run r-1 failed: no details"
    assert str(errors.PipelineRunFailedError("", "no")) == "The run failed: no"


def test_headers_are_kept_in_lower_case_and_cookies_are_not() -> None:
    error = errors.RateLimitError(429, "GET", "/x", headers={**HEADERS, "Set-Cookie": "session=1"})
    assert (error.request_id, error.retry_after) == ("r-1", 7.0)
    assert error.headers == {"retry-after": "7", "x-request-id": "r-1"}


# --- Retry-After ----------------------------------------------------------------------------------


def waits(header: str) -> float | None:
    return errors.RateLimitError(429, "GET", "/x", headers={"Retry-After": header}).retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("inf", 31_536_000.0),
        ("1e400", 31_536_000.0),
        ("-inf", 0.0),
        ("99999999999", 31_536_000.0),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_nothing_but_never_what_cannot_be_waited_for(
    header: str, seconds: float | None
) -> None:
    assert waits(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    at = datetime.now(timezone.utc) + timedelta(hours=1)
    assert waits(format_datetime(at, usegmt=True)) == pytest.approx(3600, abs=60)


@given(st.text() | st.dates().map(lambda day: f"{day:%a, %d %b %Y} 00:00:00 -0000"))
def test_any_retry_after_is_read_or_passed_over(header: str) -> None:
    seconds = waits(header)
    assert seconds is None or 0 <= seconds < float("inf")


def test_an_attempt_is_a_value() -> None:
    assert pickle.loads(pickle.dumps(ATTEMPT)) == ATTEMPT
    with pytest.raises(AttributeError):
        ATTEMPT.reason = "other"  # type: ignore[misc]
    assert "X is not set." in "".join(traceback.format_exception_only(KeyError, KeyError(ATTEMPT)))


def test_the_errors_are_found_where_the_official_examples_import_them_from() -> None:
    from vectorshift import request

    assert {name: getattr(request, name) for name in errors.__all__} == {
        name: getattr(errors, name) for name in errors.__all__
    }


@pytest.mark.usefixtures("forgotten")
@pytest.mark.skipif(not hasattr(BaseException, "add_note"), reason="notes came with Python 3.11")
def test_a_note_that_one_caller_adds_is_not_in_the_error_of_another() -> None:
    shared: Any = errors.CredentialStoreUnavailableError("down")
    shared.add_note("of the store")
    first, second = fresh_copy(shared), fresh_copy(shared)
    first.add_note("of the first caller")
    assert second.__notes__ == shared.__notes__ == ["of the store"]
