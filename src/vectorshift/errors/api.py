"""Errors of API calls: the API answered with a failure, or did not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vectorshift.errors.base import VectorshiftError
from vectorshift.errors.bodies import abbreviated, error_sentence, seconds

__all__ = [
    "ApiConnectionError",
    "ApiTimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "InternalServerError",
    "NotFoundError",
    "PermissionDeniedError",
    "PipelineRunFailedError",
    "PollTimeoutError",
    "RateLimitError",
    "UnprocessableEntityError",
    "VectorshiftApiError",
    "api_error_class",
]


class VectorshiftApiError(VectorshiftError):
    """The API answered with a failure.

    Args:
        status_code: the HTTP status, or 0 if there was none.
        method: the HTTP method.
        endpoint: the path, without the host.
        raw_response: the body as text, at most its first 1 MiB.
        headers: the response's headers, with lower-case names and without cookies.
        note: a sentence of this package, printed below the server's message.
        tries: how often the call was sent.

    Attributes:
        error_message: the first truthy of `error`, `message`, `detail`, `errors` in a JSON body,
            else the body. The text of the error has 2,000 characters of it.
        request_id: the server's ID of this request, or None.
        retry_after: seconds that the server asks to wait, or None.
    """

    label = "API Error"
    hint = ""
    _parameters: tuple[str, ...] = (
        "status_code",
        "method",
        "endpoint",
        "raw_response",
        "headers",
        "note",
        "tries",
    )

    def __init__(
        self,
        status_code: int,
        method: str,
        endpoint: str,
        raw_response: str = "",
        headers: Mapping[str, str] | None = None,
        note: str = "",
        tries: int = 1,
    ) -> None:
        self.status_code = status_code
        self.method = method
        self.endpoint = endpoint
        self.raw_response = raw_response
        kept = {name.lower(): value for name, value in (headers or {}).items()}
        kept.pop("set-cookie", None)
        self.headers = kept
        self.request_id = kept.get("x-request-id")
        self.retry_after = seconds(kept.get("retry-after"))
        self.error_message = error_sentence(raw_response)
        self.tries = tries
        self.note = note
        super().__init__(self._formatted(f"{self.label} ({status_code}) on {method} {endpoint}"))

    def _formatted(self, what: str) -> str:
        first = f"{what}: {abbreviated(self.error_message) or 'no details'}"
        tried = f"Given up after {self.tries} attempts." if self.tries > 1 else ""
        return "\n  ".join(line for line in (first, self.note, tried, self.hint) if line)


class BadRequestError(VectorshiftApiError):
    """The request is malformed (400)."""

    label = "Bad Request"


class AuthenticationError(VectorshiftApiError):
    """No key was found, or the API rejected the key that was sent (401).

    Attributes:
        source: the source of the rejected key, such as `vault:secret/vectorshift#api_key`, or None.
        fingerprint: the fingerprint of the rejected key, such as `#1a2b3c4d`, or None.
    """

    label = "Unauthorized"
    hint = (
        "Hint: create or find a key under Account > API Keys, in the organisation that the call "
        "is for."
    )
    _parameters: tuple[str, ...] = (
        *VectorshiftApiError._parameters,
        "source",
        "fingerprint",
    )

    def __init__(
        self,
        status_code: int = 401,
        method: str = "",
        endpoint: str = "",
        raw_response: str = "",
        headers: Mapping[str, str] | None = None,
        note: str = "",
        tries: int = 1,
        source: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.source = source
        self.fingerprint = fingerprint
        super().__init__(
            status_code, method, endpoint, raw_response, headers=headers, note=note, tries=tries
        )


class PermissionDeniedError(VectorshiftApiError):
    """The key is valid but lacks the scope (403)."""

    label = "Forbidden"


class NotFoundError(VectorshiftApiError):
    """The API has no such object, or not for this key's organisation (404)."""

    label = "Not Found"
    hint = (
        "Hint: check that the resource ID exists, and that the key belongs to the organisation that"
        " owns it."
    )


