"""The stand-in API's answers about runs, asked with plain httpx."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import httpx
import pytest
from tests.testing.plain import P, bearer, ok

from vectorshift.testing import FakeVectorShift


@pytest.fixture
def http(api: FakeVectorShift, http: httpx.Client) -> httpx.Client:
    """A client with a key of `acme`."""
    http.headers.update(bearer(api.create_key(org="acme")))
    return http


def data_of(text: str) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix("data: "))
        for line in text.splitlines()
        if line.startswith("data: ")
    ]


# --- Runs ---


def test_a_run_gives_back_its_inputs(http: httpx.Client, id: str) -> None:
    body = ok(http.post(f"{P}/run", json={"inputs": {"text": "hi", "n": [1, None]}}))
    assert (body["status"], body["outputs"]) == ("success", {"text": "hi", "n": [1, None]})
    assert body["run_id"]
    assert ok(http.post(f"{P}/run"))["outputs"] == {}


def test_outputs_can_be_scripted_for_runs_of_any_kind(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.next_outputs({"answer": 1}, times=2)
    assert ok(http.post(f"{P}/run", json={}))["outputs"] == {"answer": 1}
    bulk = ok(
        http.post(f"{P}/bulk_run", json={"runs": [{"inputs": {"a": 1}}, {"inputs": {"a": 2}}]})
    )
    assert [run["outputs"] for run in bulk["run_outputs"]] == [{"answer": 1}, {"a": 2}]


def test_a_run_of_any_kind_can_fail(api: FakeVectorShift, http: httpx.Client, id: str) -> None:
    api.fail_run("node 3 broke", times=3)
    failed = ok(http.post(f"{P}/run", json={"inputs": {"a": 1}}))
    assert (failed["status"], failed["error"], "outputs" in failed) == (
        "failed",
        "node 3 broke",
        False,
    )
    assert failed["run_id"]
    (event,) = data_of(http.post(f"{P}/run", json={"stream": True}).text)
    assert (event["type"], event["status"], event["error"]) == ("result", "failed", "node 3 broke")
    task = ok(http.post(f"{P}/run", json={"background": True}))["task_id"]
    said = [ok(http.get(f"{P}/run/status/{task}")) for _ in range(2)]
    assert [each["status"] for each in said] == ["in_progress", "failed"]
    assert said[-1]["error"] == "node 3 broke"
    assert ok(http.post(f"{P}/run", json={}))["status"] == "success"


def test_single_runs_of_a_bulk_run_can_fail(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.next_outputs({"answer": 1})
    api.fail_run()
    body = ok(http.post(f"{P}/bulk_run", json={"runs": [{"inputs": {"a": n}} for n in range(3)]}))
    first, second, third = body["run_outputs"]
    assert body["status"] == "success"
    assert (first["outputs"], third["outputs"]) == ({"answer": 1}, {"a": 2})
    assert second == {"run_id": second["run_id"], "status": "failed", "error": "The run failed"}


@pytest.mark.parametrize("spelling", ["bulk_run", "bulk-run"])
def test_bulk_runs_are_answered_in_both_spellings(
    http: httpx.Client, id: str, spelling: str
) -> None:
    body = ok(http.post(f"{P}/{spelling}", json={"runs": [{"inputs": {"a": n}} for n in range(3)]}))
    assert [run["outputs"]["a"] for run in body["run_outputs"]] == [0, 1, 2]
    assert len({run["run_id"] for run in body["run_outputs"]}) == 3


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("run", {"inputs": [1]}, "inputs must be an object"),
        ("run", [1], "The body must be an object"),
        ("bulk_run", {}, "runs must be a list"),
        ("resume", {}, "run_ids must be a list"),
        ("share", {}, "Either user_id or org_id is required"),
        ("revert", {}, "version is required"),
    ],
)
def test_a_malformed_body_gets_400(
    http: httpx.Client, id: str, path: str, body: Any, error: str
) -> None:
    answer = http.post(f"{P}/{path}", json=body)
    assert (answer.status_code, answer.json()) == (400, {"status": "failed", "error": error})


def test_a_body_that_is_no_json_gets_400(http: httpx.Client, id: str) -> None:
    assert http.post(f"{P}/run", content=b"{").status_code == 400
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post(f"{P}/run", content=b"--y\r\n", headers=form).status_code == 400


def test_files_arrive_whole_beside_the_inputs(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    content = bytes(range(256)) * 300 + b"\r\n--\r\n"
    body = ok(
        http.post(
            f"{P}/run",
            data={"inputs": json.dumps({"q": "ä"}), "session_id": "s1"},
            files={"inputs.doc": ("ä b.pdf", content, "application/pdf")},
        )
    )
    digest = hashlib.sha256(content).hexdigest()
    described = {
        "type": "file",
        "name": "ä b.pdf",
        "mime_type": "application/pdf",
        "size": len(content),
    }
    assert body["outputs"] == {"q": "ä", "doc": {**described, "sha256": digest}}
    form = api.requests[-1].form
    assert form["inputs.doc"].content == content
    assert (form["session_id"].content, form["session_id"].filename) == (b"s1", None)
    assert (
        repr(form["inputs.doc"]) == f"<FormPart inputs.doc filename='ä b.pdf' {len(content)} bytes>"
    )


def test_a_background_run_takes_a_step_each_time_it_is_asked(http: httpx.Client, id: str) -> None:
    body = ok(
        http.post(f"{P}/run", json={"inputs": {"a": 1}, "background": True, "trace_id": "t-9"})
    )
    assert body["trace_id"] == "t-9"
    path = f"{P}/run/status/{body['task_id']}"
    assert ok(http.get(path)) == {"status": "in_progress", "task_id": body["task_id"]}
    done = {"status": "completed", "task_id": body["task_id"], "result": {"a": 1}}
    assert ok(http.get(path)) == ok(http.get(path)) == done


def test_a_background_run_can_be_scripted(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.script_run("running", "running", "failed", error="node 3 broke")
    task = ok(http.post(f"{P}/run", json={"background": "true"}))["task_id"]
    said = [ok(http.get(f"{P}/run/status/{task}")) for _ in range(4)]
    assert [each["status"] for each in said] == ["running", "running", "failed", "failed"]
    assert said[-1]["error"] == "node 3 broke"


def test_a_run_can_be_terminated_and_resumed(http: httpx.Client, id: str) -> None:
    task = ok(http.post(f"{P}/run", json={"background": True}))["task_id"]
    assert ok(http.post(f"{P}/terminate", json={"run_id": task})) == {"status": "success"}
    assert ok(http.get(f"{P}/run/status/{task}"))["status"] == "cancelled"
    assert ok(http.post(f"{P}/resume", json={"run_ids": [task]})) == {"status": "success"}
    assert [ok(http.get(f"{P}/run/status/{task}"))["status"] for _ in range(2)] == [
        "in_progress",
        "completed",
    ]
    ok(http.post(f"{P}/terminate", json={"run_id": task}))
    assert ok(http.get(f"{P}/run/status/{task}"))["status"] == "completed"


def test_an_unknown_run_or_pipeline_is_404(http: httpx.Client, id: str) -> None:
    assert http.get(f"{P}/run/status/nothing").status_code == 404
    assert http.post(f"{P}/terminate", json={"run_id": "nothing"}).status_code == 404
    for path in (
        "run",
        "bulk_run",
        "terminate",
        "resume",
        "duplicate",
        "revert",
        "share",
        "unshare",
    ):
        answer = http.post(f"/pipeline/nothing/{path}", json={})
        assert (answer.status_code, answer.json()["error"]) == (404, "Pipeline not found")
    assert http.delete("/pipeline/nothing").status_code == 404


def test_runs_of_another_organisation_are_not_there(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    task = ok(http.post(f"{P}/run", json={"background": True}))["task_id"]
    ok(http.post(f"{P}/share", json={"org_id": "globex"}))
    theirs = bearer(api.create_key(org="globex"))
    assert http.post(f"{P}/run", json={}, headers=theirs).status_code == 200
    assert http.get(f"{P}/run/status/{task}", headers=theirs).status_code == 404
    assert http.post(f"{P}/terminate", json={"run_id": task}, headers=theirs).status_code == 404


def test_runs_of_another_pipeline_are_not_there(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    task = ok(http.post(f"{P}/run", json={"background": True}))["task_id"]
    other = f"/pipeline/{api.add_pipeline('acme', 'other')}"
    assert http.get(f"{other}/run/status/{task}").status_code == 404
    assert http.post(f"{other}/terminate", json={"run_id": task}).status_code == 404
    assert http.post(f"{other}/resume", json={"run_ids": [task]}).status_code == 404
    assert ok(http.get(f"{P}/run/status/{task}"))["status"] == "in_progress"


# --- Event streams ---


def test_a_streamed_run_sends_its_outputs_and_the_result(http: httpx.Client, id: str) -> None:
    answer = http.post(f"{P}/run", json={"inputs": {"text": "one two", "n": 1}, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    *pieces, result = data_of(answer.text)
    assert [(each["type"], each["output_name"], each["output_value"]) for each in pieces] == [
        ("stream", "text", "one"),
        ("stream", "text", " two"),
        ("stream", "n", 1),
    ]
    assert (result["type"], result["status"], result["outputs"]) == (
        "result",
        "completed",
        {"text": "one two", "n": 1},
    )


@pytest.mark.parametrize("piece", [None, 1, 7, 10_000])
def test_events_are_sent_as_scripted_in_pieces_of_any_size(
    api: FakeVectorShift, http: httpx.Client, id: str, piece: int | None
) -> None:
    api.script_events(
        [{"type": "stream", "output_value": "é"}, ": ping\n\n", b"data: \xff\n\n"], piece=piece
    )
    answer = http.post(f"{P}/run", json={"stream": True})
    assert answer.content == (
        b'event: stream\ndata: {"type": "stream", "output_value": "\\u00e9"}\n\n'
        b": ping\n\ndata: \xff\n\n"
    )


# --- How answers are spelled ---


@pytest.mark.parametrize(
    ("types", "line", "in_data"),
    [("both", True, True), ("line", True, False), ("data", False, True)],
)
def test_events_say_their_type_in_a_line_in_their_data_or_in_both(
    api: FakeVectorShift, http: httpx.Client, id: str, types: Any, line: bool, in_data: bool
) -> None:
    api.dialect.event_types = types
    api.script_events([{"type": "stream", "output_value": 1}])
    for _ in range(2):  # scripted, and not
        text = http.post(f"{P}/run", json={"inputs": {"a": 1}, "stream": True}).text
        assert ("event: stream\n" in text) == line
        assert ("type" in data_of(text)[0]) == in_data


def test_outputs_may_come_later_than_the_word_that_the_run_has_completed(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.dialect.late_results = 2
    task = ok(http.post(f"{P}/run", json={"inputs": {"a": 1}, "background": True}))["task_id"]
    said = [ok(http.get(f"{P}/run/status/{task}")) for _ in range(5)]
    assert [each["status"] for each in said] == ["in_progress", *["completed"] * 4]
    assert [each.get("result") for each in said] == [None, None, None, {"a": 1}, {"a": 1}]


def test_a_run_may_be_named_by_another_field(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.dialect.run_id = "pipeline_run_id"
    plain = ok(http.post(f"{P}/run", json={"inputs": {"a": 1}}))
    events = data_of(http.post(f"{P}/run", json={"inputs": {"a": 1}, "stream": True}).text)
    (bulk,) = ok(http.post(f"{P}/bulk-run", json={"runs": [{"inputs": {"a": 1}}]}))["run_outputs"]
    for each in (plain, bulk, *events):
        assert each["pipeline_run_id"]
        assert "run_id" not in each


@pytest.mark.parametrize("there", ["bulk_run", "bulk-run"])
def test_a_path_of_bulk_runs_may_be_missing(
    api: FakeVectorShift, http: httpx.Client, id: str, there: str
) -> None:
    api.dialect.bulk_paths = (there,)
    for path in ("bulk_run", "bulk-run"):
        status = http.post(f"{P}/{path}", json={"runs": []}).status_code
        assert status == (200 if path == there else 404)


def test_a_stream_may_break(api: FakeVectorShift, http: httpx.Client, id: str) -> None:
    api.script_events([{"n": 1}], then="break")
    with http.stream("POST", f"{P}/run", json={"stream": True}) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b'data: {"n": 1}\n\n'
        with pytest.raises(httpx.HTTPError):
            next(pieces)


def test_a_stream_that_hangs_ends_when_the_client_goes(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    api.script_events([{"n": 1}], then="hang")
    with http.stream("POST", f"{P}/run", json={"stream": True}) as answer:
        pieces = answer.iter_raw()  # to drop it closes the connection
        assert next(pieces)
        assert api.open_streams == 1
    gone = threading.Event()
    while api.open_streams and not gone.wait(0.01):
        pass


def test_closing_ends_streams_that_hang() -> None:
    with FakeVectorShift() as api:
        headers = {"Authorization": f"Bearer {api.create_key()}"}
        id = api.add_pipeline("acme", "p")
        api.script_events([{"n": 1}], then="hang")
        with (
            httpx.Client(base_url=api.base_url, headers=headers, trust_env=False) as http,
            http.stream("POST", f"/pipeline/{id}/run", json={"stream": True}) as answer,
        ):
            pieces = answer.iter_raw()
            assert next(pieces)
            api.close()
            with pytest.raises(httpx.HTTPError):
                next(pieces)


# --- Who may ---


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/pipeline", "pipelines:write"),
        ("POST", "/update/pipeline/x", "pipelines:write"),
        ("DELETE", "/pipeline/x", "pipelines:write"),
        ("POST", "/pipeline/x/duplicate", "pipelines:write"),
        ("POST", "/pipeline/x/share", "pipelines:write"),
        ("POST", "/pipeline/x/unshare", "pipelines:write"),
        ("POST", "/pipeline/x/revert", "pipelines:write"),
        ("POST", "/pipeline/x/run", "pipelines:run"),
        ("POST", "/pipeline/x/bulk_run", "pipelines:run"),
        ("POST", "/pipeline/x/bulk-run", "pipelines:run"),
        ("GET", "/pipeline/x/run/status/r", "pipelines:run"),
        ("POST", "/pipeline/x/terminate", "pipelines:run"),
        ("POST", "/pipeline/x/resume", "pipelines:run"),
    ],
)
def test_each_call_wants_its_scope(
    api: FakeVectorShift, http: httpx.Client, method: str, path: str, scope: str
) -> None:
    others = [
        each for each in ("pipelines:read", "pipelines:write", "pipelines:run") if each != scope
    ]
    refused = http.request(
        method, path, headers={"Authorization": f"Bearer {api.create_key(scopes=others)}"}
    )
    assert (refused.status_code, refused.json()["error"]) == (
        403,
        f"API key lacks the scope {scope}",
    )
    granted = http.request(
        method, path, headers={"Authorization": f"Bearer {api.create_key(scopes=[scope])}"}
    )
    assert granted.status_code in (400, 404)
    assert (
        http.request(method, path, headers={"Authorization": "Bearer vs-unknown"}).status_code
        == 401
    )


def test_paths_beside_v1_want_the_key_twice(api: FakeVectorShift, http: httpx.Client) -> None:
    key = api.create_key(org="globex")
    url = api.base_url.removesuffix("/v1") + "/integrations-go/list%20all/1"
    both = {"Authorization": f"Bearer {key}", "Api-Key": key}
    assert ok(http.get(url, headers=both)) == {
        "status": "success",
        "path": "list all/1",
        "org_name": "globex",
    }
    once = http.get(url, headers={"Authorization": f"Bearer {key}"})
    assert (once.status_code, once.json()) == (401, {"error": "Missing or invalid Api-Key header"})
    assert http.get(url, headers={**both, "Api-Key": "vs-other"}).status_code == 401


def test_a_record_has_the_path_as_it_was_sent(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    ok(http.post(f"{P}/run?x=1", json={"inputs": {}}))
    (request,) = api.requests
    assert (request.path, request.raw_path) == (
        "/v1/pipeline/a/b?c/run",
        "/v1/pipeline/a%2Fb%3Fc/run",
    )
    assert request.json == {"inputs": {}}
    with pytest.raises(ValueError, match="not a multipart form"):
        _ = request.form
