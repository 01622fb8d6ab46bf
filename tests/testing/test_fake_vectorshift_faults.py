"""How the stand-in API is slow and fails when a test says so."""

from __future__ import annotations

import asyncio

import anyio
import httpx
import pytest
from tests.testing.plain import bearer

from vectorshift.testing import FakeVectorShift


def test_latency_may_be_set_while_it_runs(api: FakeVectorShift, http: httpx.Client) -> None:
    assert http.get("/pipelines").status_code == 401
    api.latency = 60.0
    with pytest.raises(httpx.ReadTimeout):
        http.get("/pipelines", timeout=httpx.Timeout(30, read=0.2))
    api.latency = 0.0
    assert http.get("/pipelines").status_code == 401


def test_slow_answers_do_not_wait_for_each_other_and_hold_up_no_other(api: FakeVectorShift) -> None:
    api.latency = 3600.0

    async def main() -> None:
        async with httpx.AsyncClient(base_url=api.base_url, trust_env=False, timeout=60) as client:
            slow = [asyncio.create_task(client.get("/pipelines")) for _ in range(30)]
            with anyio.fail_after(60):
                while api.in_flight < 30:
                    await asyncio.sleep(0.001)
            api.latency = 0.0
            assert (await client.get("/pipelines")).status_code == 401
            assert not any(task.done() for task in slow)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(main())


def test_a_latency_passes_and_the_answer_comes(api: FakeVectorShift, http: httpx.Client) -> None:
    api.latency = 0.01
    assert http.get("/pipelines").status_code == 401


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"status": "failed", "error": "Bad Request"}),
        (401, {"error": "Invalid API key"}),
        (403, {"status": "failed", "error": "Forbidden"}),
        (404, {"status": "failed", "error": "Not Found"}),
        (429, {"status": "failed", "error": "Too Many Requests"}),
        (500, {"status": "failed", "error": "Internal Server Error"}),
        (503, {"status": "failed", "error": "Service Unavailable"}),
    ],
)
def test_an_injected_failure_has_the_documented_body_and_ends(
    api: FakeVectorShift, http: httpx.Client, status: int, body: dict[str, str]
) -> None:
    key = api.create_key()
    api.fail_next(status, times=2, headers={"Retry-After": "3"})
    for _ in range(2):
        answer = http.get("/pipelines", headers=bearer(key))
        assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (
            status,
            body,
            "3",
        )
    assert http.get("/pipelines", headers=bearer(key)).status_code == 200


def test_an_injected_failure_may_have_any_body(api: FakeVectorShift, http: httpx.Client) -> None:
    api.fail_next(500, body={"detail": {"message": "no"}})
    api.fail_next(502, body="Bad gateway")
    api.fail_next(200, body=b"\xff\x00", headers={"Content-Type": "application/octet-stream"})
    assert http.get("/pipelines").json() == {"detail": {"message": "no"}}
    assert http.get("/pipelines").text == "Bad gateway"
    last = http.get("/pipelines")
    assert (last.content, last.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")


@pytest.mark.parametrize("path", ["/pipeline", "/v1/pipeline"])
def test_an_injected_failure_may_wait_for_its_path(
    api: FakeVectorShift, http: httpx.Client, path: str
) -> None:
    api.fail_next(503, path=path)
    assert http.get("/pipelines").status_code == 401
    assert http.get("/pipeline").status_code == 503
    assert http.get("/pipeline").status_code == 401


def test_a_dropped_connection_gets_no_answer_and_harms_no_other(
    api: FakeVectorShift, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with httpx.Client(base_url=api.base_url, trust_env=False) as other:
        assert other.get("/pipelines").status_code == 401
        api.drop_next(times=2)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
                http.get("/pipelines", headers={"X-Forwarded-For": "192.0.2.1"}, timeout=5)
        assert other.get("/pipelines").status_code == 401
        assert http.get("/pipelines").status_code == 401
    assert [request.status for request in api.requests] == [401, None, None, 401, 401]
    assert caplog.records == []


def test_faults_are_used_up_in_the_order_given(api: FakeVectorShift, http: httpx.Client) -> None:
    api.fail_next(500)
    api.drop_next()
    api.fail_next(429)
    assert http.get("/pipelines").status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/pipelines")
    assert http.get("/pipelines").status_code == 429
    assert http.get("/pipelines").status_code == 401
