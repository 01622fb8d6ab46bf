"""Every kind of failed answer that is known of the API, over every style of calling."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from tests.faults import FaultServer, StillClock, answer
from tests.test_fault_matrix import STYLES

from vectorshift import (
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    VectorshiftApiError,
)

pytestmark = pytest.mark.anyio

BODIES: dict[str, tuple[Any, str]] = {
    "failed, with an error": ({"status": "failed", "error": "It is so."}, "It is so."),
    "an error alone": ({"error": "Invalid API key"}, "Invalid API key"),
    "a message": ({"error": "", "message": "second"}, "second"),
    "a detail": ({"detail": "third"}, "third"),
    "a detail with a message": ({"detail": {"message": "inner"}}, "inner"),
    "a detail that is a list": ({"detail": [{"loc": ["body"]}, "b"]}, "{'loc': ['body']}; b"),
    "errors": ({"errors": ["one", "two"]}, "one; two"),
    "none of these": ({"else": 1}, '{\n  "else": 1\n}'),
    "half a character": ({"error": "\ud800"}, "?"),
    "text": (b"  Bad gateway\n", "Bad gateway"),
    "HTML": (b"<html><h1>no</h1>", "<html><h1>no</h1>"),
    "a list": (b'["no"]', '["no"]'),
    "nothing": (b"", ""),
    "no UTF-8": (b"\xff\xfe", "\ufffd\ufffd"),
    "nested too deep": (b'{"else":' * 900 + b"1" + b"}" * 900, ""),
}
KINDS: dict[int, tuple[type[VectorshiftApiError], str]] = {
    400: (BadRequestError, "Bad Request"),
    401: (AuthenticationError, "Unauthorized"),
    402: (VectorshiftApiError, "API Error"),
    403: (PermissionDeniedError, "Forbidden"),
    404: (NotFoundError, "Not Found"),
    422: (UnprocessableEntityError, "Validation Error"),
    429: (RateLimitError, "Rate Limited"),
    500: (InternalServerError, "Internal Server Error"),
    503: (InternalServerError, "Internal Server Error"),
}


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("body", list(BODIES))
async def test_a_failed_answer_has_its_class_and_all_it_says(style: str, body: str, anyio_backend: str) -> None:
    if style.startswith("sync") and anyio_backend == "trio":
        pytest.skip("sync code has no event loop")
    given, said = BODIES[body]
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    for status, (kind, label) in KINDS.items():
        headers = {"Retry_After": "7", "X_Request_Id": "r-1", "Set_Cookie": "session=1"}
        with FaultServer(answer(status, raw, **headers)) as server, pytest.raises(VectorshiftApiError) as caught:
            await STYLES[style](server.origin, "POST", clock=StillClock(), max_retries=0)
        error = caught.value
        assert type(error) is kind
        assert (error.status_code, error.method, error.endpoint) == (status, "POST", "/x")
        assert error.raw_response == raw.decode("utf-8", "replace")
        assert error.error_message == said or body == "nested too deep"
        assert (error.request_id, error.retry_after, error.tries) == ("r-1", 7.0, 1)
        assert "set-cookie" not in error.headers
        first = f"{label} ({status}) on POST /x: {said or 'no details'}"
        assert str(error).startswith(first) or body == "nested too deep"
        assert ("Hint:" in str(error)) is (status in (401, 404, 500, 503))
        assert isinstance(error, AuthenticationError) is (getattr(error, "fingerprint", None) is not None)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
        str(error).encode()  # it can be printed
