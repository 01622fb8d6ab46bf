"""What is sent for a call and how its answer is read: shared by both colours, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from vectorshift.auth import CREDENTIAL, REFUSAL, Refusal
from vectorshift.errors import AuthenticationError, VectorshiftApiError, api_error_class
from vectorshift.http import masked, secret_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials import Credential
    from vectorshift.http import httpx

__all__ = ["Call", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API.

    Args:
        method: the HTTP method.
        path: the path below the base URL, with a leading slash.
        query: parameters; those that are None are left out.
        json: the body, or None.
        headers: headers of the caller's; an `Authorization` among them wins over the key.
        timeout: seconds to wait for the answer, or None for the client's own.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    json: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout: float | None = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or self.path.startswith("//"):
            raise ValueError(f"The path of a call begins with one slash, such as /pipelines; this is {self.path!r}.")

    def request(self, base_url: str, build: Any) -> httpx.Request:
        """Return the request, made by a client's `build_request`."""
        optional: dict[str, Any] = {} if self.timeout is None else {"timeout": self.timeout}
        query = {name: value for name, value in self.query.items() if value is not None}
        request: httpx.Request = build(
            self.method,
            base_url + self.path,
            params=query or None,
            json=self.json,
            headers=dict(self.headers),
            **optional,
        )
        return request


def read(response: httpx.Response, call: Call) -> Any:
    """Return the parsed body of an answer.

    Raises:
        VectorshiftApiError: the answer is not a success, or says in its body that it failed, or is no JSON.
    """
    if not response.is_success:
        raise _failure(response, call)
    if not response.content:
        return {}
    try:
        body: Any = response.json()
    except (ValueError, RecursionError):
        body = _FAILED
    if not isinstance(body, dict) or cast("dict[str, Any]", body).get("status") != "failed":
        return cast("Any", body)
    del body  # a traceback from here shows nothing that the server said
    raise _failure(response, call)


_FAILED: Any = {"status": "failed"}


def _failure(response: httpx.Response, call: Call) -> VectorshiftApiError:
    extensions = (response.history or [response])[0].request.extensions  # that of a redirect is a copy
    credential: Credential | None = extensions.get(CREDENTIAL)
    refusal: Refusal | None = extensions.get(REFUSAL)
    stamped = [known.secret for known in (credential, refusal and refusal.rejected) if known]
    secrets = [secret_of(response.request), *stamped]  # a server that echoes them does not bring them into a log
    text = masked(response.text, secrets)
    headers = {name: masked(value, secrets) for name, value in response.headers.items()}
    kind = api_error_class(response.status_code)
    if kind is not AuthenticationError:
        note = (
            "" if response.is_success or response.is_error else "Hint: a redirect is not followed; check the base URL."
        )
        return kind(response.status_code, call.method, call.path, text, headers=headers, note=note)
    return AuthenticationError(
        response.status_code,
        call.method,
        call.path,
        text,
        headers=headers,
        note=str(refusal or "") if credential else "The Authorization header is the caller's own.",
        source=credential.source if credential else None,
        fingerprint=credential.fingerprint if credential else None,
    )