class UnprocessableEntityError(VectorshiftApiError):
    """The request is well-formed, but its content is invalid (422)."""

    label = "Validation Error"


class RateLimitError(VectorshiftApiError):
    """Too many requests (429); `retry_after` has the seconds to wait if the server sent them."""

    label = "Rate Limited"


class InternalServerError(VectorshiftApiError):
    """The API failed (500 and above)."""

    label = "Internal Server Error"
    hint = "Hint: this is a server-side error; try again later."


class PipelineRunFailedError(VectorshiftApiError):
    """A run failed: one that was waited for, streamed, or in the background.

    If the answer to `run` or `bulk_run` reports the failure, this has the status (200), body and
    headers of the answer. If an event of a stream or the status of a run reports it, `status_code`
    is 0.

    Args:
        task_id: the ID of the run; empty if the server sent none.
        error: the API's message about the failure.
        answer: the answer to the call as a `VectorshiftApiError`, or the `args` of that; or None.

    Attributes:
        run_error: the same as `error`.
    """

    _parameters: tuple[str, ...] = ("task_id", "run_error", "_answer")

    def __init__(
        self,
        task_id: str,
        error: str = "",
        answer: VectorshiftApiError | Sequence[Any] | None = None,
    ) -> None:
        super().__init__(0, "", "", error)
        where = ""
        if answer is not None:
            if not isinstance(answer, VectorshiftApiError):
                answer = VectorshiftApiError(*answer)
            vars(self).update(vars(answer))
            where = f" ({answer.method} {answer.endpoint})"
        self.task_id = task_id
        self.run_error = error
        who = f"Run {task_id}" if task_id else "The run"
        self.message = self._formatted(f"{who} failed{where}")

    @property
    def _answer(self) -> tuple[Any, ...] | None:
        names = VectorshiftApiError._parameters if self.endpoint else ()
        return tuple(getattr(self, name) for name in names) or None


class PollTimeoutError(  # pyright: ignore[reportIncompatibleVariableOverride]
    VectorshiftApiError, TimeoutError
):
    """A run in the background did not end in time; it may still be running. `status_code` is 0.

    Args:
        task_id: the ID of the run.
        timeout: the seconds that the call waited.
        completed: whether the run has completed, and only its outputs did not arrive.
    """

    _parameters: tuple[str, ...] = ("task_id", "timeout", "completed")

    def __init__(self, task_id: str, timeout: float, completed: bool = False) -> None:
        super().__init__(0, "", "")
        self.task_id = task_id
        self.timeout = timeout
        self.completed = completed
        if completed:
            self.message = (
                f"Run {task_id} has completed, but its outputs did not arrive within {timeout:g} "
                "s. Ask again: they may arrive up to 30 s later."
            )
        else:
            self.message = (
                f"Run {task_id} gave no result within {timeout:g} s. It may still be running. "
                "Ask again, or terminate it."
            )


_BY_STATUS: dict[int, type[VectorshiftApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def api_error_class(status_code: int) -> type[VectorshiftApiError]:
    """Return the class for an HTTP status; the base class for other 4xx."""
    if status_code >= 500:
        return InternalServerError
    return _BY_STATUS.get(status_code, VectorshiftApiError)


class ApiConnectionError(VectorshiftError):
    """The API could not be reached, or the connection broke.

    Attributes:
        request_info: `{"method": ..., "endpoint": ...}`, or an empty dict.
        may_have_run: whether the API may have received the request, so that a retry could run it
            twice.
        tries: how often the call was sent.
    """

    _parameters: tuple[str, ...] = ("message", "request_info", "may_have_run", "tries")

    def __init__(
        self,
        message: str = "",
        request_info: dict[str, str] | None = None,
        may_have_run: bool = True,
        tries: int = 1,
    ) -> None:
        tried = f"\n  Given up after {tries} attempts." if tries > 1 else ""
        super().__init__(message.removesuffix(tried) + tried)
        self.request_info = request_info or {}
        self.may_have_run = may_have_run
        self.tries = tries


class ApiTimeoutError(ApiConnectionError):
    """The API did not answer in time."""
