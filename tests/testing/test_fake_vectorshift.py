"""What the stand-in API answers and records, asked over its real socket by a plain client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.testing.plain import bearer, names

from vectorshift.testing import FakeVectorShift

MISSING = {"error": "Missing authorization header"}
MALFORMED = {"error": "Invalid authorization header format"}
INVALID = {"error": "Invalid API key"}


# --- Keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, MISSING),
        ({"Authorization": ""}, MISSING),
        ({"Authorization": "vs-bare"}, MALFORMED),
        ({"Authorization": "Bearer"}, MALFORMED),
        ({"Authorization": "Basic dnM6a2V5"}, MALFORMED),
        ({"Authorization": "Bearer None"}, INVALID),
        ({"Authorization": "Bearer vs-unknown"}, INVALID),
    ],
)
def test_a_request_without_a_good_key_gets_the_documented_401(
    http: httpx.Client, headers: dict[str, str], body: dict[str, str]
) -> None:
    answer = http.get("/pipelines", headers=headers)
    assert (answer.status_code, answer.json()) == (401, body)


def test_made_keys_are_random_and_good(api: FakeVectorShift, http: httpx.Client) -> None:
    first, second = api.create_key(), api.create_key()
    assert first != second
    assert first.startswith("vs-")
    assert names(http, first) == names(http, second) == ["acme-assistant", "acme-summary"]


def test_a_given_key_is_taken_as_it_is_and_only_once(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    assert api.create_key(key="sk_given", org="acme") == "sk_given"
    assert names(http, "sk_given")
    with pytest.raises(ValueError, match="exists already") as caught:
        api.create_key(key="sk_given", org="globex")
    assert "sk_given" not in str(caught.value)


@pytest.mark.parametrize("path", ["/pipelines", "/pipeline?name=acme-summary"])
def test_a_key_without_the_scope_gets_403(
    api: FakeVectorShift, http: httpx.Client, path: str
) -> None:
    answer = http.get(path, headers=bearer(api.create_key(scopes=["pipelines:write"])))
    assert answer.status_code == 403
    assert answer.json() == {"status": "failed", "error": "API key lacks the scope pipelines:read"}


def test_a_revoked_key_is_refused_on_the_same_connection(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    old, new = api.create_key(), api.create_key()
    assert http.get("/pipelines", headers=bearer(old)).status_code == 200
    api.revoke_key(old)
    answer = http.get("/pipelines", headers=bearer(old))
    assert (answer.status_code, answer.json()) == (401, INVALID)
    assert http.get("/pipelines", headers=bearer(new)).status_code == 200


def test_no_request_sent_after_a_revocation_gets_through(api: FakeVectorShift) -> None:
    key, revoked, late = api.create_key(), threading.Event(), []

    def stream() -> None:
        with httpx.Client(base_url=api.base_url, verify=False, headers=bearer(key)) as client:
            for _ in range(400):
                was_revoked = revoked.is_set()
                status = client.get("/pipelines").status_code
                late.extend([status] if was_revoked else [])
                if len(late) >= 20:
                    return

    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(stream) for _ in range(4)]
        while len(api.requests) < 50:
            time.sleep(0.001)
        api.revoke_key(key)
        revoked.set()
    assert [done.exception() for done in streams] == [None] * 4
    assert set(late) == {401}


def test_revoking_an_unknown_key_says_so_without_showing_it(api: FakeVectorShift) -> None:
    with pytest.raises(KeyError, match="no key") as caught:
        api.revoke_key("vs-typo")
    assert "vs-typo" not in str(caught.value)


# --- Pipelines ------------------------------------------------------------------------------------


def test_a_list_has_ids_and_the_objects_only_if_verbose(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    key = api.create_key(org="acme")
    plain = http.get("/pipelines", headers=bearer(key)).json()
    assert sorted(plain) == ["object_ids", "status"]
    assert plain["status"] == "success"
    assert len(plain["object_ids"]) == 2
    verbose = http.get("/pipelines", headers=bearer(key), params={"verbose": "true"}).json()
    assert (
        [pipeline["_id"] for pipeline in verbose["objects"]]
        == plain["object_ids"]
        == verbose["object_ids"]
    )


def test_each_organisation_sees_its_own_pipelines(api: FakeVectorShift, http: httpx.Client) -> None:
    acme, globex = api.create_key(org="acme"), api.create_key(org="globex")
    id = api.add_pipeline("acme", "secret plans", config={"answer": 42})
    assert names(http, acme) == ["acme-assistant", "acme-summary", "secret plans"]
    assert names(http, globex) == ["globex-assistant", "globex-summary"]
    mine = http.get("/pipeline", headers=bearer(acme), params={"id": id})
    assert (mine.status_code, mine.json()["status"]) == (200, "success")
    assert mine.json()["object"]["config"] == {"answer": 42}
    for query in (
        {"id": id},
        {"name": "secret plans"},
        {"name": "secret plans", "org_name": "acme"},
    ):
        theirs = http.get("/pipeline", headers=bearer(globex), params=query)
        assert (theirs.status_code, theirs.json()) == (
            404,
            {"status": "failed", "error": "Pipeline not found"},
        )


def test_a_shared_pipeline_is_listed_where_it_is_asked_for(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    globex, other = api.create_key(org="globex"), api.create_key(org="initech")
    id = api.add_pipeline("acme", "ours", shared_with=["globex"])
    assert "ours" not in names(http, globex, include_shared="false")
    assert "ours" in names(http, globex, include_shared="true")
    assert "ours" not in names(http, other, include_shared="true")
    assert http.get("/pipeline", headers=bearer(globex), params={"id": id}).status_code == 200
    assert http.get("/pipeline", headers=bearer(other), params={"id": id}).status_code == 404


def test_a_list_can_be_cut_to_a_folder_and_a_page(api: FakeVectorShift, http: httpx.Client) -> None:
    key = api.create_key()
    for number in range(5):
        api.add_pipeline("acme", f"p{number}", folder_id="f1")
    assert names(http, key, folder_id="f1") == ["p0", "p1", "p2", "p3", "p4"]
    assert names(http, key, folder_id="f1", offset="1", limit="2") == ["p1", "p2"]
    assert names(http, key, offset="6") == ["p4"]
    assert (
        names(http, key, limit="0")
        == names(http, key, offset="99")
        == names(http, key, folder_id="x")
        == []
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "ten"),
        ("limit", ""),
        ("offset", "-1"),
        ("offset", "1.5"),
        ("limit", "²"),
        ("verbose", "yes"),
    ],
)
def test_a_malformed_parameter_gets_422(
    api: FakeVectorShift, http: httpx.Client, name: str, value: str
) -> None:
    answer = http.get("/pipelines", headers=bearer(api.create_key()), params={name: value})
    assert answer.status_code == 422
    assert answer.json()["status"] == "failed"
    assert name in answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"id": "abc"}, 200),
        ({"id": "abc", "version": "1.0.0", "branch_id": "main"}, 200),
        ({"id": "abc", "version": "latest"}, 200),
        ({"id": "abc", "version": "7"}, 404),
        ({"id": "abc", "branch_id": "b2"}, 404),
        ({"name": "näme/1"}, 200),
        ({"name": "näme/1", "username": "acme-user", "org_name": "acme"}, 200),
        ({"name": "näme/1", "username": "someone"}, 404),
        ({"name": "näme/1", "org_name": "globex"}, 404),
        ({"id": ""}, 404),
        ({}, 400),
        ({"username": "acme-user"}, 400),
    ],
)
def test_a_pipeline_is_fetched_by_id_or_name(
    api: FakeVectorShift, http: httpx.Client, query: dict[str, str], status: int
) -> None:
    assert api.add_pipeline("acme", "näme/1", id="abc") == "abc"
    answer = http.get("/pipeline", headers=bearer(api.create_key()), params=query)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (
        status,
        "success" if status == 200 else "failed",
    )
    assert body["object"]["_id"] == "abc" if status == 200 else body["error"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("POST", "/pipelines"), ("GET", "/pipelines/")]
)
def test_everything_else_is_404(
    api: FakeVectorShift, http: httpx.Client, method: str, path: str
) -> None:
    answer = http.request(method, path, headers=bearer(api.create_key()))
    assert (answer.status_code, answer.json()) == (404, {"status": "failed", "error": "Not Found"})


# --- Records --------------------------------------------------------------------------------------


def test_a_record_holds_what_was_sent_and_what_was_answered(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    key = api.create_key(org="globex")
    before = time.monotonic()
    http.post(
        "/nothing%20here?a=1&b=%C3%A4",
        headers={**bearer(key), "X-Trace": "t1"},
        content=b"\x00body",
    )
    http.get("/pipelines", headers=bearer("vs-unknown"))
    http.get("/pipelines")
    posted, refused, anonymous = api.requests
    assert (posted.method, posted.path, dict(posted.query)) == (
        "POST",
        "/v1/nothing here",
        {"a": "1", "b": "ä"},
    )
    assert (posted.body, posted.headers["x-trace"], posted.status) == (b"\x00body", "t1", 404)
    assert posted.headers["authorization"] == f"Bearer {key}"
    assert posted.key is not None
    assert (posted.key.reveal(), posted.org) == (key, "globex")
    assert refused.key is not None
    assert (refused.key.reveal(), refused.org, refused.status) == ("vs-unknown", None, 401)
    assert (anonymous.key, anonymous.org, anonymous.status) == (None, None, 401)
    assert before <= posted.at <= refused.at <= anonymous.at <= time.monotonic()
    with pytest.raises(AttributeError):
        posted.status = 200  # type: ignore[misc]


def test_nothing_that_is_printed_shows_a_key(api: FakeVectorShift, http: httpx.Client) -> None:
    key = api.create_key()
    http.get(
        "/pipelines", headers={**bearer(key), "Api-Key": key, "Cookie": key}, params={"k": key}
    )
    (record,) = api.requests
    for printed in (
        repr(api),
        repr(record),
        str(record),
        f"{record}",
        repr(record.headers),
        str(record.headers),
    ):
        assert key not in printed
    assert "/v1/pipelines" in repr(record)
    assert "org=acme" in repr(record)


def test_records_can_be_cleared_and_are_bounded() -> None:
    with (
        FakeVectorShift(keep_requests=3) as api,
        httpx.Client(base_url=api.base_url, trust_env=False) as http,
    ):
        for number in range(5):
            http.get(f"/{number}")
        assert [request.path for request in api.requests] == ["/v1/2", "/v1/3", "/v1/4"]
        api.clear_requests()
        assert api.requests == []
