"""Every call of `Pipeline` sync and async: what is sent, exactly, and what is read."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from tests.call_styles import CallStyle

from vectorshift import AsyncVectorShift, Pipeline, VectorShift, errors
from vectorshift.pipeline import (
    Answer,
    BulkRunResult,
    PipelineList,
    RunHandler,
    RunResult,
    RunStatus,
    StreamChunk,
)
from vectorshift.testing import FakeVectorShift, ManualClock

pytestmark = pytest.mark.anyio


def sent(api: FakeVectorShift) -> tuple[str, str, dict[str, str], Any]:
    request = api.requests[-1]
    return (
        request.method,
        request.raw_path,
        dict(request.query),
        request.json if request.body else None,
    )


# --- Lists ---


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({}, {}),
        ({"include_shared": True, "verbose": True}, {"include_shared": "true", "verbose": "true"}),
        ({"folder_id": None, "offset": None, "limit": None}, {}),
        ({"include_shared": None, "verbose": 0}, {"verbose": "false"}),
        (
            {"folder_id": "f/1 &", "offset": 0, "limit": 5},
            {"folder_id": "f/1 &", "offset": "0", "limit": "5"},
        ),
    ],
    ids=["defaults", "booleans", "none is left out", "as good as booleans", "values"],
)
async def test_parameters_of_a_list_are_sent_as_the_api_reads_them(
    api: FakeVectorShift,
    style: CallStyle,
    client: Any,
    given: dict[str, Any],
    query: dict[str, str],
) -> None:
    await style.call(Pipeline, "list", client=client, **given)
    expected = {"include_shared": "false", "verbose": "true", **query}
    assert sent(api) == ("GET", "/v1/pipelines", expected, None)


async def test_it_lists_the_pipelines_of_the_organisation_of_the_key(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    shared = api.add_pipeline("globex", "theirs", shared_with=["acme"])
    api.add_pipeline("globex", "hidden")
    page = await style.call(Pipeline, "list", verbose=False, client=client)
    assert (len(page), page.raw["status"], "objects" in page.raw) == (3, "success", False)
    page = await style.call(Pipeline, "list", include_shared=True, client=client)
    names = ["acme-assistant", "acme-summary", "invoices", "theirs"]
    assert [each.name for each in page] == [each["name"] for each in page.raw["objects"]] == names
    assert page[-1].id == shared


async def test_a_page_is_a_list_of_pipelines_with_their_ids_and_names(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    page = await style.call(Pipeline, "list", client=client)
    assert issubclass(type(page), list)
    assert (len(page), bool(page)) == (3, True)
    assert [type(each) for each in page] == [Pipeline] * 3
    assert [each.name for each in page] == ["acme-assistant", "acme-summary", "invoices"]
    assert [each.id for each in page] == page.ids == page.raw["object_ids"]
    assert (page[2].id, page[-1].raw["org_name"], page[0].branch_id) == ("p1", "acme", "main")
    await style.call(page[2], "run", {})  # through the client that listed it
    assert api.requests[-1].org == "acme"
    assert [each.id for each in page if each.name == "invoices"] == ["p1"]
    assert Pipeline("p1") in page

    empty = await style.call(Pipeline, "list", "no such folder", client=client)
    assert (len(empty), bool(empty), empty.ids, empty == []) == (0, False, [], True)


@pytest.mark.parametrize("folder", [VectorShift("vs-1"), 10], ids=["a client", "a limit"])
async def test_what_is_no_folder_is_refused_and_does_not_find_nothing(
    style: CallStyle, client: Any, folder: Any
) -> None:
    told = r"folder_id must be a text, .* Pass a client as client="
    with pytest.raises(TypeError, match=told):
        await style.call(Pipeline, "list", folder, client=client)
    with pytest.raises(TypeError, match=told):
        style.iterator(Pipeline, "iterate", folder_id=folder, client=client)


async def test_the_page_that_was_asked_for_is_known(style: CallStyle, client: Any) -> None:
    page = await style.call(Pipeline, "list", offset=1, limit=1, client=client)
    assert (page.offset, page.limit, [each.name for each in page]) == (1, 1, ["acme-summary"])
    page = await style.call(Pipeline, "list", None, False, False, 2, 5, client=client)
    assert (page.offset, page.limit, [each.name for each in page]) == (2, 5, [None])


async def test_the_arguments_of_a_list_stand_in_the_order_of_the_official_sdk(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    await style.call(Pipeline, "list", "f1", True, False, 1, 2, client=client)
    expected = {"folder_id": "f1", "include_shared": "true", "verbose": "false"}
    assert sent(api)[2] == {**expected, "offset": "1", "limit": "2"}
    with pytest.raises(TypeError):
        await style.call(Pipeline, "iterate", True)


def test_a_page_that_is_read_as_the_answer_names_where_that_is() -> None:
    page: Any = PipelineList([Pipeline("a")], raw={"objects": []})
    with pytest.raises(TypeError, match=r"a list of pipelines.*Use \.raw\['objects'\]"):
        page["objects"]
    with pytest.raises(TypeError, match=r"Use 'objects' in \.raw, or in \.ids for an id"):
        assert "objects" in page
    assert Pipeline("a") in page
    assert "a" in page.ids
    for name in ("get", "items", "keys"):
        assert not hasattr(page, name)
        with pytest.raises(AttributeError, match=rf"Use \.raw\.{name}\(\.\.\.\)"):
            getattr(page, name)
    with pytest.raises(AttributeError, match="'PipelineList' object has no attribute 'idz'"):
        page.idz  # noqa: B018
    assert page.raw["objects"] == []


async def test_slices_copies_and_pickles_of_a_page(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    page = await style.call(Pipeline, "list", client=client)
    assert page[:2] == page[0:2] == [page[0], page[1]]
    assert page[::-1] == [*reversed(page)]
    copied = copy.copy(page)
    assert (type(copied), copied, copied.raw) == (PipelineList, page, page.raw)
    copied.pop()
    assert (len(copied), len(page)) == (2, 3)
    with pytest.raises(TypeError, match="A Pipeline that has a client cannot be pickled"):
        pickle.dumps(page)
    alone = PipelineList([Pipeline("a", name="n")], raw={"object_ids": ["a"]}, offset=1, limit=2)
    for other in (pickle.loads(pickle.dumps(alone)), copy.deepcopy(alone)):
        assert (type(other), other, other[0].name) == (PipelineList, alone, "n")
        assert (other.raw, other.offset, other.limit) == (alone.raw, 1, 2)
        assert other.raw is not alone.raw


async def test_a_page_prints_ids_and_names_and_neither_key_nor_client(
    api: FakeVectorShift, style: CallStyle
) -> None:
    key = api.create_key()
    async with style.client(api, credentials=key) as client:
        page = await style.call(Pipeline, "list", offset=2, client=client)
        assert repr(page) == "[<Pipeline p1 'invoices'>]"
        assert key not in f"{page} {page!r} {page[0]}"
        assert "Shift" not in f"{page} {page!r} {page[0]}"


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"object_ids": [{"$oid": "a"}, {"_id": {"$oid": "b"}}, {"_id": "c"}]}, ["a", "b", "c"]),
        ({"object_ids": [{"id": "d"}, {"object_id": "e"}, "f", 5]}, ["d", "e", "f", "5"]),
        ({"objects": [{"_id": "a"}, {"id": "b"}, {"object_id": "c"}]}, ["a", "b", "c"]),
        ({"object_ids": None, "objects": [{"_id": "a"}]}, ["a"]),
        ({"object_ids": ["a"], "objects": [{"_id": "a"}, {"_id": "b"}]}, ["a", "b"]),
        ({"object_ids": ["a", "b"], "objects": [{"_id": "b", "name": "n"}]}, ["a", "b"]),
        ({"object_ids": None}, []),
        ({"objects": []}, []),
    ],
    ids=str,
)
async def test_a_list_comes_in_any_of_its_forms(
    api: FakeVectorShift, style: CallStyle, client: Any, body: dict[str, Any], ids: list[str]
) -> None:
    api.fail_next(200, body=body)
    page = await style.call(Pipeline, "list", client=client)
    assert ([each.id for each in page], page.raw) == (ids, body)


@pytest.mark.parametrize("name", ["list", "iterate"])
@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        ("", "has no list of pipelines"),
        ("{}", "has no list of pipelines"),
        ('{"status": "success"}', "has no list of pipelines"),
        ('{"object_ids": {}}', "has no list of pipelines"),
        ('{"objects": "x"}', "has no list of pipelines"),
        ("[1]", "is not a JSON object"),
        ("<html>Sign in</html>", "Sign in"),
        ('{"object_ids": ["a", null]}', "has no id for one of its pipelines"),
        ('{"objects": [{"name": "n"}]}', "has no id for one of its pipelines"),
    ],
)
async def test_an_answer_that_is_no_list_of_pipelines_is_an_error(
    api: FakeVectorShift, style: CallStyle, client: Any, name: str, body: str, flaw: str
) -> None:
    async def read() -> None:
        if name == "list":
            await style.call(Pipeline, "list", client=client)
        else:
            await style.all(style.iterator(Pipeline, "iterate", client=client))

    api.fail_next(200, body=body)
    with pytest.raises(errors.VectorshiftApiError, match=flaw):
        await read()


# --- Fetching ---


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({"id": "p1"}, {"id": "p1"}),
        ({"name": "invoices"}, {"name": "invoices"}),
        (
            {"id": "p1", "branch_id": "main", "version": 1},
            {"id": "p1", "branch_id": "main", "version": "1"},
        ),
        (
            {"name": "invoices", "username": "acme-user", "org_name": "acme"},
            {"name": "invoices", "username": "acme-user", "org_name": "acme"},
        ),
        ({"id": {"$oid": "p1"}}, {"id": "p1"}),
        ({"id": {"_id": {"$oid": "p1"}, "name": "invoices"}}, {"id": "p1"}),
    ],
    ids=["id", "name", "version", "owner", "extended JSON", "an object of a list"],
)
async def test_a_pipeline_is_fetched_with_what_the_server_says_of_it(
    api: FakeVectorShift,
    style: CallStyle,
    client: Any,
    given: dict[str, Any],
    query: dict[str, str],
) -> None:
    pipeline = await style.call(Pipeline, "fetch", client=client, **given)
    assert sent(api) == ("GET", "/v1/pipeline", query, None)
    assert type(pipeline) is Pipeline
    assert (pipeline.id, pipeline.name, pipeline.branch_id) == ("p1", "invoices", "main")
    assert pipeline.raw["org_name"] == "acme"
    assert repr(pipeline) == "<Pipeline p1 'invoices'>"
    await style.call(pipeline, "run", {})  # through the client that fetched it
    assert api.requests[-1].org == "acme"


async def test_positional_arguments_are_in_the_order_that_users_of_the_official_sdk_know(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    await style.call(Pipeline, "fetch", "p1", None, "main", "1", "acme-user", "acme", client=client)
    expected = {
        "id": "p1",
        "branch_id": "main",
        "version": "1",
        "username": "acme-user",
        "org_name": "acme",
    }
    assert dict(api.requests[-1].query) == expected


@pytest.mark.parametrize("id", [["p1"], b"p1", {"$oid": ""}, True, 1.5, Pipeline("p1")], ids=repr)
async def test_fetching_by_what_is_no_id_is_refused_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, client: Any, id: Any
) -> None:
    with pytest.raises(ValueError, match="The id of a pipeline or a run must be a text") as caught:
        await style.call(Pipeline, "fetch", id, client=client)
    assert str(caught.value).endswith(f"not {id!r}.")
    assert api.requests == []


@pytest.mark.parametrize("given", [{}, {"id": ""}, {"name": ""}, {"version": "1"}], ids=str)
async def test_fetching_nothing_is_refused_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, client: Any, given: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="the id or the name"):
        await style.call(Pipeline, "fetch", client=client, **given)
    assert api.requests == []


@pytest.mark.parametrize(
    ("body", "id"),
    [
        ({"object": {"_id": {"$oid": "abc"}, "name": "n"}}, "abc"),
        ({"object": {"_id": "abc"}}, "abc"),
        ({"object": {"id": "abc"}}, "abc"),
        ({"object": {}}, "p1"),
    ],
)
async def test_an_id_may_come_in_any_of_its_forms(
    api: FakeVectorShift, style: CallStyle, client: Any, body: dict[str, Any], id: str
) -> None:
    api.fail_next(200, body=body)
    pipeline = await style.call(Pipeline, "fetch", "p1", client=client)
    assert (pipeline.id, pipeline.raw) == (id, body["object"])


# --- Calls on one pipeline ---

OF_A_RUN = {
    "inputs": {"n": [1, None, {"a": True}]},
    "session_id": "s",
    "version": "1.0.0",
    "node_input_overrides": {"node": {"x": 1}},
    "send_intermediate_results": False,
}
OF_A_START = {
    "inputs": {},
    "webhook_url": "https://x",
    "trace_id": "t",
    "session_id": "s",
    "version": "2",
}
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[str, str, Any]]] = [
    ("run", (), {}, ("POST", "run", {"inputs": {}})),
    ("run", ({"text": "hi"},), {}, ("POST", "run", {"inputs": {"text": "hi"}})),
    ("run", (), OF_A_RUN, ("POST", "run", OF_A_RUN)),
    ("start", ({"a": 1},), {}, ("POST", "run", {"inputs": {"a": 1}, "background": True})),
    ("start", (), OF_A_START, ("POST", "run", {**OF_A_START, "background": True})),
    (
        "bulk_run",
        ([{"a": 1}, {}],),
        {},
        ("POST", "bulk-run", {"runs": [{"inputs": {"a": 1}}, {"inputs": {}}]}),
    ),
    ("bulk_run", (), {"inputs": []}, ("POST", "bulk-run", {"runs": []})),
    ("delete", (), {}, ("DELETE", "", None)),
    ("duplicate", (), {}, ("POST", "duplicate", {})),
    (
        "duplicate",
        ("copy", "why", "f1"),
        {},
        ("POST", "duplicate", {"name": "copy", "description": "why", "folder_id": "f1"}),
    ),
    ("share", (), {"org_id": "globex"}, ("POST", "share", {"org_id": "globex", "role": "viewer"})),
    (
        "share",
        ("u1", None, "editor", "shown"),
        {},
        ("POST", "share", {"user_id": "u1", "role": "editor", "name": "shown"}),
    ),
    ("unshare", ("u1",), {}, ("POST", "unshare", {"user_id": "u1"})),
    ("unshare", (), {"org_id": "globex"}, ("POST", "unshare", {"org_id": "globex"})),
    ("revert", ("1.2.0",), {}, ("POST", "revert", {"version": "1.2.0"})),
]


@pytest.mark.parametrize(
    ("name", "args", "given", "expected"), CALLS, ids=lambda value: str(value)[:40]
)
async def test_what_is_sent(
    api: FakeVectorShift,
    style: CallStyle,
    client: Any,
    name: str,
    args: tuple[Any, ...],
    given: dict[str, Any],
    expected: tuple[str, str, Any],
) -> None:
    method, action, body = expected
    await style.call(Pipeline("p1", client=client), name, *args, **given)
    path = f"/v1/pipeline/p1/{action}".removesuffix("/")
    request, *others = api.requests
    found = request.method, request.raw_path, dict(request.query)
    assert (*found, request.json if request.body else None) == (method, path, {}, body)
    assert [each.path for each in others] == (["/v1/pipeline"] if name == "duplicate" else [])
    assert request.headers["accept"]


async def test_what_is_read(api: FakeVectorShift, style: CallStyle, client: Any) -> None:
    pipeline = Pipeline("p1", client=client)
    result = await style.call(pipeline, "run", {"answer": "42"})
    assert isinstance(result, RunResult)
    assert result["outputs"]["answer"] == result.outputs["answer"] == "42"
    assert result["run_id"] == result.run_id
    assert result.trace_id == result["trace_id"]
    assert result["status"] == "success"

    bulk = await style.call(pipeline, "bulk_run", [{"n": 1}, {"n": 2}])
    assert (
        [run["outputs"]["n"] for run in bulk["run_outputs"]]
        == [run.outputs["n"] for run in bulk.runs]
        == [1, 2]
    )
    assert bulk.runs[0].run_id

    copied = await style.call(pipeline, "duplicate", "copy")
    assert (copied.name, copied.branch_id, copied.id != "p1") == ("copy", "main", True)
    assert (await style.call(copied, "delete")) == {"status": "success"}

    for name, given in (
        ("share", {"org_id": "globex"}),
        ("unshare", {"org_id": "globex"}),
        ("revert", {"version": "2"}),
    ):
        answer = await style.call(pipeline, name, **given)
        assert (type(answer), answer) == (Answer, {"status": "success"})


async def test_sharing_and_deleting_happen(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    pipeline = Pipeline("p1", client=client)
    async with style.client(api, "globex") as theirs:
        await style.call(pipeline, "share", org_id="globex")
        assert (await style.call(Pipeline, "fetch", "p1", client=theirs)).name == "invoices"
        await style.call(pipeline, "delete")
        with pytest.raises(errors.NotFoundError):
            await style.call(Pipeline, "fetch", "p1", client=theirs)


@pytest.mark.parametrize("name", ["share", "unshare"])
async def test_sharing_with_nobody_is_refused(
    api: FakeVectorShift, style: CallStyle, client: Any, name: str
) -> None:
    with pytest.raises(ValueError, match="user_id or org_id"):
        await style.call(Pipeline("p1", client=client), name)
    assert api.requests == []


async def test_positional_arguments_of_runs_are_in_the_order_of_the_official_sdk(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    pipeline = Pipeline("p1", client=client)
    common: dict[str, Any] = {"inputs": {"a": 1}, "session_id": "s"}
    overrides = {"node": {"x": 1}}
    await style.call(pipeline, "run", {"a": 1}, False, False, "s", overrides, True)
    shared = {**common, "node_input_overrides": overrides, "send_intermediate_results": True}
    assert sent(api)[3] == shared
    started = await style.call(pipeline, "start", {"a": 1}, "s", overrides, True, "https://x", "2")
    expected = {**shared, "webhook_url": "https://x", "version": "2", "background": True}
    assert sent(api)[3] == expected
    await style.all(style.iterator(pipeline, "stream", {"a": 1}, True, "s", overrides, "2"))
    expected = {**common, "node_input_overrides": overrides, "version": "2", "stream": True}
    assert sent(api)[3] == {**expected, "stream_all_outputs": True}
    assert RunHandler("p1", started.task_id, "t").trace_id == "t"


@pytest.mark.parametrize("failure", [None, "node 3 broke"])
async def test_a_run_that_is_streamed_gives_the_lines_as_they_come(
    api: FakeVectorShift, style: CallStyle, client: Any, failure: str | None
) -> None:
    pipeline = Pipeline("p1", client=client)
    if failure:
        api.fail_run(failure)
    given = {"session_id": "s", "stream_all_outputs": True}
    lines = await style.all(await style.call(pipeline, "run", {"a": "x"}, stream=True, **given))
    assert sent(api)[3] == {"inputs": {"a": "x"}, "stream": True, **given}
    types, data = lines[::2], [json.loads(line[len(b"data: ") :]) for line in lines[1::2]]
    if failure:
        assert (types, data[0]["error"]) == ([b"event: result"], failure)
        return
    assert types == [b"event: stream", b"event: result"]
    assert [data[0]["output_value"], data[1]["outputs"]] == ["x", {"a": "x"}]


async def test_a_run_that_is_streamed_is_sent_when_the_first_line_is_asked_for(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    lines = await style.call(Pipeline("p1", client=client), "run", {}, True)
    assert api.requests == []
    api.fail_next(200, body={"outputs": {}})
    with pytest.raises(errors.VectorshiftApiError, match="not an event stream"):
        await style.all(lines)


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_delete_that_fails_right_after_the_creation_is_sent_again_later_than_other_calls(
    api: FakeVectorShift, style: CallStyle, failures: int
) -> None:
    clock = ManualClock()
    async with style.client(api, clock=clock) as client:
        pipeline = Pipeline("p1", client=client)
        api.fail_next(500, times=failures)
        if failures == 1:
            assert await style.call(pipeline, "delete") == {"status": "success"}
        else:
            with pytest.raises(errors.InternalServerError, match="Given up after 3 attempts"):
                await style.call(pipeline, "delete")
        assert {request.method for request in api.requests} == {"DELETE"}
        assert len(api.requests) == len(clock.waits) + 1 == min(failures, 2) + 1
        assert min(clock.waits) >= 1.0


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_copy_that_is_not_there_right_after_it_was_made_is_asked_for_once_more(
    api: FakeVectorShift, style: CallStyle, failures: int
) -> None:
    clock = ManualClock()
    async with style.client(api, clock=clock) as client:
        api.fail_next(404, times=failures, path="/pipeline")
        if failures == 1:
            assert (await style.call(Pipeline("p1", client=client), "duplicate", "n")).name == "n"
        else:
            with pytest.raises(errors.NotFoundError):
                await style.call(Pipeline("p1", client=client), "duplicate", "n")
        assert [request.method for request in api.requests] == ["POST", "GET", "GET"]
        assert clock.waits == [1.0]


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_delete_that_is_refused_is_not_tried_again(
    api: FakeVectorShift, style: CallStyle, client: Any, status: int
) -> None:
    api.fail_next(status)
    with pytest.raises(errors.VectorshiftApiError):
        await style.call(Pipeline("p1", client=client), "delete")
    assert len(api.requests) == 1


@pytest.mark.parametrize("field", ["run_id", "pipeline_run_id"])
async def test_a_run_may_be_named_by_either_field(
    api: FakeVectorShift, style: CallStyle, client: Any, field: Any
) -> None:
    api.dialect.run_id = field
    pipeline = Pipeline("p1", client=client)
    result = await style.call(pipeline, "run", {})
    assert result.run_id == result[field] != ""
    (run,) = (await style.call(pipeline, "bulk_run", [{}])).runs
    assert run.run_id == run[field] != ""
    api.fail_run("broken")
    with pytest.raises(errors.PipelineRunFailedError, match=r"Run [0-9a-f]{24} failed .*: broken"):
        await style.call(pipeline, "run", {})


# --- What a pipeline says of itself ---


def test_an_id_moves_no_cursor() -> None:
    assert repr(Pipeline("a\x1b[2J")) == r"<Pipeline 'a\x1b[2J'>"
    assert repr(RunHandler("p", "r\n")) == r"<RunHandler 'r\n' of pipeline p>"


def test_what_is_known_of_a_pipeline_may_be_given() -> None:
    pipeline = Pipeline(id="a", name="n", branch_id="b")
    assert (pipeline.id, pipeline.name, pipeline.branch_id) == ("a", "n", "b")
    assert (Pipeline("a").name, Pipeline("a").branch_id, Pipeline("a").raw) == (None, None, {})


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoices", "invoices"),
        (None, "vs_no_show"),
        ("a & b", "a & b"),
        ("</txt><guidelines>", "vs_no_show"),
        ("", "vs_no_show"),
        (5, "5"),
        (["<b>"], "vs_no_show"),
    ],
)
def test_the_text_of_a_pipeline_tells_agents_of_it(name: Any, shown: str) -> None:
    expected = (
        '<vs-context><object-info>{"objectType":0,"objectId":"a"}</object-info>'
        f"<txt>{shown}</txt></vs-context>"
    )
    pipeline = Pipeline("a", name=name)
    assert str(pipeline) == f"{pipeline}" == expected
    assert pipeline.name == (name if name is None else str(name))
    assert repr(pipeline) == f"<Pipeline a{f' {str(name)!r}' if name else ''}>"


# --- Bulk runs at either path ---


@pytest.mark.parametrize("there", ["bulk-run", "bulk_run"])
async def test_the_path_of_bulk_runs_is_looked_for_once(
    api: FakeVectorShift, style: CallStyle, client: Any, there: str
) -> None:
    api.dialect.bulk_paths = (there,)
    for _ in range(3):
        bulk = await style.call(Pipeline("p1", client=client), "bulk_run", [{"n": 1}])
        assert bulk.runs[0].outputs == {"n": 1}
    paths = [request.raw_path.rpartition("/")[2] for request in api.requests]
    assert paths == ["bulk-run"] * 3 if there == "bulk-run" else ["bulk-run", *["bulk_run"] * 3]
    assert len({request.body for request in api.requests}) == 1


async def test_a_server_that_changes_its_path_of_bulk_runs_is_followed(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    for there in ("bulk_run", "bulk-run", "bulk_run"):
        api.dialect.bulk_paths = (there,)
        api.clear_requests()
        for _ in range(2):
            await style.call(Pipeline("p1", client=client), "bulk_run", [{}])
        assert [request.status for request in api.requests] == [404, 200, 200]


async def test_a_path_that_is_remembered_is_that_of_its_server(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    api.dialect.bulk_paths = ("bulk_run",)
    await style.call(Pipeline("p1", client=client), "bulk_run", [{}])
    with FakeVectorShift() as another:
        another.add_pipeline("acme", "invoices", id="p1")
        async with style.client(another) as theirs:
            await style.call(Pipeline("p1", client=theirs), "bulk_run", [{}])
        assert [request.raw_path for request in another.requests] == ["/v1/pipeline/p1/bulk-run"]


async def test_a_bulk_run_of_no_pipeline_says_so_and_nothing_is_remembered(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    for _ in range(2):
        with pytest.raises(errors.NotFoundError, match="Pipeline not found") as caught:
            await style.call(Pipeline("nothing", client=client), "bulk_run", [])
        assert caught.value.endpoint == "/pipeline/nothing/bulk-run"
    assert len(api.requests) == 4


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"name": "notes\x1b[2J"}, r"No pipeline named 'notes\x1b[2J' is visible to this key."),
        ({"id": "p-9"}, "No pipeline with the id 'p-9' is visible to this key."),
        ({"id": "p-9", "name": "notes"}, "No pipeline with the id 'p-9' is visible to this key."),
    ],
)
async def test_a_fetch_in_vain_names_what_was_fetched(
    style: CallStyle, client: Any, wanted: dict[str, str], said: str
) -> None:
    with pytest.raises(errors.NotFoundError) as caught:
        await style.call(Pipeline, "fetch", **wanted, client=client)
    assert str(caught.value).splitlines()[1].strip() == said


async def test_a_key_given_as_a_name_is_not_shown(api: FakeVectorShift, style: CallStyle) -> None:
    key = api.create_key(org="acme")
    async with style.client(api, credentials=key) as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await style.call(Pipeline, "fetch", name=key, client=client)
    assert key not in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_a_bulk_run_that_may_have_happened_is_not_sent_again(
    api: FakeVectorShift, style: CallStyle, client: Any, status: int
) -> None:
    api.fail_next(status)
    with pytest.raises(errors.VectorshiftApiError):
        await style.call(Pipeline("p1", client=client), "bulk_run", [{}])
    assert len(api.requests) == 1


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize(
    "inputs",
    [{"a": 1}, "text", b"bytes", bytearray(b"bytes"), None, ({} for _ in "ab"), {1}, 5],
    ids=lambda inputs: type(inputs).__name__,
)
async def test_a_bulk_run_takes_a_list(
    api: FakeVectorShift, style: CallStyle, client: Any, inputs: Any, progress: bool
) -> None:
    with pytest.raises(
        TypeError, match=f"list of dicts, one for each run, not {type(inputs).__name__}"
    ):
        await style.call(Pipeline("p1", client=client), "bulk_run", inputs, progress=progress)
    assert api.requests == []


async def test_a_bulk_run_takes_the_values_of_a_dict(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    runs = await style.call(
        Pipeline("p1", client=client), "bulk_run", {"a": {"x": "1"}, "b": {"x": "2"}}.values()
    )
    assert len(runs.runs) == 2


@pytest.mark.parametrize(("name", "given"), [("run", [1]), ("start", "text"), ("bulk_run", [[1]])])
async def test_inputs_are_a_dict(
    api: FakeVectorShift, style: CallStyle, client: Any, name: str, given: Any
) -> None:
    with pytest.raises(TypeError, match="inputs should be a dict"):
        await style.call(Pipeline("p1", client=client), name, given)
    assert api.requests == []


# --- Ids ---


@pytest.mark.parametrize(
    ("id", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("../secrets", "..%2Fsecrets"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a%2Fb", "a%252Fb"),
        ("ä b", "%C3%A4%20b"),
        ("...", "..."),
        ("a\\b;c", "a%5Cb%3Bc"),
    ],
)
async def test_an_id_stays_in_its_segment(
    api: FakeVectorShift, style: CallStyle, client: Any, id: str, segment: str
) -> None:
    api.add_pipeline("acme", "odd", id=id)
    pipeline = Pipeline(id, client=client)
    assert (await style.call(pipeline, "run", {"a": 1})).outputs == {"a": 1}
    assert sent(api)[1] == f"/v1/pipeline/{segment}/run"
    handler = RunHandler("p1", id, client=client)
    with pytest.raises(errors.NotFoundError, match="Run not found"):
        await style.call(handler, "run_status")
    assert sent(api)[1] == f"/v1/pipeline/p1/run/status/{segment}"
    await style.call(pipeline, "delete")
    assert sent(api)[:2] == ("DELETE", f"/v1/pipeline/{segment}")


NO_IDS: list[Any] = ["", ".", "..", None, {}, {"$oid": ""}, True, b"p1", ["p1"], UUID(int=1)]


@pytest.mark.parametrize("id", NO_IDS, ids=repr)
async def test_an_id_that_is_none_is_refused_and_shown(
    api: FakeVectorShift, style: CallStyle, client: Any, id: Any
) -> None:
    def refused() -> Any:
        return pytest.raises(
            ValueError, match=f"The id of a pipeline or a run must be .* not {re.escape(repr(id))}"
        )

    with refused():
        Pipeline(id)
    for name in ("run_status", "terminate"):
        with refused():
            await style.call(Pipeline("p1", client=client), name, id)
    for ids in ((id, "r1"), ("p1", id)):
        with refused():
            RunHandler(*ids)
    assert api.requests == []


async def test_an_id_may_be_given_as_extended_json(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    assert Pipeline({"$oid": "abc"}).id == Pipeline({"_id": {"$oid": "abc"}}).id == "abc"
    pipeline = Pipeline("p1", client=client)
    run: Any = {"$oid": (await style.call(pipeline, "start")).task_id}
    assert (await style.call(pipeline, "run_status", run)).status == "in_progress"
    handler = RunHandler({"$oid": "p1"}, run, client=client)  # type: ignore[arg-type]
    assert (handler.pipeline_id, handler.task_id) == ("p1", run["$oid"])
    assert await style.call(pipeline, "terminate", run) == {"status": "success"}
    assert api.requests[-1].json == {"run_id": run["$oid"]}
    assert RunHandler("p1", 5).task_id == "5"  # type: ignore[arg-type]


def test_pipelines_are_equal_by_their_ids() -> None:
    assert Pipeline("a") == Pipeline("a")
    assert Pipeline("a") != Pipeline("b")
    assert Pipeline("a") != "a"
    assert len({Pipeline("a"), Pipeline("a"), Pipeline("b")}) == 2


# --- Answers that are not what they should be ---


ALL_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("list", ()),
    ("fetch", ("p1",)),
    ("run", ()),
    ("bulk_run", ([{}],)),
    ("start", ()),
    ("run_status", ("r1",)),
    ("terminate", ("r1",)),
    ("delete", ()),
    ("duplicate", ()),
    ("share", ("u1",)),
    ("revert", ("1.0.0",)),
]


@pytest.mark.parametrize(("name", "args"), ALL_CALLS, ids=lambda each: str(each)[:10])
@pytest.mark.parametrize("more", [{}, {"status": "FAILED"}, {"run_id": "r1"}], ids=str)
async def test_a_success_that_holds_an_error_is_an_error_with_its_text(
    api: FakeVectorShift,
    style: CallStyle,
    name: str,
    args: tuple[Any, ...],
    more: dict[str, Any],
) -> None:
    if name == "run_status" and "status" in more:
        return  # an answer to who asks how the run is
    key = api.create_key()
    api.fail_next(200, body={"error": f"no such plan for {key}", **more})
    owner: Any = Pipeline if name in ("list", "fetch") else Pipeline("p1")
    async with style.client(api, credentials=key) as client:
        with pytest.raises(errors.VectorshiftApiError, match="no such plan for #") as caught:
            await style.call(owner, name, *args, client=client)
    assert key not in f"{caught.value!r}{vars(caught.value)}"
    assert isinstance(caught.value, errors.PipelineRunFailedError) == (name in ("run", "bulk_run"))


async def test_a_run_that_was_ended_meanwhile_has_failed(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    api.fail_next(200, body={"status": "cancelled", "run_id": "r1"})
    with pytest.raises(
        errors.PipelineRunFailedError, match=r"^Run r1 failed: .* ended as cancelled"
    ):
        await style.call(Pipeline("p1", client=client), "run")


@pytest.mark.parametrize(
    ("name", "args", "body", "missing"),
    [
        ("run", (), "[1]", "is not a JSON object"),
        ("start", (), '{"status": "success"}', "has no task_id"),
        ("bulk_run", ([],), '"text"', "is not a JSON object"),
        ("duplicate", (), '{"status": "success"}', "has no id"),
        ("delete", (), "null", "is not a JSON object"),
        ("run_status", ("r",), "3", "is not a JSON object"),
    ],
)
async def test_an_answer_of_another_shape_is_an_error_of_ours(
    api: FakeVectorShift,
    style: CallStyle,
    client: Any,
    name: str,
    args: tuple[Any, ...],
    body: str,
    missing: str,
) -> None:
    api.fail_next(200, body=body)
    with pytest.raises(errors.VectorshiftApiError, match=missing) as caught:
        await style.call(Pipeline("p1", client=client), name, *args)
    assert caught.value.endpoint.startswith("/pipeline/p1")


@pytest.mark.parametrize("depth", [10, 700])
async def test_an_id_that_lies_too_deep_is_none(
    api: FakeVectorShift, style: CallStyle, client: Any, depth: int
) -> None:
    api.fail_next(200, body='{"object": ' + '{"_id": ' * depth + '"x"' + "}" * (depth + 1))
    assert (await style.call(Pipeline, "fetch", "invoices-1", client=client)).id == "invoices-1"
    with pytest.raises(ValueError, match="The id of a pipeline"):
        Pipeline(nested(depth))


def nested(depth: int) -> dict[str, Any]:
    return {"_id": nested(depth - 1)} if depth else {"$oid": "x"}


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = [CIRCLE]
BESIDE_A_FILE = {"document": b"x", "a": [CIRCLE]}


@pytest.mark.parametrize(
    "inputs", [CIRCLE, {"a": CIRCLE}, BESIDE_A_FILE], ids=["all", "inside", "beside a file"]
)
@pytest.mark.parametrize("name", ["run", "bulk_run", "start", "stream"])
async def test_inputs_without_an_end_are_refused_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, client: Any, name: str, inputs: Any
) -> None:
    path = "bulk-run" if name == "bulk_run" else "run"
    pipeline = Pipeline("p1", client=client)

    async def attempt() -> None:
        if name == "stream":
            await style.all(style.iterator(pipeline, name, inputs))
        else:
            await style.call(pipeline, name, [inputs] if name == "bulk_run" else inputs)

    gc.disable()  # a finalizer that runs in the depth of the recursion would fail
    try:
        with pytest.raises(
            TypeError, match=f"^POST /pipeline/p1/{path} was not sent: its body is nested too"
        ) as caught:
            await attempt()
    finally:
        gc.enable()
    assert caught.value.__cause__ is None
    assert api.requests == []


@pytest.mark.parametrize("body", ["{}", '{"object": null}', '{"object": [1]}', '{"object": "x"}'])
async def test_a_fetch_without_an_object_is_an_error_of_ours(
    api: FakeVectorShift, style: CallStyle, client: Any, body: str
) -> None:
    api.fail_next(200, body=body)
    with pytest.raises(errors.VectorshiftApiError, match="has no object"):
        await style.call(Pipeline, "fetch", "p1", client=client)


@pytest.mark.parametrize("value", [None, 3, "x", [1]], ids=repr)
def test_fields_of_another_shape_read_as_they_were_sent(value: Any) -> None:
    for found in (
        RunResult({"outputs": value}).outputs,
        RunStatus({"result": value}).outputs,
        StreamChunk.of("result", {"outputs": value}).outputs,
    ):
        assert found == ({} if value is None else value)
    assert BulkRunResult({"run_outputs": [value, {"run_id": "r2"}]}).runs == [{}, {"run_id": "r2"}]
    assert BulkRunResult({"run_outputs": value}).runs in ([], [{}])


async def test_each_run_of_a_bulk_stands_at_the_place_of_its_inputs(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    outputs = [
        {"run_id": "r1", "outputs": {"n": 1}},
        None,
        {"run_id": "r3", "status": "FAILED", "error": {"message": "boom", "node": 3}},
        {"run_id": "r4", "status": "success", "outputs": {"n": 4}},
    ]
    api.fail_next(200, body={"status": "success", "run_outputs": outputs})
    runs = (await style.call(Pipeline("p1", client=client), "bulk_run", [{}] * 4)).runs
    found = [(run.run_id, run.status, run.error, run.outputs) for run in runs]
    assert found == [
        ("r1", "", "", {"n": 1}),
        ("", "", "", {}),
        ("r3", "failed", "boom", {}),
        ("r4", "success", "", {"n": 4}),
    ]


def test_fields_that_are_missing_read_as_nothing() -> None:
    assert (
        RunResult().run_id == RunResult().trace_id == RunStatus().status == RunStatus().error == ""
    )
    assert RunResult().outputs == RunStatus({"status": "completed"}).outputs == {}
    assert RunResult({"run_id": {"$oid": "r"}}).run_id == "r"


# --- Clients of the wrong kind ---


async def test_a_pipeline_does_not_fall_back_to_the_process_for_the_other_kind(
    api: FakeVectorShift,
) -> None:
    key = api.create_key()
    with VectorShift(key, base_url=api.base_url) as client:
        with pytest.raises(TypeError, match="An async call takes an instance of AsyncVectorShift"):
            await Pipeline("p1", client=client).arun({})
        with pytest.raises(TypeError, match="An async call takes"):
            await RunHandler("p1", "r", client=client).arun_status()
        with pytest.raises(TypeError, match="An async call takes"):
            await Pipeline("p1", client=client).astart({})
        with pytest.raises(TypeError, match="An async call takes"):
            Pipeline("p1", client=client).astream({})
    async with AsyncVectorShift(key, base_url=api.base_url) as aclient:
        with pytest.raises(TypeError, match="A sync call takes an instance of VectorShift"):
            Pipeline("p1", client=aclient).run({})
        with pytest.raises(TypeError, match="A sync call takes"):
            Pipeline("p1", client=aclient).start({})
    with pytest.raises(TypeError, match="instance of VectorShift or AsyncVectorShift"):
        RunHandler("p1", "r", client="vs-key")  # type: ignore[arg-type]
    assert api.requests == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: Pipeline.list(client=client),
        lambda client: asyncio.run(Pipeline.alist(client=client)),
        lambda client: Pipeline.fetch(id="p1", client=client),
        lambda client: Pipeline.iterate(client=client),
        lambda client: Pipeline("p1").start({}, client=client),
        lambda client: Pipeline("p1").stream({}, client=client),
        lambda client: Pipeline("p1", client=client).run({}),
        lambda client: RunHandler("p1", "r", client=client),
    ],
    ids=["list", "alist", "fetch", "iterate", "start", "stream", "pipeline", "handler"],
)
def test_a_key_in_place_of_a_client_is_refused_and_shown_nowhere(
    call: Callable[[Any], object], shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(TypeError, match=r"instance of .*, not of str") as error:
        call("vs-key-in-place-of-a-client")
    assert "in-place-of" not in shown(error.value)
    assert "in-place-of" not in str(vars(Pipeline("p1", client="vs-in-place-of")))  # type: ignore[arg-type]


async def test_a_call_may_name_another_client(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    async with style.client(api, "globex") as theirs:
        await style.call(Pipeline("p1", client=client), "run", {}, client=client)
        with pytest.raises(errors.NotFoundError):
            await style.call(Pipeline("p1", client=client), "run", {}, client=theirs)
    assert [request.org for request in api.requests] == ["acme", "globex"]


# --- Pickling ---


async def test_what_has_a_client_says_what_to_hand_over_in_its_place(
    style: CallStyle, client: Any
) -> None:
    for made, said in (
        (
            Pipeline("p1", client=client),
            r"Pass its id, and create Pipeline\(id, client=...\) there",
        ),
        (RunHandler("p1", "r1", client=client), r"Pass its pipeline_id and task_id"),
        (RunHandler("p1", "r1"), r"create RunHandler\(pipeline_id, task_id\) there"),
    ):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match=said):
                pickle.dumps(made, protocol)


async def test_a_copy_of_a_pipeline_has_its_client(
    api: FakeVectorShift, style: CallStyle, client: Any
) -> None:
    copied = copy.copy(await style.call(Pipeline, "fetch", "p1", client=client))
    assert (type(copied), copied.name) == (Pipeline, "invoices")
    await style.call(copied, "run")
    assert api.requests[-1].org == "acme"


# --- What is not here ---


@pytest.mark.parametrize(
    "name", ["list", "aiterate", "fetch", "run", "abulk_run", "delete", "share"]
)
def test_an_argument_that_is_none_is_said_of_the_class_that_is_used(name: str) -> None:
    call: Any = getattr(Pipeline, name)
    with pytest.raises(
        TypeError, match=rf"^Pipeline\.{name}\(\) got an unexpected keyword argument 'nothing'"
    ):
        call(nothing=1)
    assert pickle.loads(pickle.dumps(call)) == call


BUILDING = [
    "new",
    "anew",
    "save",
    "asave",
    "add",
    "add_batch",
    "add_node",
    "remove_node",
    "nodes",
    "to_dict",
    "from_json",
]


@pytest.mark.parametrize("name", [*BUILDING, "publish", "move_to_folder"])
def test_what_the_official_pipeline_has_beside_says_where_to_look(name: str) -> None:
    pipeline = Pipeline("p1")
    with pytest.raises(
        AttributeError, match=rf"Pipeline.{name} is not part of this package.*vectorshift<1"
    ) as caught:
        getattr(pipeline, name)
    assert ("platform's editor" in str(caught.value)) == (name in BUILDING)
    with pytest.raises(AttributeError, match=rf"Pipeline.{name} is not part of this package"):
        getattr(Pipeline, name)
    assert not hasattr(pipeline, name)
    assert not hasattr(Pipeline, name)


@pytest.mark.parametrize("name", ["nodes", "inputs", "outputs", "config"])
async def test_what_the_server_sent_of_an_absent_member_is_where_the_error_says(
    api: FakeVectorShift, style: CallStyle, client: Any, name: str
) -> None:
    sent: dict[str, Any] = {name: {"n1": {}}}
    id = api.add_pipeline("acme", "built", **sent)
    pipeline = await style.call(Pipeline, "fetch", id, client=client)
    with pytest.raises(AttributeError) as caught:
        getattr(pipeline, name)
    (advice,) = re.findall(r"What the server sent is in (\S+)\.", str(caught.value))
    assert eval(advice, {"pipeline": pipeline}) == {"n1": {}}
    with pytest.raises(AttributeError) as caught:
        getattr(Pipeline("p1"), name)
    assert ".raw has everything that the server sent" in str(caught.value) or name == "config"
    assert "pipeline.raw[" not in str(caught.value)


def test_a_mistyped_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="'Pipeline' object has no attribute 'rum'"):
        getattr(Pipeline("p1"), "rum")  # noqa: B009


@pytest.mark.parametrize("name", ["LlmNode", "InputNode", "BumpLevel"])
def test_classes_of_nodes_say_where_to_look(name: str) -> None:
    import vectorshift.pipeline

    with pytest.raises(ImportError, match=rf"{name} is not part of this package.*vectorshift<1"):
        getattr(vectorshift.pipeline, name)
    with pytest.raises(AttributeError, match="has no attribute"):
        vectorshift.pipeline.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "made", [RunResult({"outputs": {"a": 1}}), RunStatus({"status": "failed"}), Pipeline("p1")]
)
def test_values_are_copied_and_pickled(made: Any) -> None:
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (type(other), other) == (type(made), made)


def test_pipelines_that_are_described_alone_come_in_the_order_of_the_answer() -> None:
    from vectorshift.pipeline.results import pipelines_in

    answer = {"object_ids": ["x", "x"], "objects": [{"id": each} for each in "edcba"]}
    assert [id for id, _ in pipelines_in(answer)[0]] == ["x", "e", "d", "c", "b", "a"]


def test_a_deep_copy_keeps_its_client() -> None:
    with VectorShift("vs-a") as client:
        for made in (Pipeline("p", client=client), RunHandler("p", "t", client=client)):
            assert vars(copy.deepcopy(made)) == vars(copy.copy(made))
